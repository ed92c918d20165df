"""The report page: one self-contained HTML file, in one of several languages.

report    a run → report.html
compare   several runs side by side → compare.html
opening   its first screen: what was run, leading models, recommended models
chapters  one per data set: evidence for the first screen
gallery   images: mistakes of all models, of one model, with the highest confidence
html      templates, charts and scripts combined into one file

templates/ holds the page's skeleton, its style and its script.
"""

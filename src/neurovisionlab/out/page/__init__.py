"""The page that people read: one HTML file with everything in it, in one of several languages.

report    a run  → report.html
compare   several runs side by side → compare.html
opening   its first screen: what was run, who leads, what to take
chapters  a data set each: evidence for what the first screen says
gallery   pictures: mistakes of all, of one, with the greatest confidence
html      how templates, charts and scripts become one file

templates/ holds the page's skeleton, its style and its script.
"""

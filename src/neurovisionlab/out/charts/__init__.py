"""Vega-Lite charts of rows of numbers, with text in the language of `out.speech`.

drawing         shared by all charts: colours, padding, conversion to SVG, PNG and PDF
quality         scores with intervals, cells, recall per class
learning        accuracy by epoch: means and bands over seeds, onset of overfitting
confusions      confusion matrices of models, and their differences
confidence      reliability curves
judged_charts   all charts that support a judgement
accuracy_costs  accuracy against each cost, and the Pareto front
"""

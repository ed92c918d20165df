"""Charts: rows of numbers → a Vega-Lite chart. Each says its words in the language that is spoken.

drawing      what all share: colours, room, how a chart becomes SVG, PNG or PDF
quality      scores with intervals, cell by cell, recall class by class
learning     accuracy by epoch: means and bands over seeds, where overfitting begins
confusions   which class is taken for which, and how two models differ in it
confidence   reliability curves
evidence     all of those that stand behind a judgement
costs        accuracy against each cost, and the Pareto front
"""

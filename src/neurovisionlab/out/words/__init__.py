"""Text of conclusions: tables of sentences by key, and functions for verdicts.

advice_words        of `judge.advice`
cell_words          of cells that have no part in a judgement
claim_words         of `claims`
cost_words          of measured costs
data_words          of how data sets were read and divided
evaluation_words    of how models were asked about another set
verdict_words       estimates, pairs and ranks; these have fields of their own, no statements
"""

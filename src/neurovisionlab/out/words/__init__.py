"""Text of conclusions: tables of sentences by key, and functions for verdicts.

advice_words    of `judge.advice`
cell_words      of cells that have no part in a judgement
claim_words     of `claims`
cost_words      of notes on measured costs
data_words      of notes on data sets and splits
verdict_words   estimates, pairs and ranks, from records instead of statements
"""

"""The words of what was concluded: tables of sentences by key, and sentences about verdicts.

advice      of `judge.advice`
cells       of cells that have no part in a judgement
claims      of `claims`
verdicts    estimates, pairs and ranks; these have fields of their own instead of statements
"""

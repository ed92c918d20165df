"""What a publication claims, checked against its own text and against measured records.

records     what a claims file holds, and the rows that come out
file        TOML → Publication, all mistakes at once
checks      the text against itself; memory has rules of its own
evidence    what a run measured, in the publication's terms
verdicts    each claim against that evidence
sentences   every sentence that a person reads
"""

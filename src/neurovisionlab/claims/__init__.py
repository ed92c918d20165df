"""What a publication claims, checked against its own text and against measured records.

publication         what a claims file holds, and the rows that come out
publication_file    TOML → Publication, all mistakes at once
checks              the text against itself; memory_table has rules of its own
measured            what a run measured, in the publication's terms
contrasts           what a sentence compares, and how each comparison turns out
claim_verdicts      each claim against what was measured
"""

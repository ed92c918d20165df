"""A publication's claims, checked against its own text and against measured records.

publication         contents of a claims file, and the resulting rows
publication_file    TOML → Publication, all mistakes at once
checks              the text against itself; memory_table has its own rules
measured            measurements of a run, in the publication's terms
contrasts           comparisons that a sentence makes, and their outcomes
claim_verdicts      each claim against the measurements
"""

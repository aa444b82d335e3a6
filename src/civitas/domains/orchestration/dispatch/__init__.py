"""Dispatch: the agents, what they claim, what they say of it, and what becomes of jobs whose agents fall silent.

`agents.py` knows the machines and their tokens; `matching.py` decides who gets what; `claiming.py` takes jobs for
agents; `leases.py` takes them back; `reporting.py` hears progress and results, and measures; `estimating.py` tells
those who wait; `tending.py` looks after what nobody reports.

Locks: a claim takes job rows alone and skips those that are locked. Whatever else changes jobs takes the workflow's
row first, then the job, then the claim.
"""

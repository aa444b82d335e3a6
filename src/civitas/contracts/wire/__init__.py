"""The protocol between the orchestrator and its agents, over HTTP and JSON.

An agent registers what it can run, claims jobs when it has room, tells progress, uploads what it made into the slots of
the job, and sends a result. Every claim has a number; what is said under a number that is no longer valid is refused
with 410 and changes nothing (a fencing token), so that a late agent never delivers a job twice.
"""

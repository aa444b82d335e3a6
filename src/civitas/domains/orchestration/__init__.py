"""Orchestration: workflows of steps, the jobs they need, the agents that race for them, and what comes out.

It owns `workflows`, `workflow_steps`, `jobs`, `job_claims`, `claim_uploads`, `agents`, `agent_resources`, `agent_rates`,
`queue_turns`, `orchestration_blobs`, `step_results`, `callback_deliveries` and `callback_secrets`. Invariants: a state
that is final never changes (triggers of `r0015_orchestration.sql`); a job has at most one claim that won; what a claim
says counts only while the claim is open; a workflow is charged for what was delivered, once, from one hold.

A workflow's row is the lock of everything that belongs to it: whoever changes the state of its steps or jobs takes it
first (`locking.py`). Claims are the exception: they take jobs alone, skip what is locked, and change no step.
"""

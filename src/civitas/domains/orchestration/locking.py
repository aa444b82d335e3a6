"""A workflow in hand: its row is locked, its steps and jobs are loaded, and what changes is noted in order.

Every state of steps and jobs is changed through here, so that final states stay and whoever is to be told is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.memberships.entitlements import Entitlements
from civitas.domains.orchestration import keeping
from civitas.domains.orchestration.keeping import Kept
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Reason, Status
from civitas.kit import clock

Scope = Literal["workflow", "step", "job"]
# How far a state is on the way, for what a workflow shows of its steps and a step of its jobs.
_RANK = {Status.UNASSIGNED: 0, Status.PREPARING: 1, Status.SCHEDULED: 2, Status.PROCESSING: 3}


@dataclass(frozen=True, slots=True)
class Moved:
    """A change of state that callbacks may want to hear of."""

    scope: Scope
    status: Status
    at: datetime
    step: WorkflowStep | None = None
    job: Job | None = None


@dataclass(slots=True)
class Run:
    """A locked workflow. `moves` is what changed, in order; `lost` are jobs whose claims count no more."""

    workflow: Workflow
    steps: list[WorkflowStep]
    jobs: list[Job]
    now: datetime
    moves: list[Moved] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    # How the rows were, where no session has them: what is changed is written by `keeping`.
    kept: Kept | None = None
    # The membership of its person, once somebody asked.
    member: Entitlements | None = None
    _jobs: dict[int, list[Job]] = field(default_factory=dict)
    _turns: dict[int, list[WorkflowStep]] = field(default_factory=dict)
    _by_id: dict[int, WorkflowStep] = field(default_factory=dict)
    _by_name: dict[str, WorkflowStep] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for step in self.steps:
            self._index(step)
        for job in self.jobs:
            self._jobs.setdefault(job.step_id, []).append(job)

    def _index(self, step: WorkflowStep) -> None:
        self._by_id[step.id], self._by_name[step.name] = step, step
        if step.parent_id is not None:
            self._turns.setdefault(step.parent_id, []).append(step)

    def add_step(self, step: WorkflowStep) -> None:
        """A step that came on top: a turn of a loop. Its id is known."""
        self.steps.append(step)
        self._index(step)

    def add_job(self, job: Job) -> None:
        """A job that came on top."""
        self.jobs.append(job)
        self._jobs.setdefault(job.step_id, []).append(job)
        self.moves.append(Moved("job", Status.UNASSIGNED, self.moment(), self.step_of(job), job))

    def forget_jobs(self, step: WorkflowStep) -> None:
        """The jobs of a step were deleted."""
        gone = {job.id for job in self._jobs.pop(step.id, [])}
        self.jobs = [job for job in self.jobs if job.id not in gone]
        self.moves = [move for move in self.moves if move.job is None or move.job.id not in gone]

    def named(self, name: str) -> WorkflowStep | None:
        """The step of this name."""
        return self._by_name.get(name)

    @property
    def jobs_by_step(self) -> Mapping[int, Sequence[Job]]:
        """The jobs of every step that has any."""
        return self._jobs

    def jobs_of(self, step: WorkflowStep) -> list[Job]:
        """The jobs of a step, tries included, by number and try."""
        return self._jobs.get(step.id, [])

    def last_tries(self, step: WorkflowStep) -> list[Job]:
        """The last try of each of a step's jobs."""
        found = {job.number: job for job in sorted(self.jobs_of(step), key=lambda job: job.attempt)}
        return [found[number] for number in sorted(found)]

    def turns_of(self, step: WorkflowStep) -> list[WorkflowStep]:
        """The turns of a `repeat`, in order."""
        return self._turns.get(step.id, [])

    def moment(self) -> datetime:
        """Now, later than any moment noted before: order is seen from the times alone."""
        last = self.moves[-1].at if self.moves else None
        self.now = max(clock.now(), self.now)
        if last is not None and self.now <= last:
            self.now = last + timedelta(microseconds=1)
        return self.now

    def move_step(self, step: WorkflowStep, status: Status) -> None:
        """A step goes on to a state that is not final."""
        if Status(step.status).final or step.status == status:
            return
        step.status = status
        if status is Status.PROCESSING and step.started_at is None:
            step.started_at = self.now
        self.moves.append(Moved("step", status, self.moment(), step))

    def end_step(
        self,
        step: WorkflowStep,
        status: Status,
        *,
        output: dict[str, Any] | None = None,
        reason: str | None = None,
        blocked_reason: str | None = None,
    ) -> None:
        """A step ends, and what is open of it ends with it: its jobs are cancelled, and the turns of a loop."""
        if Status(step.status).final:
            return
        if output is not None:
            step.output = output
        step.reason, step.blocked_reason = reason, blocked_reason
        at = self.moment()
        step.status, step.completed_at = status, at
        if status is Status.SUCCEEDED and step.started_at is None:
            step.started_at = at
        for job in self.jobs_of(step):
            self.end_job(job, Status.EXPIRED if status is Status.EXPIRED else Status.CANCELED, reason=reason)
        for turn in self.turns_of(step):
            self.end_step(turn, Status.CANCELED, reason=Reason.CANCELED)
        self.moves.append(Moved("step", status, self.moment(), step))

    def move_job(self, job: Job, status: Status) -> bool:
        """A job goes on to a state that is not final; its step and workflow follow. False when it has ended."""
        if Status(job.status).final:
            return False
        if job.status != status:
            job.status = status
            if status is Status.PROCESSING and job.started_at is None:
                job.started_at = self.now
            self.moves.append(Moved("job", status, self.moment(), self.step_of(job), job))
        return True

    def end_job(
        self,
        job: Job,
        status: Status,
        *,
        output: dict[str, Any] | None = None,
        reason: str | None = None,
        blocked_reason: str | None = None,
    ) -> None:
        """A job ends; claims on one that did not end by its own result are lost."""
        if Status(job.status).final:
            return
        if output is not None:
            job.output = output
        job.reason, job.blocked_reason = reason, blocked_reason
        job.status, job.completed_at = status, self.moment()
        if status in (Status.CANCELED, Status.EXPIRED):
            self.lost.append(job.id)
        self.moves.append(Moved("job", status, job.completed_at, self.step_of(job), job))

    def step_of(self, job: Job) -> WorkflowStep:
        """The step of a job."""
        return self._by_id[job.step_id]

    def roll_up(self) -> None:
        """The state of steps by their jobs, and of the workflow by its steps."""
        for step in self.steps:
            states = [Status(job.status) for job in self.last_tries(step)]
            states += [Status(turn.status) for turn in self.turns_of(step)]
            if states and not Status(step.status).final:
                self.move_step(step, _open_state(states))
        if Status(self.workflow.status).final:
            return
        states = [Status(step.status) for step in self.steps]
        status = _open_state(states) if any(not state.final for state in states) else _end_state(states)
        if status == self.workflow.status:
            return
        at = self.moment()
        self.workflow.status = status
        if self.workflow.started_at is None and status in (Status.PROCESSING, Status.SUCCEEDED):
            self.workflow.started_at = at
        if status.final:
            self.workflow.completed_at = at
        self.moves.append(Moved("workflow", status, at))


def _open_state(states: list[Status]) -> Status:
    """What a whole shows while parts of it are open: how far the furthest is; under way once one has ended."""
    still = [state for state in states if not state.final]
    if any(state.final for state in states) or not still:
        return Status.PROCESSING
    return max(still, key=_RANK.__getitem__)


def _end_state(states: list[Status]) -> Status:
    for status in (Status.FAILED, Status.EXPIRED, Status.CANCELED):
        if status in states:
            return status
    return Status.SUCCEEDED


async def locked(session: AsyncSession, workflow_id: str) -> Run | None:
    """Lock a workflow and load all that belongs to it; None when there is none. Waits for whoever has it."""
    return await _locked(session, Workflow.id == workflow_id)


async def _locked(session: AsyncSession, which: ColumnElement[bool]) -> Run | None:
    fresh = {"populate_existing": True}
    workflow = await session.scalar(
        select(Workflow).where(which).with_for_update().execution_options(**fresh)
    )
    if workflow is None:
        return None
    steps = await session.scalars(
        select(WorkflowStep)
        .where(WorkflowStep.workflow_id == workflow.id)
        .order_by(WorkflowStep.position, WorkflowStep.id)
        .execution_options(**fresh)
    )
    jobs = await session.scalars(
        select(Job)
        .where(Job.workflow_id == workflow.id)
        .order_by(Job.step_id, Job.number, Job.attempt)
        .execution_options(**fresh)
    )
    return Run(workflow, list(steps), list(jobs), clock.now())


async def locked_by_job(session: AsyncSession, job_id: str) -> tuple[Run, Job] | None:
    """The same by one of its jobs; None when the job is not there any more. No session has the rows (see `keeping`)."""
    kept = await keeping.locked_by_job(session, job_id)
    if kept is None:
        return None
    run = Run(kept.workflow, list(kept.steps), list(kept.jobs), clock.now(), kept=kept)
    job = next((job for job in run.jobs if job.id == job_id), None)
    return (run, job) if job is not None else None


async def locked_by_step(session: AsyncSession, step_id: int) -> tuple[Run, WorkflowStep] | None:
    """The same by one of its steps; None when the step is not there any more."""
    owner = select(WorkflowStep.workflow_id).where(WorkflowStep.id == step_id).scalar_subquery()
    run = await _locked(session, Workflow.id == owner)
    step = next((step for step in run.steps if step.id == step_id), None) if run is not None else None
    return (run, step) if run is not None and step is not None else None

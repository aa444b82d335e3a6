"""Changing workflows: notes and tags at any time, the input of a step until it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import arguments, cancelling, maturing, references, repricing
from civitas.domains.orchestration.advancing import go_on
from civitas.domains.orchestration.cancelling import own
from civitas.domains.orchestration.checking import LARGEST_NOTES, LONGEST_TAG, MOST_TAGS, size
from civitas.domains.orchestration.errors import BadTemplate, Begun, Ended, UnknownStep
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.patching import patched
from civitas.domains.orchestration.schemas import checking as schemas
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Status


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become different of a workflow; None leaves it as it is."""

    notes: Mapping[str, Any] | None = None
    tags: Sequence[str] | None = None
    allow_mature: bool | None = None
    cancel: bool = False


async def update(session: AsyncSession, actor: Actor, workflow_id: str, *, change: Change) -> None:
    """Change a workflow: new notes, new tags, mature content allowed and paid for, cancelled.

    Raises UnknownWorkflow, Ended for cancelling what ended otherwise, BadTemplate, and what `maturing.allow` raises.
    """
    run = await own(session, actor, workflow_id)
    if change.notes is not None:
        _set_notes(run.workflow, change.notes)
    if change.tags is not None:
        _set_tags(run.workflow, change.tags)
    if change.allow_mature is not None:
        if change.allow_mature:
            await maturing.allow(session, run)
        elif run.workflow.allow_mature is True:
            told = "what was allowed and paid for stays allowed."
            raise BadTemplate({"allowMatureContent": told}, code="stays_allowed")
    run.workflow.changed_at = run.moment()
    await session.flush()
    if change.cancel:
        await cancelling.cancel(session, actor, workflow_id)


async def patch(session: AsyncSession, actor: Actor, workflow_id: str, *, operations: Sequence[Any]) -> None:
    """The same by JSON Patch on `/metadata`, `/tags`, `/allowMatureContent` and `/status`."""
    run = await own(session, actor, workflow_id)
    workflow = run.workflow
    before = {
        "metadata": workflow.notes,
        "tags": workflow.tags,
        "allowMatureContent": workflow.allow_mature,
        "status": workflow.status,
    }
    after = {**dict.fromkeys(before), **patched(before, operations)}
    faults = {
        "metadata": None if isinstance(after["metadata"], dict | None) else "metadata is an object.",
        "tags": None if isinstance(after["tags"], list | None) else "tags are a list of texts.",
        "allowMatureContent": None
        if isinstance(after["allowMatureContent"], bool | None)
        else "this is true, false or null.",
        "status": None
        if after["status"] in (workflow.status, Status.CANCELED)
        else "a status can only be set to canceled.",
    }
    wrong = {field: told for field, told in faults.items() if told is not None}
    if wrong:
        raise BadTemplate(wrong, code="bad_patch")
    changed = {name: after[name] for name in before if after[name] != before[name]}
    await update(
        session,
        actor,
        workflow_id,
        change=Change(
            notes=(changed["metadata"] or {}) if "metadata" in changed else None,
            tags=(changed["tags"] or []) if "tags" in changed else None,
            allow_mature=changed.get("allowMatureContent"),
            cancel="status" in changed,
        ),
    )


async def add_tag(session: AsyncSession, actor: Actor, workflow_id: str, *, tag: str) -> None:
    """Add a tag; one that is there already changes nothing. Raises UnknownWorkflow, BadTemplate."""
    run = await own(session, actor, workflow_id)
    if tag not in run.workflow.tags:
        _set_tags(run.workflow, [*run.workflow.tags, tag])
    await session.flush()


async def remove_tag(session: AsyncSession, actor: Actor, workflow_id: str, *, tag: str) -> None:
    """Take a tag away; one that is not there changes nothing. Raises UnknownWorkflow."""
    run = await own(session, actor, workflow_id)
    run.workflow.tags = [one for one in run.workflow.tags if one != tag]
    await session.flush()


async def update_step(
    session: AsyncSession, actor: Actor, workflow_id: str, name: str, *, notes: Mapping[str, Any]
) -> None:
    """Give a step new notes. Raises UnknownWorkflow, UnknownStep, BadTemplate."""
    run = await own(session, actor, workflow_id)
    _set_notes(_step(run, name), notes)
    await session.flush()


async def patch_step(
    session: AsyncSession, actor: Actor, workflow_id: str, name: str, *, operations: Sequence[Any]
) -> None:
    """JSON Patch on `/metadata` and `/input` of a step; its input only while nobody has taken its work.

    Raises as `update_step` does; Ended, Begun; and for a new input what a submission raises.
    """
    run = await own(session, actor, workflow_id)
    step = _step(run, name)
    before = {"metadata": step.notes, "input": step.input}
    after = {**dict.fromkeys(before), **patched(before, operations)}
    if not isinstance(after["metadata"], dict | None) or not isinstance(after["input"], dict):
        raise BadTemplate({"patch": "metadata and input are objects."}, code="bad_patch")
    if after["metadata"] != step.notes:
        _set_notes(step, after["metadata"] or {})
    if after["input"] != step.input:
        await _new_input(session, run, step, after["input"])
    await session.flush()


async def _new_input(session: AsyncSession, run: Run, step: WorkflowStep, input: dict[str, Any]) -> None:
    if Status(step.status).final:
        raise Ended("step", step.status)
    if step.status != Status.UNASSIGNED or step.parent_id is not None:
        raise Begun
    checked = schemas.step_input(step.type, input, at="input")
    if references.marked(checked.value):
        raise BadTemplate({"input": references.UNMARKED})
    if checked.problems:
        raise BadTemplate(checked.problems)
    names = [one.name for one in run.steps if one.parent_id is None]
    wiring = references.wire(
        place=step.position,
        names=names,
        type=step.type,
        input=checked.value,
        arguments=run.workflow.arguments,
    )
    wrong = wiring.faults or dict(arguments.faults(step.type, checked.value, "input", run.workflow.arguments))
    if wrong:
        raise BadTemplate(wrong)
    await _withdraw(session, run, step)
    step.input, step.needs, step.resolved, step.terms = (
        checked.value,
        list(wiring.needs),
        None,
        {"open": True},
    )
    await repricing.reprice_or_refuse(session, run, step)
    await go_on(session, run)


async def _withdraw(session: AsyncSession, run: Run, step: WorkflowStep) -> None:
    """Take back the jobs of a step, which nobody has taken yet."""
    jobs = [job.id for job in run.jobs_of(step)]
    if jobs:
        await session.execute(delete(MediaBlob).where(MediaBlob.job_id.in_(jobs)))
        await session.execute(delete(Job).where(Job.id.in_(jobs)))
        run.forget_jobs(step)


def _step(run: Run, name: str) -> WorkflowStep:
    found = run.named(name)
    if found is None:
        raise UnknownStep(name)
    return found


def _set_notes(row: Workflow | WorkflowStep, notes: Mapping[str, Any]) -> None:
    if size(notes) > LARGEST_NOTES:
        raise BadTemplate({"metadata": f"metadata has at most {LARGEST_NOTES >> 10} KiB."})
    if references.marked(notes):
        raise BadTemplate({"metadata": references.UNMARKED})
    row.notes = dict(notes)


def _set_tags(workflow: Workflow, tags: Sequence[str]) -> None:
    faults = {}
    if len(tags) > MOST_TAGS:
        faults["tags"] = f"a workflow has at most {MOST_TAGS} tags."
    for place, tag in enumerate(tags):
        if not isinstance(tag, str) or not 1 <= len(tag) <= LONGEST_TAG or "\0" in tag:
            faults[f"tags[{place}]"] = f"a tag has 1 to {LONGEST_TAG} characters."
    if faults:
        raise BadTemplate(faults)
    workflow.tags = list(dict.fromkeys(tags))

"""Workflows, steps and jobs as the API shows them. Buzz is whole; what is not there is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from civitas.domains.orchestration.dispatch.estimating import Outlook
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.schemas.interface import published
from civitas.domains.orchestration.shown import (
    Cost,
    Estimate,
    EstimatedStep,
    ShownJob,
    ShownStep,
    ShownWorkflow,
    Transaction,
)
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Priority, Status, UpgradeMode
from civitas.faces.orchestrator.blob_shapes import Blobs, ids_in
from civitas.kit import clock

REPEAT: Final = "repeat"
SOURCE: Final = "source"
# Inputs that are a bare text on the wire; inside they are `{"source": text}`.
BARE: Final = frozenset({"imageUpload"})
QUARTERS: Final = 4

Json = dict[str, Any]


def _without_nothing(made: Json) -> Json:
    return {name: value for name, value in made.items() if value is not None}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else clock.rfc3339(at)


def buzz(quarters: int) -> int:
    """Whole Buzz."""
    return quarters // QUARTERS


def span(seconds: int | None) -> str | None:
    """`[d.]hh:mm:ss`, as time spans are written."""
    if seconds is None:
        return None
    days, rest = divmod(seconds, 86_400)
    clockwise = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}.{clockwise}" if days else clockwise


def blob_ids(workflow: ShownWorkflow) -> Iterator[str]:
    """Every blob that showing this workflow needs to know of."""
    for step in workflow.steps:
        yield from _blob_ids(step)


def _blob_ids(step: ShownStep) -> Iterator[str]:
    yield from ids_in(step.output)
    for turn in step.turns:
        yield from _blob_ids(turn)


def open_jobs(workflow: ShownWorkflow) -> Iterator[str]:
    """The ids of jobs whose outlook is asked for."""
    pending = list(workflow.steps)
    for one in pending:
        pending += one.turns
        yield from (job.id for job in one.jobs if not job.status.final)


def previews(shown: ShownWorkflow, links: MediaLinks) -> dict[str, str]:
    """Where the previews of running jobs are, by the job."""
    pending, found = list(shown.steps), dict[str, str]()
    for one in pending:
        pending += one.turns
        found |= {
            job.id: links.preview_url(job.id)
            for job in one.jobs
            if job.preview is not None and not job.status.final
        }
    return found


def workflow(shown: ShownWorkflow, blobs: Blobs, outlooks: Mapping[str, Outlook]) -> Json:
    """A workflow. `outlooks` tells what its open jobs may expect, by their ids."""
    return _without_nothing({
        "id": shown.id,
        "createdAt": _moment(shown.created_at),
        "transactions": {"list": [_transaction(one) for one in shown.transactions]},
        "metadata": shown.notes,
        "status": shown.status.value,
        "startedAt": _moment(shown.started_at),
        "completedAt": _moment(shown.completed_at),
        "tags": list(shown.tags),
        "arguments": shown.arguments,
        "steps": [step(one, blobs, outlooks) for one in shown.steps],
        "callbacks": [dict(one) for one in shown.callbacks],
        "tips": {"civitai": 0, "creators": 0} | dict(shown.tips),
        "cost": cost(shown.cost),
        "nsfwLevel": shown.nsfw_level,
        "experimental": shown.experimental,
        "allowMatureContent": shown.allow_mature,
        "upgradeMode": shown.upgrade_mode.value,
        "currencies": list(shown.currencies),
        "forceRefunded": False,
        "ephemeral": shown.ephemeral or None,
        "externalId": shown.external_id,
    })  # fmt: skip


def cost(told: Cost) -> Json:
    """What a workflow costs."""
    return _without_nothing({
        "base": buzz(told.base),
        "factors": dict(told.factors) or None,
        "fixed": {name: buzz(amount) for name, amount in told.fixed.items()} or None,
        "tips": {"civitai": buzz(told.site_tip), "creators": buzz(told.creator_tip)},
        "fees": {air: amount / QUARTERS for air, amount in told.fees.items()} or None,
        "total": buzz(told.total),
    })  # fmt: skip


def _transaction(one: Transaction) -> Json:
    return {"type": one.type, "amount": buzz(one.amount), "accountType": one.colour}


def step(shown: ShownStep, blobs: Blobs, outlooks: Mapping[str, Outlook]) -> Json:
    """A step. Why it did not succeed, and warnings, stand beside what the schema has."""
    kind = published().steps.get(shown.type)
    output: Any = None
    if shown.type == REPEAT and shown.turns:
        output = {"steps": [step(turn, blobs, outlooks) for turn in shown.turns]}
    elif shown.output is not None:
        output = blobs.put_in(dict(shown.output), kind.output if kind else None)
    given: Any = dict(shown.input)
    if shown.type in BARE and given.keys() == {SOURCE}:
        given = given[SOURCE]
    return _without_nothing({
        "$type": shown.type,
        "name": shown.name,
        "priority": shown.priority.value,
        "timeout": span(shown.timeout_s),
        "retries": shown.retries,
        "jobs": [job(one, outlooks.get(one.id)) for one in shown.jobs],
        "status": shown.status.value,
        "startedAt": _moment(shown.started_at),
        "completedAt": _moment(shown.completed_at),
        "metadata": dict(shown.notes),
        "estimatedProgressRate": _progress(shown, outlooks),
        "input": given,
        "output": output,
        "reason": shown.reason,
        "blockedReason": shown.blocked_reason,
        "warnings": list(shown.warnings) or None,
    })  # fmt: skip


def job(shown: ShownJob, outlook: Outlook | None) -> Json:
    """A job; `cost` is relative work. A job that failed says why, and what of its part was given back."""
    ended_badly = shown.status.final and shown.status is not Status.SUCCEEDED
    return _without_nothing({
        "id": shown.id,
        "status": shown.status.value,
        "startedAt": _moment(shown.started_at),
        "completedAt": _moment(shown.completed_at),
        "queuePosition": None if outlook is None else _position(outlook),
        "cost": shown.complexity,
        "estimatedProgressRate": _done(shown, outlook),
        "reason": shown.reason,
        "blockedReason": shown.blocked_reason,
        "refunded": shown.worth / QUARTERS if ended_badly and shown.worth else None,
    })  # fmt: skip


def _position(outlook: Outlook) -> Json:
    return _without_nothing({
        "support": outlook.support.value,
        "precedingJobs": outlook.preceding,
        "startAt": _moment(outlook.start_at),
        "completeAt": _moment(outlook.complete_at),
    })  # fmt: skip


def _done(one: ShownJob, outlook: Outlook | None) -> float | None:
    """How far a job is, from 0 to 1."""
    if one.status is Status.SUCCEEDED:
        return 1.0
    return outlook.progress if outlook is not None else one.progress


def _progress(shown: ShownStep, outlooks: Mapping[str, Outlook]) -> float | None:
    """The mean of the jobs that count, weighed by their work; a later attempt stands for an earlier one."""
    if shown.status is Status.SUCCEEDED:
        return 1.0
    newest = {one.number: one for one in sorted(shown.jobs, key=lambda one: one.attempt)}.values()
    whole = sum(one.complexity for one in newest)
    done = [(one.complexity, _done(one, outlooks.get(one.id))) for one in newest]
    if not whole or all(part is None for _, part in done):
        return None
    return round(sum(work * (part or 0.0) for work, part in done) / whole, 4)


def estimate(template: Template, found: Estimate) -> Json:
    """The answer to `whatif`: the workflow that it would be. It has no id, because there is none."""
    made = {
        "createdAt": clock.rfc3339(clock.now()),
        "transactions": {
            "list": [_transaction(one) for one in found.transactions],
            "insufficientBuzz": found.insufficient,
        },
        "metadata": dict(template.notes),
        "status": Status.UNASSIGNED.value,
        "tags": list(template.tags),
        "arguments": dict(template.arguments),
        "steps": [_estimated(one, told) for one, told in zip(template.steps, found.steps, strict=True)],
        "callbacks": [_callback(one) for one in template.callbacks],
        "tips": {"civitai": 0, "creators": 0} | dict(found.tips),
        "cost": cost(found.cost),
        "nsfwLevel": template.nsfw_level,
        "experimental": template.experimental,
        "allowMatureContent": template.allow_mature,
        "upgradeMode": UpgradeMode(template.upgrade_mode).value,
        "currencies": list(template.currencies),
        "forceRefunded": False,
        "ephemeral": template.ephemeral or None,
        "externalId": template.external_id,
    }
    return _without_nothing(made)


def _would_be(served: bool) -> Json:
    """A job that is not there, which says whether somebody could do it."""
    return {
        "id": "",
        "status": Status.UNASSIGNED.value,
        "cost": 0.0,
        "queuePosition": {"support": "available" if served else "unavailable"},
    }


def _estimated(one: StepTemplate, told: EstimatedStep) -> Json:
    given: Any = dict(one.input)
    if one.type in BARE and given.keys() == {SOURCE}:
        given = given[SOURCE]
    return _without_nothing({
        "$type": one.type,
        "name": told.name,
        "priority": (one.priority or Priority.NORMAL).value,
        "timeout": span(one.timeout_s),
        "retries": one.retries,
        "jobs": [_would_be(told.served)] if told.capability else [],
        "status": Status.UNASSIGNED.value,
        "metadata": dict(one.notes),
        "input": given,
    })  # fmt: skip


def _callback(one: Any) -> Json:
    return {"url": one.url, "type": list(one.types), "detailed": one.detailed}

"""Submitting a workflow: checked, priced, paid into a hold, written down, and begun, in one unit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.keys import BuzzRule, read_rules
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.memberships.entitlements import Entitlements, free, latest, told
from civitas.domains.catalog import access
from civitas.domains.orchestration import advancing, caching, charging, kinds, policy, pricing, showing
from civitas.domains.orchestration.appraising import appraise
from civitas.domains.orchestration.checking import Checked, check
from civitas.domains.orchestration.errors import BadTemplate, QueueFull
from civitas.domains.orchestration.ids import new_workflow_id
from civitas.domains.orchestration.itemising import item
from civitas.domains.orchestration.kinds.kind import Runner
from civitas.domains.orchestration.locking import Moved, Run
from civitas.domains.orchestration.references import ARGUMENTS, Resolver, Unresolved
from civitas.domains.orchestration.shown import ShownWorkflow
from civitas.domains.orchestration.starting import Plan
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Priority, Status
from civitas.domains.orchestration.writing import plain
from civitas.infra.db.statements import fetch
from civitas.kit import clock
from civitas.kit.sql import statements

# The same work submitted again while the first is under way, and not older than this, is the first.
TWIN: Final = timedelta(hours=1)

_BEFORE: Final = statements("civitas.domains.orchestration", "submitting.sql")["before"]


@dataclass(frozen=True, slots=True)
class Before:
    """What is there already: a workflow of the same external id, a twin that is under way, how many are.

    For work that waits for others also what its person may do, and what the key may spend that asked.
    """

    same: str | None
    twin: str | None
    under_way: int
    ids: Sequence[int]
    member: Entitlements
    limits: Sequence[BuzzRule] | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What came of a submission: the workflow's id, and how it stands when it was made by this submission."""

    id: str
    shown: ShownWorkflow | None = None


async def submit(session: AsyncSession, actor: Actor, template: Template) -> str:
    """Submit a workflow and return its id; it has begun, and may have ended already.

    Under a known external id, or with the same deterministic work under way, the id of that workflow comes back and
    nothing is charged. Raises BadTemplate, QueueFull, InsufficientFunds, KeyLimitReached, Forbidden.
    """
    return (await submitted(session, actor, template)).id


async def submitted(session: AsyncSession, actor: Actor, template: Template) -> Submitted:
    """The same, and the workflow as its owner sees it, without reading it again."""
    policy.submitter(actor)
    checked = check(template)
    mark = fingerprint(template)
    waits_for_others = any(_runner(step).has_jobs for step in template.steps)
    before = await _before(session, actor, template, mark, waits_for_others)
    if before.same is not None:
        return Submitted(before.same)
    if before.twin is not None and all(_same_again(step) for step in template.steps):
        return Submitted(before.twin)
    _room(actor, before, waits_for_others)
    workflow, steps = drafted(actor, template, checked, before.ids, actor.domain, mark)
    now = workflow.created_at
    run = Run(workflow, steps, [], now, member=before.member)
    run.moves.append(Moved("workflow", Status.UNASSIGNED, now))
    run.moves += [Moved("step", Status.UNASSIGNED, run.moment(), step) for step in steps]
    plan = Plan(workflow, list(steps))
    await price(session, actor, template, run, plan, before.member)
    await _count_trials(session, actor, run)
    await charging.reserve(session, run, limits=before.limits)
    await advancing.go_on(session, run, plan)
    return Submitted(workflow.id, showing.workflow(workflow, run.steps, run.jobs_by_step))


def drafted(
    actor: Actor,
    template: Template,
    checked: Checked,
    ids: Sequence[int],
    domain: str,
    mark: bytes = b"",
) -> tuple[Workflow, list[WorkflowStep]]:
    """The rows of a workflow as they are before anything of it has begun; `ids` are those of its steps."""
    now = clock.now()
    workflow = _workflow(actor, actor.require(), template, mark, domain, now)
    return workflow, [
        _step(workflow.id, step, checked, place, ids[place], now) for place, step in enumerate(template.steps)
    ]


def _same_again(step: StepTemplate) -> bool:
    return caching.deterministic(kinds.known(step.type), step.input)


def _room(actor: Actor, before: Before, waits: bool) -> None:
    most = before.member.tier.queued_requests
    if waits and pricing.book().queue.limited and not actor.is_moderator and before.under_way >= most:
        raise QueueFull(most)


async def price(
    session: AsyncSession, actor: Actor, template: Template, run: Run, plan: Plan, member: Entitlements
) -> None:
    """Price the steps of a workflow that is not written yet; those whose results are kept cost nothing."""
    resolver = Resolver({ARGUMENTS: template.arguments})
    known = [_known(resolver, step, place) for place, step in enumerate(template.steps)]
    marks = [
        caching.mark(kinds.known(step.type), input) for step, input in zip(template.steps, known, strict=True)
    ]
    kept = await caching.look_up(session, run.workflow.person_id, [one for one in marks if one])
    items = [
        item(step.type, input, priority=step.priority, where=f"steps[{place}].input")
        for place, (step, input) in enumerate(zip(template.steps, known, strict=True))
    ]
    found = await appraise(session, actor, items, member=member)
    for step, one, mark in zip(run.steps, found, marks, strict=True):
        if mark is not None and mark in kept:
            plan.cached[step.id], step.terms = kept[mark], {"cached": True}
        else:
            step.price, step.terms = one.price, one.terms(run.workflow.person_id)


def _known(resolver: Resolver, step: StepTemplate, place: int) -> dict[str, Any]:
    try:
        return resolver.resolve_step(step.type, step.input)
    except Unresolved as error:
        raise BadTemplate({f"steps[{place}].input": f"{error}."}) from None


async def _count_trials(session: AsyncSession, actor: Actor, run: Run) -> None:
    """Images made with versions that the actor may only try are counted before they are made."""
    for step in run.steps:
        tried = step.terms.get("trials")
        if tried:
            count = max(1, int(step.terms.get("images", 1)))
            await access.use_trials(session, actor, version_ids=tried, count=count)


async def _before(
    session: AsyncSession, actor: Actor, template: Template, mark: bytes, waits: bool
) -> Before:
    ((same, twin, under_way, ids, memberships, key_limit),) = await fetch(
        session,
        _BEFORE,
        {
            "person": actor.require(),
            "waits": waits,
            "external": template.external_id,
            "fingerprint": mark,
            "since": clock.now() - TWIN,
            "steps": len(template.steps),
            "latest": latest(),
            "key": actor.key_id,
        },
    )
    member = told(memberships) if memberships else free()
    limits = read_rules(key_limit) if waits and actor.key_id is not None else None
    return Before(same, twin, under_way or 0, ids or (), member, limits)


def fingerprint(template: Template) -> bytes:
    """What is the same in two submissions of the same work: steps, arguments, and on which terms and for whom."""
    body = [
        [
            [step.type, step.name, step.input, step.priority, step.timeout_s, step.retries, step.notes]
            for step in template.steps
        ],
        template.arguments,
        sorted(template.tags),
        template.notes,
        [[callback.url, callback.types, callback.detailed] for callback in template.callbacks],
        [str(template.tips.site), str(template.tips.creators)],
        template.currencies,
        template.allow_mature,
        template.upgrade_mode,
        template.ephemeral,
    ]
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def _runner(step: StepTemplate) -> Runner:
    return kinds.known(step.type).runner


def _workflow(
    actor: Actor, person_id: int, template: Template, mark: bytes, domain: str, now: datetime
) -> Workflow:
    return plain(
        Workflow,
        id=new_workflow_id(),
        person_id=person_id,
        key_id=actor.key_id,
        status=Status.UNASSIGNED,
        created_at=now,
        changed_at=now,
        tags=list(template.tags),
        notes=dict(template.notes),
        arguments=dict(template.arguments),
        callbacks=[
            {"url": callback.url, "type": list(callback.types), "detailed": callback.detailed}
            for callback in template.callbacks
        ],
        tips=charging.rates(template.tips.site, template.tips.creators),
        cost={},
        currencies=list(template.currencies),
        nsfw_level=template.nsfw_level,
        experimental=template.experimental,
        allow_mature=False if domain == "green" else template.allow_mature,
        upgrade_mode=template.upgrade_mode,
        ephemeral=template.ephemeral,
        external_id=template.external_id,
        fingerprint=mark,
        domain=domain,
        reserved=0,
        captured=0,
        holds=[],
        transactions=[],
        withheld=False,
    )


def _step(
    workflow_id: str, step: StepTemplate, checked: Checked, place: int, id: int, now: datetime
) -> WorkflowStep:
    return plain(
        WorkflowStep,
        id=id,
        workflow_id=workflow_id,
        parent_id=None,
        position=place,
        name=checked.names[place],
        type=step.type,
        status=Status.UNASSIGNED,
        input=dict(step.input),
        notes=dict(step.notes),
        priority=step.priority or Priority.NORMAL,
        timeout_s=step.timeout_s,
        retries=step.retries if step.retries is not None else kinds.known(step.type).retries,
        needs=list(checked.needs[place]),
        price=0,
        delivered=0,
        terms={},
        warnings=[],
        created_at=now,
    )

"""What if: the same checks and prices as a submission's, and nothing is run, kept or charged."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.types import wallet
from civitas.domains.orchestration import charging, kinds, policy, resources, submitting
from civitas.domains.orchestration.checking import check
from civitas.domains.orchestration.itemising import item_of
from civitas.domains.orchestration.kinds.kind import Runner
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.shown import Cost, Estimate, EstimatedStep, Transaction
from civitas.domains.orchestration.starting import Plan
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.orchestration.templates import Template
from civitas.kit import clock
from civitas.kit.sql import statements

_SERVED = text(statements("civitas.domains.orchestration", "submitting.sql")["served"])


async def known(session: AsyncSession, actor: Actor, external_id: str) -> str | None:
    """The workflow that the actor submitted under this external id: it is what a what-if is answered with, too."""
    person_id = policy.submitter(actor)
    found = await session.scalar(
        text("SELECT id FROM workflows WHERE person_id = :person AND external_id = :external"),
        {"person": person_id, "external": external_id},
    )
    return str(found) if found is not None else None


async def estimate(
    session: AsyncSession, actor: Actor, template: Template, *, live_for_s: float = 60
) -> Estimate:
    """What a workflow would cost, who could do it, and whether the actor can pay for it.

    An agent that was not heard of for `live_for_s` seconds is not there. Raises as `submit` does, except for funds.
    """
    person_id = policy.submitter(actor)
    checked = check(template)
    now = clock.now()
    workflow, steps = submitting.drafted(
        actor, template, checked, range(1, len(template.steps) + 1), actor.domain
    )
    run = Run(workflow, steps, [], now)
    await submitting.price(session, actor, template, run, Plan(), await entitlements(session, person_id))
    cost = charging.cost_of(run.steps, workflow.tips)
    transactions, insufficient = await _paid(session, workflow, steps, cost)
    served = await _served(session, steps, live_for_s)
    return Estimate(
        cost,
        transactions,
        insufficient,
        [
            EstimatedStep(
                step.name, step.type, step.price, capability, capability is None or capability in served
            )
            for step in steps
            for capability in [_capability(step)]
        ],
        workflow.tips,
    )


async def _paid(
    session: AsyncSession, workflow: Workflow, steps: list[WorkflowStep], cost: Cost
) -> tuple[list[Transaction], bool]:
    """Which colours would pay how much; whether that is not enough."""
    if cost.total == 0:
        return [], False
    order = charging.colours(
        activity=charging.activity_of(step.type for step in steps),
        domain=workflow.domain,
        mature=workflow.allow_mature,
        currencies=workflow.currencies,
    )
    purses = await posting.balances(session, [wallet(workflow.person_id, colour) for colour in order])
    left, made = cost.total, []
    for colour in order:
        part = min(left, max(0, purses[wallet(workflow.person_id, colour)]))
        if part:
            made.append(Transaction("debit", colour.value, part))
            left -= part
    return made, left > 0


def _capability(step: WorkflowStep) -> str | None:
    item = item_of(step)
    kind = kinds.known(item.type)
    if kind.runner is not Runner.AGENT:
        return None
    return kind.asks_for(item.input, resources.filenames(step.terms))


async def _served(session: AsyncSession, steps: list[WorkflowStep], live_for_s: float) -> set[str]:
    wanted = sorted({found for step in steps if (found := _capability(step)) is not None})
    if not wanted:
        return set()
    rows = await session.scalars(_SERVED, {"capabilities": wanted, "live": live_for_s, "now": clock.now()})
    return set(rows)

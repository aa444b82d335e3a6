"""What a workflow costs, which colours pay for it, and the holds in which the Buzz waits for its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.keys import BuzzRule
from civitas.domains.buzz.earning import compensation
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import holds
from civitas.domains.buzz.types import Currency, EntryType
from civitas.domains.orchestration import pricing
from civitas.domains.orchestration.errors import BadTemplate
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.shown import Cost
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.orchestration.templates import Tips
from civitas.kit import money

# No step runs longer, tries included; the hold must outlive them all.
HELD: Final = timedelta(days=44)


def colours(
    *, activity: str, domain: str, mature: bool | None, currencies: Sequence[str]
) -> tuple[Currency, ...]:
    """The colours that may pay, in their order. Raises BadTemplate when those that were named may not."""
    order = economy.current().purses_for(activity, domain=domain, mature=mature is True)
    allowed = tuple(colour for colour in order if not currencies or colour.value in currencies)
    if not allowed:
        told = f"none of these may pay for this; {' and '.join(order) or 'nothing'} may."
        raise BadTemplate({"currencies": told}, code="wrong_currencies")
    return allowed


def activity_of(types: Iterable[str]) -> str:
    """What is paid for: training where there is some."""
    return "training" if any(known(type).activity == "training" for type in types) else "generation"


def cost_of(steps: Sequence[WorkflowStep], tips: dict[str, Any]) -> Cost:
    """What a workflow of these steps costs: prices, what comes on top, tips on what has creators, fees."""
    base = sum(step.price for step in steps)
    fixed: dict[str, int] = {}
    fees: dict[str, float] = {}
    for step in steps:
        for name, amount in step.terms.get("fixed", {}).items():
            fixed[name] = fixed.get(name, 0) + amount
        for air, parts in step.terms.get("fees", {}).items():
            fees[air] = fees.get(air, 0) + sum(amount for _, amount in parts)
    site_tip, creator_tip = tips_on(steps, tips)
    priced = [step for step in steps if step.terms.get("factors")]
    total = base + site_tip + creator_tip + _whole(int(sum(fees.values())))
    return Cost(
        base=base - sum(fixed.values()),
        factors=priced[0].terms["factors"] if len(priced) == 1 else {},
        fixed=fixed,
        site_tip=site_tip,
        creator_tip=creator_tip,
        fees=fees,
        total=total,
    )


def tips_on(steps: Sequence[WorkflowStep], tips: dict[str, Any]) -> tuple[int, int]:
    """Quarters for the site and for creators, whole Buzz each; creators are tipped for steps that use their work."""
    base = sum(step.price for step in steps)
    made = sum(step.price for step in steps if _has_creators(step))
    _, site = compensation.tips_on(base, creator_rate=Decimal(0), site_rate=Decimal(str(tips["civitai"])))
    creators, _ = compensation.tips_on(
        made, creator_rate=Decimal(str(tips["creators"])), site_rate=Decimal(0)
    )
    return _whole(site), _whole(creators)


def rates(site: Decimal | None, creators: Decimal | None) -> dict[str, Any]:
    """The rates of tips as a workflow keeps them: what was said, or what is usual here."""
    usual = economy.current().compensation
    take = pricing.book().usual_tips
    return {
        "civitai": float(site if site is not None else usual.site_tip_rate if take else 0),
        "creators": float(creators if creators is not None else usual.creator_tip_rate if take else 0),
    }


def usual_tips() -> Tips:
    """What the site's own pages tip unless somebody chooses otherwise (FEATURES I33)."""
    usual = economy.current().compensation
    return Tips(usual.site_tip_rate, usual.creator_tip_rate)


def _has_creators(step: WorkflowStep) -> bool:
    return any(not apart for _, _, _, apart in step.terms.get("creators", ()))


def _whole(amount: int) -> int:
    return -(-amount // money.QUARTERS) * money.QUARTERS


async def reserve(session: AsyncSession, run: Run, *, limits: Sequence[BuzzRule] | None = None) -> None:
    """Set aside what the workflow costs now and is not yet held. Raises InsufficientFunds, KeyLimitReached, WalletFrozen.

    Nothing happens when enough is held. `limits` are those of the key that asked, where its lock is held already.
    """
    workflow = run.workflow
    cost = cost_of(run.steps, workflow.tips)
    workflow.cost = asdict(cost)
    missing = cost.total - workflow.reserved
    if missing <= 0:
        return
    await hold(session, run, missing, limits=limits)


async def hold(
    session: AsyncSession, run: Run, amount: int, *, limits: Sequence[BuzzRule] | None = None
) -> None:
    """Hold so much more for a workflow, in the colours that may pay for it as it is now. Raises as `reserve` does."""
    workflow = run.workflow
    held = await _hold(session, workflow, amount, activity_of(step.type for step in run.steps), limits)
    parts = [[colour.value, part] for colour, part in held.reserved.items()]
    workflow.holds = [*workflow.holds, {"id": held.id, "parts": parts}]
    workflow.reserved += amount
    workflow.transactions = [*workflow.transactions, *(["debit", colour, part] for colour, part in parts)]
    workflow.withheld = workflow.allow_mature is not True and not pays_for_mature(workflow)


async def _hold(
    session: AsyncSession, workflow: Workflow, amount: int, activity: str, limits: Sequence[BuzzRule] | None
) -> holds.Held:
    # Every hold was noted as a payment: their number tells one from another.
    turn = len(workflow.transactions)
    return await holds.reserve(
        session,
        key=f"workflow:{workflow.id}" + (f":{turn}" if turn else ""),
        person_id=workflow.person_id,
        colours=colours(
            activity=activity,
            domain=workflow.domain,
            mature=workflow.allow_mature,
            currencies=workflow.currencies,
        ),
        total=amount,
        type=entry_type(activity),
        expires_at=workflow.created_at + HELD,
        description=f"Workflow {workflow.id}",
        actor_id=workflow.person_id,
        key_id=workflow.key_id,
        limits=limits,
    )


def entry_type(activity: str) -> EntryType:
    """How the ledger names what is paid."""
    return EntryType.TRAINING if activity == "training" else EntryType.GENERATION


def pays_for_mature(workflow: Workflow) -> bool:
    """Whether every colour that is held for a workflow may pay for mature content, and it was not ruled out."""
    if workflow.allow_mature is False or workflow.domain == "green":
        return False
    rules = economy.current().colours
    return all(
        rules[Currency(colour)].spends_on_mature for hold in workflow.holds for colour, _ in hold["parts"]
    )

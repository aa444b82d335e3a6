"""Prices that could be known only on the way: of steps whose input referred to others, of turns of loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.actors import actor_named
from civitas.domains.buzz.errors import InsufficientFunds, KeyLimitReached, WalletFrozen
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.orchestration import charging
from civitas.domains.orchestration.appraising import appraise
from civitas.domains.orchestration.itemising import item_of
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.tables import WorkflowStep
from civitas.domains.orchestration.types import Reason, Status
from civitas.kit.errors import Fault


async def reprice(session: AsyncSession, run: Run, steps: Sequence[WorkflowStep]) -> bool:
    """Appraise steps anew and hold what is missing; False when they cannot be paid or not be run, and have ended."""
    try:
        actor = await actor_named(session, run.workflow.person_id)
        member = run.member = run.member or await entitlements(session, run.workflow.person_id)
        found = await appraise(session, actor, [item_of(step) for step in steps], member=member)
        for step, one in zip(steps, found, strict=True):
            cached = {"cached": True} if step.terms.get("cached") else {}
            step.price, step.terms = one.price, one.terms(run.workflow.person_id) | cached
        await charging.reserve(session, run)
    except Fault as fault:
        short = isinstance(fault, InsufficientFunds | KeyLimitReached | WalletFrozen)
        for step in steps:
            step.price, step.terms = 0, {}
            step.warnings = [*step.warnings, fault.message]
            run.end_step(step, Status.FAILED, reason=Reason.FUNDS if short else Reason.BAD_INPUT)
        run.workflow.cost = asdict(charging.cost_of(run.steps, run.workflow.tips))
        return False
    return True


async def reprice_or_refuse(session: AsyncSession, run: Run, step: WorkflowStep) -> None:
    """Appraise a step whose input was changed, and hold what is missing. Raises what a submission raises."""
    actor = await actor_named(session, run.workflow.person_id)
    member = await entitlements(session, run.workflow.person_id)
    [found] = await appraise(session, actor, [item_of(step)], member=member)
    step.price, step.terms = found.price, found.terms(run.workflow.person_id)
    await charging.reserve(session, run)


async def reprice_turns(
    session: AsyncSession, run: Run, loop: WorkflowStep, turns: Sequence[WorkflowStep]
) -> None:
    """Put the price of a loop onto its turns."""
    loop.price, loop.terms = 0, {}
    await reprice(session, run, turns)

"""Money at the end of a workflow: what was delivered is taken from the holds, the rest comes back.

Creators get their part of what was taken, in the colours in which it was taken; so do those to whom licence fees are
owed. Nothing is paid out that was not captured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.buzz.earning import compensation
from civitas.domains.buzz.earning.compensation import Resource
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.orchestration import charging, measuring, pricing
from civitas.domains.orchestration.appraising import without_references
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.kinds.kind import Runner
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.shown import Cost
from civitas.domains.orchestration.tables import WorkflowStep
from civitas.domains.orchestration.types import Status
from civitas.kit.errors import Conflict

Parts = dict[Currency, int]


@dataclass(frozen=True, slots=True)
class Due:
    """What one step owes for what it delivered, in quarters."""

    step: WorkflowStep
    base: int
    creator_tip: int
    fees: Sequence[tuple[str, int, int]]


async def settle(session: AsyncSession, runs: Sequence[Run]) -> None:
    """Take what is due from the holds of workflows, give back the rest, and share what was taken."""
    dues: list[tuple[Run, Sequence[Due], int]] = []
    for run in runs:
        for step in run.steps:
            step.delivered = _delivered(run, step)
        if run.workflow.holds:
            due, total = _owed(run)
            dues.append((run, due, min(total, run.workflow.reserved)))
    # Of a workflow with one hold it is known what is taken from it: all such are ended in one statement.
    single = [
        (run, min(total, sum(part for _, part in run.workflow.holds[0]["parts"])))
        for run, _, total in dues
        if total and len(run.workflow.holds) == 1
    ]
    # Wallets are locked in this order, by whomever.
    single.sort(key=lambda one: (one[0].workflow.person_id, one[0].workflow.id))
    captured = await holds.capture_whole(
        session, [(run.workflow.holds[0]["id"], total) for run, total in single], key="end"
    )
    for run, due, total in dues:
        taken = await _capture(session, run, total, captured)
        await _share(session, run, due, taken)


def _owed(run: Run) -> tuple[Sequence[Due], int]:
    """What is due for each step, and all together."""
    cost = charging.cost_of(run.steps, run.workflow.tips)
    due, site_tip = _dues(run, cost)
    if all(step.delivered == step.price for step in run.steps):
        # Fees were rounded up to whole Buzz together.
        return due, cost.total
    return due, sum(one.base + one.creator_tip + sum(fee for _, _, fee in one.fees) for one in due) + site_tip


def _delivered(run: Run, step: WorkflowStep) -> int:
    """What of the step's price was delivered: all, or the parts of jobs that succeeded, or what was really used."""
    kind = known(step.type)
    if kind.runner is not Runner.AGENT:
        return step.price if step.status == Status.SUCCEEDED else 0
    jobs = run.last_tries(step)
    if not jobs:
        return step.price if step.status == Status.SUCCEEDED else 0
    good: int = sum(job.worth for job in jobs if job.status == Status.SUCCEEDED)
    if step.status == Status.SUCCEEDED and good == step.price and step.output is not None:
        on_top = int(sum(step.terms.get("fixed", {}).values()))
        measured = measuring.measure(kind, without_references(step.resolved or step.input))
        return min(step.price, pricing.used(kind, measured, step.output, step.price - on_top) + on_top)
    return min(good, step.price)


def _dues(run: Run, cost: Cost) -> tuple[list[Due], int]:
    base, delivered = sum(step.price for step in run.steps), sum(step.delivered for step in run.steps)
    with_creators = sum(step.price for step in run.steps if step.terms.get("creators"))
    made = []
    for step in run.steps:
        if step.delivered == 0:
            continue
        tip = cost.creator_tip * step.delivered // with_creators if step.terms.get("creators") else 0
        fees = [
            (air, receiver, -(-amount * step.delivered // step.price))
            for air, parts in step.terms.get("fees", {}).items()
            for receiver, amount in parts
        ]
        made.append(Due(step, step.delivered, tip, fees))
    return made, cost.site_tip * delivered // base if base else 0


async def _capture(
    session: AsyncSession, run: Run, total: int, captured: Mapping[int, int | None]
) -> list[tuple[Currency, int]]:
    """Take so much from the holds, first things first; what was taken, by colour in order.

    `captured` are holds from which it was taken already: the ledger's entry by hold, None for one that had ended.
    """
    workflow = run.workflow
    left = total
    taken: list[tuple[Currency, int]] = []
    settled: list[dict[str, Any]] = []
    back: list[list[Any]] = []
    for hold in workflow.holds:
        parts = [(Currency(colour), amount) for colour, amount in hold["parts"]]
        amount = min(left, sum(part for _, part in parts))
        if hold["id"] in captured:
            made = _ended(hold, amount, captured[hold["id"]])
        else:
            made = await _end_hold(session, hold, amount)
        left -= sum(part for _, part in made.get("taken", ()))
        settled.append(made)
        mine = {Currency(colour): part for colour, part in made.get("taken", ())}
        taken += mine.items()
        back += [
            ["credit", colour.value, part - mine.get(colour, 0)]
            for colour, part in parts
            if part > mine.get(colour, 0)
        ]
    workflow.holds = settled
    workflow.transactions = [*workflow.transactions, *back]
    workflow.captured += sum(part for _, part in taken)
    return taken


async def _end_hold(session: AsyncSession, hold: dict[str, Any], amount: int) -> dict[str, Any]:
    """Take so much from a hold and give back the rest of it; the hold as it stands then, with what was `taken`."""
    try:
        if not amount:
            await holds.release(session, hold_id=hold["id"])
            return hold
        posted = await holds.capture(session, hold_id=hold["id"], key="end", amount=amount, final=True)
    except Conflict:
        return _ended(hold, amount, None)
    return _ended(hold, amount, posted.entry_id)


def _ended(hold: dict[str, Any], amount: int, entry: int | None) -> dict[str, Any]:
    if entry is None:
        # The hold expired in the ledger, which gave everything back: nothing can be taken any more.
        return hold
    taken = []
    for colour, part in hold["parts"]:
        cut = min(amount, part)
        amount -= cut
        if cut:
            taken.append([colour, cut])
    return {**hold, "entry": entry, "taken": taken}


async def _share(
    session: AsyncSession, run: Run, due: Sequence[Due], taken: list[tuple[Currency, int]]
) -> None:
    """Creators' parts and licence fees, cut in turn from what was taken."""
    left = [[colour, amount] for colour, amount in taken]
    entries = []
    for one in due:
        base, tip = _cut(left, one.base), _cut(left, one.creator_tip)
        creators = one.step.terms.get("creators")
        if creators and base:
            await compensation.accrue(
                session,
                job_key=f"step:{one.step.id}",
                cost=base,
                resources=[Resource(*creator) for creator in creators],
                tips=tip,
            )
        for air, receiver, amount in one.fees:
            entries += _fee_entries(run, one.step, air, receiver, _cut(left, amount))
    await posting.post_batch(session, entries)


def _fee_entries(run: Run, step: WorkflowStep, air: str, receiver: int, parts: Parts) -> list[Entry]:
    version = next((one["versionId"] for one in step.terms.get("resources", ()) if one["air"] == air), None)
    return [
        Entry(
            key=f"fee:{step.id}:{version}:{receiver}:{colour.value}",
            type=EntryType.LICENSE_FEE,
            legs=posting.transfer(house(Purpose.REVENUE, colour), wallet(receiver, colour), amount),
            description="Licence fee for what was generated with your model",
            subject=Subject("model_version", version) if version is not None else None,
            details={"workflow": run.workflow.id},
        )
        for colour, amount in parts.items()
    ]


def _cut(left: list[list[Any]], amount: int) -> Parts:
    """Cut so much from what is left, in order."""
    made: Parts = {}
    for part in left:
        cut = min(amount, part[1])
        if cut:
            part[1] -= cut
            amount -= cut
            made[part[0]] = made.get(part[0], 0) + cut
    return made

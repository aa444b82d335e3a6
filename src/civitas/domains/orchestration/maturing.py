"""Mature content: withheld while it was paid with colours for safe content alone, until yellow pays (FEATURES O2, I6)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.errors import InsufficientFunds, KeyLimitReached, WalletFrozen
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Currency, Purpose, house, wallet
from civitas.domains.orchestration import charging
from civitas.domains.orchestration.locking import Run, locked
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.types import Level, Status, UpgradeMode
from civitas.kit.errors import Forbidden

_ORDER: Final = (Level.UNRATED, Level.PG, Level.PG13, Level.R, Level.X, Level.XXX)


async def allow(session: AsyncSession, run: Run) -> None:
    """Allow mature content in a workflow: what safe colours paid comes back, and a colour that may pays instead.

    Raises Forbidden (`safe_site`), InsufficientFunds, KeyLimitReached, WalletFrozen; nothing has changed then.
    """
    workflow = run.workflow
    if workflow.allow_mature is True:
        return
    if workflow.domain == "green":
        raise Forbidden("This site shows no mature content.", code="safe_site")
    before = workflow.allow_mature
    workflow.allow_mature = True
    try:
        if Status(workflow.status).final:
            await _pay_again(session, workflow)
        else:
            await _hold_again(session, run)
    except (InsufficientFunds, KeyLimitReached, WalletFrozen):
        workflow.allow_mature = before
        raise
    workflow.withheld = False
    for job in run.jobs:
        if not Status(job.status).final:
            job.allow_mature = True


async def weigh(session: AsyncSession, workflow_id: str) -> None:
    """Look at how mature a workflow's outputs turned out to be, and upgrade it where that was asked for.

    When there is not enough of the colour that may pay, the output stays withheld.
    """
    run = await locked(session, workflow_id)
    if run is None or run.workflow.deleted_at is not None:
        return
    workflow = run.workflow
    found = set(
        await session.scalars(select(MediaBlob.nsfw_level).where(MediaBlob.workflow_id == workflow_id))
    )
    level = max((Level(one) for one in found), key=_ORDER.index, default=Level.UNRATED)
    if level is not Level.UNRATED:
        workflow.nsfw_level = level
    automatic = workflow.upgrade_mode == UpgradeMode.AUTOMATIC and workflow.allow_mature is None
    if level.mature and workflow.withheld and automatic and workflow.domain != "green":
        try:
            await allow(session, run)
        except (InsufficientFunds, KeyLimitReached, WalletFrozen):
            workflow.withheld = True
    await session.flush()


async def _hold_again(session: AsyncSession, run: Run) -> None:
    """Under way: hold the same in a colour that may pay, and release what was held before."""
    workflow = run.workflow
    safe = [hold for hold in workflow.holds if not _mature(hold)]
    if not safe:
        return
    kept = [hold for hold in workflow.holds if _mature(hold)]
    amount = sum(part for hold in safe for _, part in hold["parts"])
    await charging.hold(session, run, amount)
    workflow.reserved -= amount
    made = workflow.holds[-1]
    for old in safe:
        await holds.release(session, hold_id=old["id"])
        workflow.transactions = [
            *workflow.transactions,
            *(["credit", colour, part] for colour, part in old["parts"]),
        ]
    workflow.holds = [*kept, made]


async def _pay_again(session: AsyncSession, workflow: Workflow) -> None:
    """Ended: what was taken in colours for safe content is given back, and taken in one that may pay."""
    safe = [hold for hold in workflow.holds if hold.get("taken") and not _mature({"parts": hold["taken"]})]
    amount = sum(part for hold in safe for _, part in hold["taken"])
    if not amount:
        return
    activity = "generation"
    order = charging.colours(
        activity=activity, domain=workflow.domain, mature=True, currencies=workflow.currencies
    )
    posted = await posting.charge(
        session,
        Entry(
            f"workflow:{workflow.id}:mature",
            charging.entry_type(activity),
            (),
            f"Workflow {workflow.id}, mature",
            actor_id=workflow.person_id,
            key_id=workflow.key_id,
        ),
        source=wallet(workflow.person_id, order[0]),
        target=house(Purpose.REVENUE, order[0]),
        colours=order,
        total=amount,
    )
    paid = [["debit", colour.value, part] for colour, part in posted.parts.items()]
    for hold in safe:
        await posting.refund(session, of=hold["entry"], key=f"workflow:{workflow.id}:safe:{hold['id']}")
        paid += [["credit", colour, part] for colour, part in hold["taken"]]
    given = {hold["id"] for hold in safe}
    workflow.holds = [{**hold, "taken": []} if hold["id"] in given else hold for hold in workflow.holds]
    workflow.transactions = [*workflow.transactions, *paid]


def _mature(hold: dict[str, object]) -> bool:
    rules = economy.current().colours
    parts = hold["parts"]
    return isinstance(parts, list) and all(rules[Currency(colour)].spends_on_mature for colour, _ in parts)

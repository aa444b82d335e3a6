"""What staff do about purchases: refunds, manual invoices, debts. Every deed has a reason and is logged."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import PaymentFacts, Refunded
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.buying import pricing, purchases, returning, settling
from civitas.domains.buzz.buying.messages import RefundPurchase
from civitas.domains.buzz.buying.tables import Debt, Purchase, RedeemCode
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.types import Currency, EntryType, house, wallet
from civitas.infra.queue.outbox import defer
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.ids import new_uuid

MANUAL = "manual"
PAGE = 30


async def found(
    session: AsyncSession,
    actor: Actor,
    *,
    state: str | None = None,
    provider: str | None = None,
    person_id: int | None = None,
    cursor: str | None = None,
) -> paging.Page[Purchase]:
    """Purchases of everybody for staff, the newest first."""
    actor.require_moderator()
    statement = select(Purchase)
    for column, value in (
        (Purchase.state, state), (Purchase.provider, provider), (Purchase.person_id, person_id),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    return await purchases.page_of(session, statement, cursor)


async def refund(
    session: AsyncSession, actor: Actor, *, purchase_id: int, reason: str, forced: bool = False
) -> Purchase:
    """Give the money of a paid purchase back. The unspent Buzz goes into escrow until the provider has answered.

    What was spent already is refused (Conflict, `spent`), or with `forced` becomes a debt. Raises Conflict
    (`not_refundable`).
    """
    actor.require_admin()
    purchase = await settling.locked(session, purchase_id)
    left = purchase.paid_cents - returning.gone_cents(purchase)
    if left <= 0 or purchase.refunding_cents or purchase.state == "disputed":
        raise Conflict(
            "There is nothing to refund here, or a refund or dispute is under way.", code="not_refundable"
        )
    purchase.refunds += 1
    await _set_aside(session, purchase, forced=forced)
    purchase.refunding_cents, purchase.refund_reason = left, reason[:200]
    purchase.refund_goal_cents = purchase.refunded_cents + left
    await audit.record(
        session, actor, action="purchase.refund", reason=reason, person_id=purchase.person_id,
        subject_kind="purchase", subject_id=purchase.id, details={"cents": left, "forced": forced},
    )  # fmt: skip
    await defer(session, RefundPurchase(purchase.id), lock=f"refund:{purchase.id}")
    await session.flush()
    return purchase


async def _set_aside(session: AsyncSession, purchase: Purchase, *, forced: bool) -> None:
    spent = Conflict(
        "Some of this Buzz was spent already. Force the refund to record the rest as a debt.", code="spent"
    )
    if purchase.kind == "gift" and not forced:
        code = await session.scalar(select(RedeemCode).where(RedeemCode.purchase_id == purchase.id))
        if code is not None and code.redeemed_at is not None:
            raise spent
    main, blue = purchase.credited - purchase.taken, purchase.credited_blue - purchase.taken_blue
    colour, person = Currency(purchase.colour), purchase.person_id
    purses = [wallet(person, colour), wallet(person, Currency.BLUE)]
    have = await posting.balances(session, purses)
    take, take_blue = min(main, have[purses[0]]), min(blue, have[purses[1]])
    if (take, take_blue) != (main, blue) and not forced:
        raise spent
    escrow = settling.escrow_of(purchase)
    legs = [
        *(transfer(purses[0], house(escrow, colour), take) if take else ()),
        *(transfer(purses[1], house(escrow, Currency.BLUE), take_blue) if take_blue else ()),
    ]
    if legs:
        key = f"purchase:{purchase.id}:aside:{purchase.refunds}"
        entry = Entry(
            key, EntryType.REFUND, tuple(legs), "Set aside for a refund", Subject("purchase", purchase.id)
        )
        await posting.post(session, entry, forced=True)
    purchase.held, purchase.held_blue = purchase.held + take, purchase.held_blue + take_blue


@dataclass(frozen=True, slots=True)
class Asked:
    """A refund that the provider is to be asked for."""

    provider: str
    reference: str
    cents: int
    key: str
    reason: str


async def asked(session: AsyncSession, *, purchase_id: int) -> Asked | None:
    """The refund under way; None when it was answered."""
    row = await session.scalar(select(Purchase).where(Purchase.id == purchase_id))
    if row is None or not row.refunding_cents:
        return None
    key = f"purchase-{row.id}-{row.refunds}"
    return Asked(row.provider, row.reference or "", row.refunding_cents, key, row.refund_reason)


async def refunded(session: AsyncSession, *, purchase_id: int, answer: Refunded) -> Purchase:
    """The provider took the refund on: the Buzz ends, the cash goes back."""
    purchase = await settling.locked(session, purchase_id)
    purchase.refund_url = answer.url or purchase.refund_url
    purchase.refunding_cents = 0
    await session.flush()
    # What the provider told meanwhile by itself is the same refund: both grow to the same sum.
    if purchase.refund_goal_cents > purchase.refunded_cents:
        facts = PaymentFacts(refunded_cents=purchase.refund_goal_cents)
        await settling.learn(session, purchase_id, facts)
    await _give_rest_back(session, purchase)
    return purchase


async def refund_failed(session: AsyncSession, *, purchase_id: int, told: str) -> Purchase:
    """The provider refused the refund: what was set aside goes back to the wallet."""
    purchase = await settling.locked(session, purchase_id)
    purchase.refunding_cents = 0
    purchase.note = f"The refund was refused: {told}"[:500]
    await _give_rest_back(session, purchase)
    return purchase


async def _give_rest_back(session: AsyncSession, purchase: Purchase) -> None:
    escrow, person = settling.escrow_of(purchase), purchase.person_id
    legs = [
        leg
        for currency, amount in (
            (Currency(purchase.colour), purchase.held),
            (Currency.BLUE, purchase.held_blue),
        )
        if amount
        for leg in transfer(house(escrow, currency), wallet(person, currency), amount)
    ]
    if legs:
        key = f"purchase:{purchase.id}:rest:{purchase.refunds}"
        told = "Given back: it was not needed for a refund"
        await posting.post(
            session, Entry(key, EntryType.REFUND, tuple(legs), told, Subject("purchase", purchase.id))
        )
    purchase.held = purchase.held_blue = 0
    await session.flush()


async def invoice(
    session: AsyncSession, actor: Actor, *, person_id: int, buzz: int, colour: Currency, reason: str
) -> Purchase:
    """Write an invoice that is paid outside of every provider; `mark_paid` credits it. For administrators."""
    actor.require_admin()
    tier = (await entitlements(session, person_id)).tier
    offer = pricing.quote(tier, colour=colour, buzz=buzz)
    made = Purchase(
        key=f"manual:{new_uuid()}", person_id=person_id, colour=colour.value, buzz=offer.buzz, bonus=offer.bonus,
        blue=offer.blue, cents=offer.cents, provider=MANUAL, state="pending", created_at=clock.now(),
    )  # fmt: skip
    session.add(made)
    await session.flush()
    await audit.record(
        session, actor, action="purchase.invoice", reason=reason, person_id=person_id, subject_kind="purchase",
        subject_id=made.id, details={"cents": made.cents, "colour": made.colour},
    )  # fmt: skip
    return made


async def mark_paid(session: AsyncSession, actor: Actor, *, purchase_id: int, reason: str) -> Purchase:
    """Say that an invoice of ours was paid. Raises Conflict (`not_manual`, `already_paid`)."""
    actor.require_admin()
    purchase = await settling.locked(session, purchase_id)
    if purchase.provider != MANUAL:
        raise Conflict("Only the provider can say that this was paid.", code="not_manual")
    if purchase.paid_at is not None:
        raise Conflict("This was paid already.", code="already_paid")
    await audit.record(
        session, actor, action="purchase.paid", reason=reason, person_id=purchase.person_id,
        subject_kind="purchase", subject_id=purchase.id, details={"cents": purchase.cents},
    )  # fmt: skip
    return await settling.learn(session, purchase_id, PaymentFacts(paid_cents=settling.total_cents(purchase)))


async def debts(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> paging.Page[Debt]:
    """Open debts for staff, the newest first."""
    actor.require_moderator()
    statement = select(Debt).where(Debt.status == "open")
    if cursor is not None:
        statement = statement.where(Debt.id < paging.decode(cursor, int)[0])
    rows = (await session.scalars(statement.order_by(Debt.id.desc()).limit(PAGE + 1))).all()
    return paging.Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def collect(session: AsyncSession, actor: Actor, *, debt_id: int, reason: str) -> Debt:
    """Take what the debtor's purse holds now, up to what is owed; the rest stays owed."""
    debt = await _open_debt(session, actor, debt_id)
    entry = Entry(
        f"debt:{debt.id}:{debt.remaining}", EntryType.CHARGE_BACK, (), "A debt was collected",
        Subject("purchase", debt.purchase_id), actor_id=actor.require(),
    )  # fmt: skip
    got = await settling.take(session, entry, debt.person_id, Currency(debt.colour), debt.remaining)
    if not got:
        raise Conflict("There is nothing in this purse to collect.", code="nothing_to_collect")
    debt.remaining -= got
    if debt.remaining == 0:
        debt.status, debt.settled_at = "collected", clock.now()
    return await _settled(session, actor, debt, "debt.collect", reason, got)


async def write_off(session: AsyncSession, actor: Actor, *, debt_id: int, reason: str) -> Debt:
    """Let a debt go."""
    debt = await _open_debt(session, actor, debt_id)
    debt.status, debt.settled_at = "written_off", clock.now()
    return await _settled(session, actor, debt, "debt.write_off", reason, debt.remaining)


async def let_spend(session: AsyncSession, actor: Actor, *, person_id: int, reason: str) -> None:
    """Thaw a wallet that charge-backs keep frozen. Raises Conflict (`still_owed`) while debts or disputes are open."""
    actor.require_admin()
    rows = (
        await session.scalars(
            select(Purchase).where(Purchase.person_id == person_id, Purchase.froze).with_for_update()
        )
    ).all()
    owing = await session.scalar(
        select(Debt.id).where(Debt.person_id == person_id, Debt.status == "open").limit(1)
    )
    if owing is not None or any(row.state == "disputed" for row in rows):
        raise Conflict("Settle the debts and wait for the disputes of this person first.", code="still_owed")
    for row in rows:
        row.froze, row.thawed = False, True
    await session.flush()
    await posting.freeze(session, person_id, at=None)
    await audit.record(session, actor, action="wallet.thaw", reason=reason, person_id=person_id)


async def _open_debt(session: AsyncSession, actor: Actor, debt_id: int) -> Debt:
    actor.require_admin()
    debt = await session.scalar(
        select(Debt).where(Debt.id == debt_id).with_for_update().execution_options(populate_existing=True)
    )
    if debt is None:
        raise NotFound("There is no such debt.", code="no_such_debt")
    if debt.status != "open":
        raise Invalid("This debt is settled.", code="debt_settled")
    return debt


async def _settled(
    session: AsyncSession, actor: Actor, debt: Debt, action: str, reason: str, amount: int
) -> Debt:
    await audit.record(
        session, actor, action=action, reason=reason, person_id=debt.person_id, subject_kind="debt",
        subject_id=debt.id, details={"quarters": amount, "colour": debt.colour},
    )  # fmt: skip
    await session.flush()
    return debt

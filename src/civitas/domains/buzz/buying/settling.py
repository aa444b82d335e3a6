"""Making the ledger agree with what is known of a purchase's payment.

`settle` looks only at the facts, never at the notice that brought them, and posts the difference between what should
have been posted by now and what was. So it does not matter in which order, how often or by how many hands facts
arrive. The row of the purchase is locked while it is settled.
"""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import BuzzPurchased
from civitas.contracts.payments import PaymentFacts
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import StaffAction
from civitas.domains.buzz.buying import returning
from civitas.domains.buzz.buying.messages import MailGiftCard
from civitas.domains.buzz.buying.tables import Debt, Purchase, RedeemCode
from civitas.domains.buzz.earning import referrals
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import NotFound

KIND = "purchase"
_FREEZING_DEEDS = ("buzz.freeze", "buzz.unfreeze", "wallet.thaw")


async def locked(session: AsyncSession, purchase_id: int) -> Purchase:
    """The purchase, for as long as this transaction nobody else's. Raises NotFound."""
    found: Purchase | None = await session.scalar(
        select(Purchase)
        .where(Purchase.id == purchase_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such purchase.", code="no_such_purchase")
    return found


async def learn(session: AsyncSession, purchase_id: int, facts: PaymentFacts) -> Purchase:
    """Join facts to those that are known and settle; learning the same again changes nothing."""
    purchase = await locked(session, purchase_id)
    known = PaymentFacts(
        purchase.paid_cents, purchase.seen_cents, purchase.refunded_cents, purchase.disputed_cents,
        purchase.lost_cents, purchase.dispute_won, purchase.expired, purchase.failed, purchase.payment_reference,
    )  # fmt: skip
    joined = known.joined(facts)
    purchase.paid_cents, purchase.seen_cents = joined.paid_cents, joined.seen_cents
    purchase.refunded_cents = joined.refunded_cents
    purchase.disputed_cents, purchase.lost_cents = joined.disputed_cents, joined.lost_cents
    purchase.dispute_won = joined.dispute_won
    purchase.expired, purchase.failed = joined.expired, joined.failed
    purchase.payment_reference = joined.reference
    before = returning.back_cents(purchase)
    purchase.unreturned_cents = max(purchase.unreturned_cents, joined.unreturned_cents)
    await settle(session, purchase)
    await returning.settle(session, purchase, before)
    purchase.state = state_of(purchase)
    await session.flush()
    return purchase


async def settle(session: AsyncSession, purchase: Purchase) -> None:
    """Post what is missing: Buzz for money that came, back for money that went. The caller holds the row."""
    await _credit(session, purchase)
    await _take_back(session, purchase)
    await _freeze_or_thaw(session, purchase)
    purchase.state = state_of(purchase)
    if purchase.state not in ("created", "pending", "expired", "failed"):
        purchase.next_look_at = None
    await session.flush()


def total_cents(purchase: Purchase) -> int:
    """What has to be paid in all."""
    return purchase.cents + purchase.fee_cents


def state_of(purchase: Purchase) -> str:
    """The state that follows from what is known."""
    if purchase.lost_cents:
        return "charged_back"
    if purchase.disputed_cents and not purchase.dispute_won:
        return "disputed"
    if 0 < purchase.paid_cents <= returning.gone_cents(purchase):
        return "refunded"
    if purchase.paid_cents >= total_cents(purchase):
        return "paid"
    if purchase.failed:
        return "failed"
    if purchase.expired:
        return "expired"
    return "pending" if purchase.reference or purchase.provider == "manual" else "created"


def owed(purchase: Purchase) -> tuple[int, int]:
    """Quarters that the money justifies, of the colour bought and of blue.

    Less than the price buys its share without a bonus once the checkout is over, the fixed fee first; more than the
    price buys more at the same rate. A gift is a code, and nothing else.
    """
    total = total_cents(purchase)
    if purchase.kind == "gift":
        return 0, 0
    if purchase.paid_cents >= total:
        extra = purchase.buzz * (purchase.paid_cents - total) // purchase.cents
        return purchase.buzz + purchase.bonus + extra, purchase.blue
    if purchase.expired or purchase.failed:
        return purchase.buzz * max(0, purchase.paid_cents - purchase.fee_cents) // purchase.cents, 0
    return 0, 0


async def _credit(session: AsyncSession, purchase: Purchase) -> None:
    colour = Currency(purchase.colour)
    due, due_blue = owed(purchase)
    main, blue = max(0, due - purchase.credited), max(0, due_blue - purchase.credited_blue)
    cents = purchase.paid_cents - purchase.banked_cents
    legs: list[Leg] = []
    if main:
        legs += transfer(house(Purpose.MINT, colour), wallet(purchase.person_id, colour), main)
    if blue:
        legs += transfer(house(Purpose.MINT, Currency.BLUE), wallet(purchase.person_id, Currency.BLUE), blue)
    if cents > 0:
        legs += transfer(house(Purpose.WORLD, Currency.CASH), house(Purpose.REVENUE, Currency.CASH), cents)
    whole = purchase.paid_cents >= total_cents(purchase)
    if legs:
        first = whole and purchase.banked_cents == 0 and purchase.credited == 0
        ending = "" if first else f":{purchase.paid_cents}:{purchase.credited + main}"
        await posting.post(
            session,
            Entry(
                key=f"purchase:{purchase.id}{ending}",
                type=EntryType.PURCHASE,
                legs=tuple(legs),
                description=_told(purchase),
                subject=Subject(KIND, purchase.id),
                details={"provider": purchase.provider, "cents": max(0, cents)},
                actor_id=purchase.person_id,
            ),
        )
        purchase.credited += main
        purchase.credited_blue += blue
        purchase.banked_cents += max(0, cents)
    if whole and purchase.paid_at is None:
        purchase.paid_at = clock.now()
        if purchase.kind == "gift":
            await defer(session, MailGiftCard(purchase.id), once=f"gift:{purchase.id}")
        else:
            await publish(
                session,
                BuzzPurchased(
                    purchase.id, purchase.person_id, purchase.colour, purchase.credited, purchase.paid_cents
                ),
            )


def _told(purchase: Purchase) -> str:
    return "A gift card was bought" if purchase.kind == "gift" else "Buzz bought"


async def _take_back(session: AsyncSession, purchase: Purchase) -> None:
    # What came back from a bank may be refunded once more, so more may go than was ever paid.
    back = returning.back_cents(purchase)
    gone = min(purchase.paid_cents + back, purchase.refunded_cents + purchase.lost_cents)
    cents = gone - purchase.returned_cents
    if cents <= 0:
        return
    kept = gone - back
    main = max(0, purchase.credited * kept // purchase.paid_cents - purchase.taken)
    blue = max(0, purchase.credited_blue * kept // purchase.paid_cents - purchase.taken_blue)
    held, held_blue = min(main, purchase.held), min(blue, purchase.held_blue)
    entry = _back_entry(purchase, gone=gone, cents=cents, held=held, held_blue=held_blue)
    got = await take(session, entry, purchase.person_id, Currency(purchase.colour), main - held)
    told = "The bonus of a purchase that was given back"
    second = Entry(f"{entry.key}:blue", entry.type, (), told, entry.subject)
    got_blue = await take(session, second, purchase.person_id, Currency.BLUE, blue - held_blue)
    purchase.held -= held
    purchase.held_blue -= held_blue
    purchase.taken += main
    purchase.taken_blue += held_blue + got_blue
    purchase.returned_cents += cents
    missing = main - held - got
    await referrals.revoke(session, purchase_id=purchase.id)
    if purchase.kind == "gift":
        missing = await _take_gift_back(session, purchase, whole=kept >= purchase.paid_cents)
    if missing > 0:
        session.add(
            Debt(
                person_id=purchase.person_id, purchase_id=purchase.id, colour=purchase.colour,
                amount=missing, remaining=missing,
            )
        )  # fmt: skip
    await session.flush()


def _back_entry(purchase: Purchase, *, gone: int, cents: int, held: int, held_blue: int) -> Entry:
    """Cash goes back into the world, and what waited in escrow for a refund ends."""
    escrow, colour = escrow_of(purchase), Currency(purchase.colour)
    legs = [*transfer(house(Purpose.REVENUE, Currency.CASH), house(Purpose.WORLD, Currency.CASH), cents)]
    if held:
        legs += transfer(house(escrow, colour), house(Purpose.BURN, colour), held)
    if held_blue:
        legs += transfer(house(escrow, Currency.BLUE), house(Purpose.BURN, Currency.BLUE), held_blue)
    lost = bool(purchase.lost_cents)
    return Entry(
        key=f"purchase:{purchase.id}:back:{gone}",
        type=EntryType.CHARGE_BACK if lost else EntryType.REFUND,
        legs=tuple(legs),
        description="The payment was taken back" if lost else "The payment was refunded",
        subject=Subject(KIND, purchase.id),
        details={"provider": purchase.provider, "cents": cents},
    )


def escrow_of(purchase: Purchase) -> str:
    """Where Buzz waits while a provider is asked for a refund."""
    return Purpose.ESCROW.of(f"purchase-{purchase.id}")


async def _take_gift_back(session: AsyncSession, purchase: Purchase, *, whole: bool) -> int:
    """Make the card worthless; what was redeemed already is owed by who bought it."""
    code = await session.scalar(
        select(RedeemCode).where(RedeemCode.purchase_id == purchase.id).with_for_update()
    )
    if code is None or not whole or code.revoked_at is not None:
        return 0
    code.revoked_at = clock.now()
    return (code.amount or purchase.buzz) if code.redeemed_at is not None else 0


async def take(session: AsyncSession, entry: Entry, person_id: int, colour: Currency, wanted: int) -> int:
    """Post `entry` and burn up to `wanted` quarters of the person's purse with it, frozen or not; what was there.

    An entry without legs of its own is posted only when there is something to take.
    """

    def with_taken(amount: int) -> Entry:
        source: Account = wallet(person_id, colour)
        legs = transfer(source, house(Purpose.BURN, colour), amount) if amount else ()
        return Entry(
            entry.key, entry.type, (*entry.legs, *legs), entry.description, entry.subject, entry.details,
            entry.actor_id,
        )  # fmt: skip

    amount = max(0, wanted)
    whole = with_taken(amount)
    if not whole.legs:
        return 0
    try:
        await posting.post(session, whole, forced=True)
    except InsufficientFunds as short:
        # The refusal left the purse locked and folded, so what it lacks cannot change any more.
        amount -= short.missing
        rest = with_taken(amount)
        if rest.legs:
            await posting.post(session, rest, forced=True)
    return amount


async def _freeze_or_thaw(session: AsyncSession, purchase: Purchase) -> None:
    open_dispute = bool(purchase.disputed_cents) and not purchase.dispute_won
    if (open_dispute or purchase.lost_cents) and not purchase.froze and not purchase.thawed:
        await posting.freeze(session, purchase.person_id, at=clock.now())
        purchase.froze = True
    elif purchase.froze and not open_dispute and not purchase.lost_cents:
        purchase.froze = False
        await session.flush()
        await thaw_if_clear(session, purchase.person_id)


async def thaw_if_clear(session: AsyncSession, person_id: int) -> bool:
    """Let a person spend again whom only disputes stopped, when none is open and nothing is owed."""
    troubled = await session.scalar(
        select(
            exists().where(Purchase.person_id == person_id, Purchase.froze)
            | exists().where(Debt.person_id == person_id, Debt.status == "open")
        )
    )
    # What staff froze for a reason of their own stays frozen until staff let it go.
    last = await session.scalar(
        select(StaffAction.action)
        .where(StaffAction.person_id == person_id, StaffAction.action.in_(_FREEZING_DEEDS))
        .order_by(StaffAction.id.desc())
        .limit(1)
    )
    return False if troubled or last == "buzz.freeze" else await posting.freeze(session, person_id, at=None)

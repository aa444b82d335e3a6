"""Cash of the creator programme: how people are paid, and withdrawals (FEATURES J7, I15, I55)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.notices import inform
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.errors import KeyReused
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.programme import sums
from civitas.domains.buzz.programme.messages import PayWithdrawal
from civitas.domains.buzz.programme.tables import CashWithdrawal, PayoutMethod
from civitas.domains.buzz.programme.types import OPEN, RETURNED, SENT, Withdrawn, may_become
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house
from civitas.infra.queue.outbox import defer
from civitas.kit import clock, money, paging
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.sealing import seal, unseal
from civitas.kit.text import clean_line

PAGE = 50
PATH = "/creator-program/cash"
_SEAL = b"civitas payout details"
# What is asked for each way of paying that is carried out by hand: name of the field, what it is called, longest.
FIELDS: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    "ach": (
        ("holder", "Name of the account's holder", 100),
        ("routing", "Routing number (9 digits)", 9),
        ("account", "Account number", 17),
    ),
    "paypal": (("email", "Address of the PayPal account", 254),),
    "cheque": (("payee", "Payable to", 100), ("address", "Postal address", 300)),
}
LABELS = {"ach": "Bank transfer (ACH)", "paypal": "PayPal", "cheque": "Cheque by post", "stripe": "Stripe"}


@dataclass(frozen=True, slots=True)
class Method:
    """How somebody is paid, as far as it may be shown."""

    method: str
    state: str
    hint: str
    provider_account: str | None

    @property
    def label(self) -> str:
        """What the way is called."""
        return LABELS.get(self.method, self.method)


@dataclass(frozen=True, slots=True)
class Cash:
    """A person's cash, in cents."""

    pending: int
    settled: int


async def cash_of(session: AsyncSession, person_id: int) -> Cash:
    """What is pending and what can be withdrawn."""
    pending, settled = (
        Account(person_id, purpose, Currency.CASH) for purpose in (Purpose.PENDING, Purpose.SETTLED)
    )
    found = await posting.balances(session, [pending, settled])
    return Cash(found[pending], found[settled])


async def method_of(session: AsyncSession, person_id: int) -> Method | None:
    """How a person is paid; None before they chose."""
    row = await session.get(PayoutMethod, person_id, populate_existing=True)
    return (
        None
        if row is None or not row.method
        else Method(row.method, row.state, row.hint, row.provider_account)
    )


async def provider_account(session: AsyncSession, person_id: int) -> str | None:
    """The provider's name for a person, also while they are paid in another way."""
    return await session.scalar(
        select(PayoutMethod.provider_account).where(PayoutMethod.person_id == person_id)
    )


async def choose_by_hand(
    session: AsyncSession, actor: Actor, *, method: str, details: Mapping[str, str], secret: bytes
) -> Method:
    """Choose a way of being paid that staff carry out. What names the account is encrypted with the instance's key.

    Raises Invalid (`bad_method`, `bad_payout_details` with the fields).
    """
    person_id = actor.require(Scope.USER_WRITE)
    if method not in FIELDS or method not in economy.current().programme.withdrawals.fees:
        raise Invalid(
            "Choose one of the ways of being paid.", code="bad_method", fields={"method": "Choose one."}
        )
    cleaned = {name: clean_line(details.get(name, "")[: most + 1]) for name, _, most in FIELDS[method]}
    wrong = {name: told for name, told in _wrong(method, cleaned) if told}
    if wrong:
        raise Invalid("Check how you want to be paid.", code="bad_payout_details", fields=wrong)
    values: dict[str, Any] = {
        "method": method,
        "state": "ready",
        "hint": _hint(method, cleaned),
        "sealed": seal(secret, _SEAL, person_id, orjson.dumps(cleaned).decode()),
        "updated_at": clock.now(),
    }
    await _keep(session, person_id, values)
    return Method(method, "ready", values["hint"], None)


async def choose_provider(
    session: AsyncSession, actor: Actor, *, method: str, account: str, ready: bool
) -> Method:
    """Note that the provider pays, under its name for the person; `ready` is what the provider said."""
    person_id = actor.require(Scope.USER_WRITE)
    values = {
        "method": method,
        "state": "ready" if ready else "pending",
        "hint": f"…{account[-4:]}",
        "sealed": None,
        "provider_account": account,
        "updated_at": clock.now(),
    }
    await _keep(session, person_id, values)
    return Method(method, str(values["state"]), f"…{account[-4:]}", account)


async def _keep(session: AsyncSession, person_id: int, values: Mapping[str, Any]) -> None:
    await session.execute(
        insert(PayoutMethod)
        .values(person_id=person_id, **values)
        .on_conflict_do_update(index_elements=["person_id"], set_=dict(values))
    )


def _wrong(method: str, given: Mapping[str, str]) -> list[tuple[str, str]]:
    found = []
    for name, label, most in FIELDS[method]:
        value = given[name]
        told = ""
        if not value or len(value) > most:
            told = f"{label}: 1 to {most} characters."
        elif name == "routing" and not _is_routing(value):
            told = "A routing number has nine digits, and this is none."
        elif name == "account" and not (value.isascii() and value.isdigit() and len(value) >= 4):
            told = "An account number has 4 to 17 digits."
        elif name == "email" and (
            value.count("@") != 1 or value.startswith("@") or value.endswith("@") or " " in value
        ):
            told = "This is no address."
        found.append((name, told))
    return found


def _is_routing(value: str) -> bool:
    """The checksum of routing numbers (ABA): weights 3, 7, 1."""
    if len(value) != 9 or not (value.isascii() and value.isdigit()):
        return False
    return sum(int(digit) * weight for digit, weight in zip(value, (3, 7, 1) * 3, strict=True)) % 10 == 0


def _hint(method: str, given: Mapping[str, str]) -> str:
    if method == "paypal":
        name, _, host = given["email"].partition("@")
        return f"{name[:1]}…@{host}"
    return f"…{given['account'][-4:]}" if method == "ach" else given["payee"]


def fee_of(method: str, cents: int) -> int:
    """What withdrawing so much costs by a way of paying. Raises Invalid (`bad_method`)."""
    fee = economy.current().programme.withdrawals.fees.get(method)
    if fee is None:
        raise Invalid("This way of being paid is not offered any more.", code="bad_method")
    return sums.withdrawal_fee(fee, cents)


async def withdraw(
    session: AsyncSession, actor: Actor, *, cents: int, key: str, payouts: Callable[[str], bool]
) -> CashWithdrawal:
    """Ask for settled cash; it is set aside until it is paid or comes back. Replays give the first answer.

    `payouts` says which ways go through the provider, who is asked after the commit. Raises Invalid
    (`too_little`), Conflict (`no_payout_method`), InsufficientFunds, WalletFrozen, KeyReused.
    """
    person_id = actor.require(Scope.USER_WRITE)
    known = await session.scalar(select(CashWithdrawal).where(CashWithdrawal.key == key))
    if known is not None:
        if known.person_id != person_id or known.amount_cents != cents:
            raise KeyReused
        return known
    least = economy.current().programme.withdrawals.least_cents
    if not least <= cents < 10**12:
        told = f"Withdraw {money.dollars(least)} or more."
        raise Invalid(told, code="too_little", fields={"amount": told})
    way, by_provider, fee = await _way_of(session, person_id, cents, payouts)
    now = clock.now()
    row = CashWithdrawal(
        key=key,
        person_id=person_id,
        method=way.method,
        hint=way.hint,
        sealed=way.sealed,
        provider_account=way.provider_account if by_provider else None,
        amount_cents=cents,
        fee_cents=fee,
        status=Withdrawn.SUBMITTED,
        history=[[Withdrawn.SUBMITTED.value, clock.rfc3339(now), ""]],
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    settled = Account(person_id, Purpose.SETTLED, Currency.CASH)
    await posting.post(
        session,
        Entry(
            f"withdrawal:{row.id}",
            EntryType.WITHDRAWAL,
            transfer(settled, _aside(row), cents),
            f"Withdrawal by {LABELS.get(way.method, way.method)}",
            details={"withdrawal": row.id},
            actor_id=person_id,
        ),
    )
    if by_provider:
        await defer(session, PayWithdrawal(row.id))
    return row


async def _way_of(
    session: AsyncSession, person_id: int, cents: int, payouts: Callable[[str], bool]
) -> tuple[PayoutMethod, bool, int]:
    """How the person is paid, whether by the provider, and what that costs."""
    way = await session.get(PayoutMethod, person_id, with_for_update=True, populate_existing=True)
    if way is None or way.state != "ready":
        raise Conflict("Choose first how you want to be paid.", code="no_payout_method")
    by_provider = way.provider_account is not None and payouts(way.method)
    if way.sealed is None and not by_provider:
        raise Conflict(
            "This way of being paid is not there any more; choose another.", code="no_payout_method"
        )
    fee = fee_of(way.method, cents)
    if fee >= cents:
        raise Invalid(
            "The fee would take all of it.", code="too_little", fields={"amount": "More than the fee."}
        )
    return way, by_provider, fee


def _aside(row: CashWithdrawal) -> Account:
    return house(Purpose.ESCROW.of(f"withdrawal-{row.id}"), Currency.CASH)


async def cancel(session: AsyncSession, actor: Actor, *, withdrawal_id: int) -> CashWithdrawal:
    """Take back one's own request while nobody acts on it. Raises NotFound, Conflict (`too_late`)."""
    person_id = actor.require(Scope.USER_WRITE)
    row = await _locked(session, withdrawal_id)
    if row is None or row.person_id != person_id:
        raise NotFound("There is no such withdrawal.", code="no_such_withdrawal")
    if row.status == Withdrawn.CANCELED:
        return row
    if row.status != Withdrawn.SUBMITTED or row.provider_account is not None:
        raise Conflict("This withdrawal is under way and cannot be cancelled any more.", code="too_late")
    await become(session, row, Withdrawn.CANCELED, note="", actor_id=person_id)
    return row


async def _locked(session: AsyncSession, withdrawal_id: int) -> CashWithdrawal | None:
    return await session.get(CashWithdrawal, withdrawal_id, with_for_update=True, populate_existing=True)


async def become(
    session: AsyncSession,
    row: CashWithdrawal,
    status: Withdrawn,
    *,
    note: str,
    reference: str | None = None,
    actor_id: int | None = None,
) -> None:
    """Bring a locked withdrawal into a status, with the money that goes with it. Raises Conflict (`bad_status`)."""
    before = Withdrawn(row.status)
    if not may_become(before, status):
        raise Conflict(f"A withdrawal that is {before} cannot become {status}.", code="bad_status")
    now = clock.now()
    row.status, row.note, row.updated_at = status.value, note, now
    row.reference = reference or row.reference
    row.history = [*row.history, [status.value, clock.rfc3339(now), note]]
    cash = Currency.CASH
    settled = Account(row.person_id, Purpose.SETTLED, cash)
    world, revenue = house(Purpose.WORLD, cash), house(Purpose.REVENUE, cash)
    net, fee = row.amount_cents - row.fee_cents, row.fee_cents
    legs: tuple[Leg, ...] = ()
    word, told = "", ""
    if before in OPEN and status in SENT:
        row.paid_at = now
        legs = (Leg(_aside(row), -row.amount_cents), Leg(world, net), *((Leg(revenue, fee),) if fee else ()))
        word, told = "paid", "Withdrawal paid"
    elif before in OPEN and status in RETURNED:
        legs = transfer(_aside(row), settled, row.amount_cents)
        word, told = "back", "Withdrawal returned"
    elif before in SENT and status in RETURNED:
        legs = (Leg(settled, row.amount_cents), Leg(world, -net), *((Leg(revenue, -fee),) if fee else ()))
        word, told = "reclaimed", "Withdrawal came back"
    await session.flush()
    if legs:
        kind = EntryType.WITHDRAWAL if word == "paid" else EntryType.REFUND
        entry = Entry(
            f"withdrawal-{word}:{row.id}", kind, legs, told, details={"withdrawal": row.id}, actor_id=actor_id
        )
        await posting.post(session, entry, forced=True)
        await _told(session, row, word)


async def _told(session: AsyncSession, row: CashWithdrawal, word: str) -> None:
    amount = money.dollars(row.amount_cents)
    why = f" {row.note}" if row.note else ""
    subject, told = {
        "paid": (
            f"Your withdrawal of {amount} was paid",
            f"{money.dollars(row.amount_cents - row.fee_cents)} are on their way to you by "
            f"{LABELS.get(row.method, row.method)} ({row.hint}); the fee was {money.dollars(row.fee_cents)}.",
        ),
        "back": (
            f"Your withdrawal of {amount} was not paid",
            f"The money is yours to withdraw again.{why}",
        ),
        "reclaimed": (
            f"Your withdrawal of {amount} came back",
            f"The money came back to us and is yours to withdraw again.{why}",
        ),
    }[word]
    await inform(session, row.person_id, subject=subject, told=told, path=PATH)


async def mine(
    session: AsyncSession, person_id: int, *, cursor: str | None = None
) -> paging.Page[CashWithdrawal]:
    """A person's withdrawals, the newest first."""
    statement = select(CashWithdrawal).where(CashWithdrawal.person_id == person_id)
    if cursor is not None:
        statement = statement.where(CashWithdrawal.id < paging.decode(cursor, int)[0])
    rows = list(await session.scalars(statement.order_by(CashWithdrawal.id.desc()).limit(PAGE + 1)))
    return paging.Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


def details_of(row: CashWithdrawal, secret: bytes) -> dict[str, str]:
    """Where a withdrawal goes, opened with the instance's key; empty for a provider's, or when the key has changed."""
    if row.sealed is None:
        return {}
    opened = unseal(secret, _SEAL, row.person_id, row.sealed)
    return {str(name): str(value) for name, value in orjson.loads(opened).items()} if opened else {}


async def forget(session: AsyncSession, person_id: int) -> None:
    """Erase how somebody is paid, when their account is gone; what was paid keeps its hint."""
    await session.execute(
        update(PayoutMethod)
        .where(PayoutMethod.person_id == person_id)
        .values(sealed=None, hint="", state="pending")
    )
    await session.execute(
        update(CashWithdrawal)
        .where(
            CashWithdrawal.person_id == person_id,
            CashWithdrawal.status.in_([status.value for status in SENT | RETURNED]),
        )
        .values(sealed=None)
    )

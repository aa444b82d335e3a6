"""Codes worth Buzz or months of a membership: issued by staff or bought as gift cards, redeemed once (FEATURES I10).

A code is ten characters of an alphabet without look-alikes, shown as `XX-XXXX-XXXX`. The database keeps a digest
keyed with the instance's secret: who steals the tables can neither read a code nor try them out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import MembershipCodeRedeemed
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.buying.tables import CodeBatch, Purchase, RedeemCode
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Invalid, NotFound

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 10
PAGE = 50
# What people type for a character that the alphabet leaves out.
_READ_AS = str.maketrans({"0": "Q", "O": "Q", "1": "L", "I": "L"})


@dataclass(frozen=True, slots=True)
class CodeKey:
    """What digests of codes are keyed with."""

    secret: bytes

    @classmethod
    def derived(cls, instance_secret: bytes) -> CodeKey:
        """The key for this purpose (HKDF's expand step, RFC 5869)."""
        return cls(hmac.new(instance_secret, b"redeemable codes\x01", hashlib.sha256).digest())

    def digest(self, code: str) -> bytes:
        """What the database knows a code by."""
        return hmac.new(self.secret, code.encode(), hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Worth:
    """What a code gives: quarters of a colour, or months of a tier."""

    kind: str
    colour: Currency | None = None
    amount: int | None = None
    tier: str | None = None
    months: int | None = None

    @classmethod
    def buzz(cls, amount: int, colour: Currency = Currency.YELLOW) -> Worth:
        """So many quarters."""
        return cls("buzz", colour, amount)

    @classmethod
    def membership(cls, tier: str, months: int) -> Worth:
        """So many months of a tier."""
        return cls("membership", tier=tier, months=months)

    def check(self) -> None:
        """Raises Invalid (`bad_worth`) for what no code may give."""
        rules = economy.current()
        if self.kind == "buzz":
            if not self.amount or not 0 < self.amount <= posting.MOST or self.colour in (None, Currency.CASH):
                raise Invalid("Say how much Buzz a code gives, and of which colour.", code="bad_worth")
        elif rules.rank(self.tier or "") < 1 or not self.months or not 0 < self.months <= 120:
            raise Invalid("Say which tier a code gives, and for how many months.", code="bad_worth")


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What somebody got for a code."""

    id: int
    worth: Worth


def make() -> str:
    """A new code without its dashes: fifty random bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """`XX-XXXX-XXXX`."""
    return f"{code[:2]}-{code[2:6]}-{code[6:]}"


def read(given: str) -> str:
    """A code as somebody typed it: case, dashes, blanks do not count. Raises Invalid (`bad_code`)."""
    plain = "".join(ch for ch in given[:60].upper() if ch not in " -\u2013\t").translate(_READ_AS)
    if len(plain) != LENGTH or any(ch not in ALPHABET for ch in plain):
        told = "A code has ten letters and digits, as in AB-CDEF-GH23."
        raise Invalid(told, code="bad_code", fields={"code": told})
    return plain


async def issue(
    session: AsyncSession,
    actor: Actor,
    key: CodeKey,
    *,
    worth: Worth,
    count: int,
    reason: str,
    expires_at: datetime | None = None,
    note: str = "",
) -> tuple[int, list[str]]:
    """Make `count` codes; the batch's number and the codes as they are shown, now and never again.

    For administrators, who say why. Raises Invalid (`bad_worth`, `bad_count`, `bad_expiry`).
    """
    person = actor.require_admin()
    worth.check()
    most = economy.current().codes.largest_batch
    if not 0 < count <= most:
        raise Invalid(f"Issue 1 to {most:,} codes at once.", code="bad_count")
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid("The codes would have expired already.", code="bad_expiry")
    batch = CodeBatch(issued_by=person, note=note.strip()[:200], count=count, created_at=clock.now())
    session.add(batch)
    await session.flush()
    made: set[str] = set()
    while len(made) < count:
        made.add(make())
    codes = sorted(made)
    await session.execute(
        insert(RedeemCode),
        [{**_row(code, key, worth, expires_at), "batch_id": batch.id} for code in codes],
    )
    await audit.record(
        session, actor, action="codes.issue", reason=reason, subject_kind="codes", subject_id=batch.id,
        details={"count": count, "kind": worth.kind, "amount": worth.amount, "tier": worth.tier,
                 "months": worth.months},
    )  # fmt: skip
    return batch.id, [shown(code) for code in codes]


def _row(code: str, key: CodeKey, worth: Worth, expires_at: datetime | None) -> dict[str, Any]:
    return {
        "digest": key.digest(code),
        "hint": code[:2],
        "kind": worth.kind,
        "colour": worth.colour.value if worth.colour else None,
        "amount": worth.amount,
        "tier": worth.tier,
        "months": worth.months,
        "expires_at": expires_at,
    }


async def redeem(session: AsyncSession, actor: Actor, key: CodeKey, *, code: str) -> Redeemed:
    """Take what a code gives. Of two who redeem one code at a time, one gets it.

    Whoever redeemed it before gets Conflict (`already_redeemed`). Raises NotFound (`no_such_code`) for one that was
    never issued, and Conflict (`code_spent`, `code_expired`).
    """
    person = actor.require(Scope.USER_WRITE)
    digest = key.digest(read(code))
    now = clock.now()
    taken = await session.scalar(
        update(RedeemCode)
        .where(
            RedeemCode.digest == digest,
            RedeemCode.redeemed_at.is_(None),
            RedeemCode.revoked_at.is_(None),
            or_(RedeemCode.expires_at.is_(None), RedeemCode.expires_at > now),
        )
        .values(redeemed_by=person, redeemed_at=now)
        .returning(RedeemCode)
    )
    if taken is None:
        raise await _why_not(session, digest, person)
    worth = worth_of(taken)
    if worth.kind == "membership":
        await publish(
            session,
            MembershipCodeRedeemed(person, str(worth.tier), int(worth.months or 0), f"code:{taken.id}"),
        )
    else:
        colour = worth.colour or Currency.YELLOW
        await posting.post(
            session,
            Entry(
                key=f"code:{taken.id}",
                type=EntryType.REDEEMABLE,
                legs=transfer(house(Purpose.MINT, colour), wallet(person, colour), int(worth.amount or 0)),
                description="A code was redeemed",
                subject=Subject("code", taken.id),
                actor_id=person,
            ),
        )
    return Redeemed(taken.id, worth)


async def _why_not(session: AsyncSession, digest: bytes, person: int) -> Exception:
    row = await session.scalar(select(RedeemCode).where(RedeemCode.digest == digest))
    if row is None:
        return NotFound("There is no such code. Check each character.", code="no_such_code")
    if row.redeemed_by == person:
        return Conflict("You redeemed this code already.", code="already_redeemed")
    if row.redeemed_at is not None or row.revoked_at is not None:
        return Conflict("This code was used already or is no longer valid.", code="code_spent")
    return Conflict("This code has expired.", code="code_expired")


def worth_of(row: RedeemCode) -> Worth:
    """What a code gives."""
    return Worth(row.kind, Currency(row.colour) if row.colour else None, row.amount, row.tier, row.months)


async def revoke(session: AsyncSession, actor: Actor, *, batch_id: int, reason: str) -> int:
    """Make the codes of a batch that nobody redeemed worthless; how many there were."""
    actor.require_admin()
    gone = (
        await session.scalars(
            update(RedeemCode)
            .where(
                RedeemCode.batch_id == batch_id,
                RedeemCode.redeemed_at.is_(None),
                RedeemCode.revoked_at.is_(None),
            )
            .values(revoked_at=clock.now())
            .returning(RedeemCode.id)
        )
    ).all()
    await audit.record(
        session, actor, action="codes.revoke", reason=reason, subject_kind="codes", subject_id=batch_id,
        details={"count": len(gone)},
    )  # fmt: skip
    return len(gone)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as staff see it."""

    id: int
    note: str
    worth: Worth
    count: int
    redeemed: int
    revoked: int
    expires_at: datetime | None
    issued_by: int
    created_at: datetime


async def batches(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> paging.Page[Batch]:
    """What was issued, the newest first, for staff."""
    actor.require_moderator()
    chosen = select(CodeBatch)
    if cursor is not None:
        chosen = chosen.where(CodeBatch.id < paging.decode(cursor, int)[0])
    rows: Sequence[CodeBatch] = (
        await session.scalars(chosen.order_by(CodeBatch.id.desc()).limit(PAGE + 1))
    ).all()
    shown_rows = rows[:PAGE]
    facts = {
        row.batch_id: row
        for row in await session.execute(
            select(
                RedeemCode.batch_id,
                func.count(RedeemCode.redeemed_at).label("redeemed"),
                func.count(RedeemCode.revoked_at).label("revoked"),
                func.min(RedeemCode.id).label("first"),
            )
            .where(RedeemCode.batch_id.in_([row.id for row in shown_rows]))
            .group_by(RedeemCode.batch_id)
        )
    }
    firsts = {
        code.batch_id: code
        for code in await session.scalars(
            select(RedeemCode).where(RedeemCode.id.in_([row.first for row in facts.values()]))
        )
    }
    found = [
        Batch(
            row.id, row.note, worth_of(firsts[row.id]), row.count, facts[row.id].redeemed, facts[row.id].revoked,
            firsts[row.id].expires_at, row.issued_by, row.created_at,
        )
        for row in shown_rows
    ]  # fmt: skip
    return paging.Page(found, paging.encode(shown_rows[-1].id) if len(rows) > PAGE else None)


async def arm_gift(session: AsyncSession, key: CodeKey, *, purchase_id: int) -> tuple[Purchase, str] | None:
    """A paid gift card and its new code; an earlier one that nobody used stops working. None when used or not paid."""
    purchase = await session.scalar(select(Purchase).where(Purchase.id == purchase_id).with_for_update())
    if purchase is None or purchase.gift is None or purchase.state != "paid":
        return None
    gift = purchase.gift
    worth = (
        Worth.buzz(gift["amount"], Currency(purchase.colour))
        if gift["kind"] == "buzz"
        else Worth.membership(gift["tier"], gift["months"])
    )
    code = make()
    row = _row(code, key, worth, None)
    armed = await session.scalar(
        insert(RedeemCode)
        .values(**row, purchase_id=purchase.id)
        .on_conflict_do_update(
            index_elements=["purchase_id"],
            set_={"digest": row["digest"], "hint": row["hint"]},
            where=RedeemCode.redeemed_at.is_(None) & RedeemCode.revoked_at.is_(None),
        )
        .returning(RedeemCode.id)
    )
    return (purchase, shown(code)) if armed is not None else None

"""The money of memberships in the ledger: it comes from the world into revenue, and goes back with refunds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.memberships.tables import MembershipPayment
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house

if TYPE_CHECKING:
    from civitas.domains.buzz.memberships.provider_facts import Payment

KIND = "membership_payment"
_WORLD, _REVENUE = house(Purpose.WORLD, Currency.CASH), house(Purpose.REVENUE, Currency.CASH)


async def came(session: AsyncSession, *, payment_id: int, payment: Payment) -> None:
    """Book what was paid; nothing for a payment that credit made up for."""
    if payment.cents:
        await posting.post(
            session,
            Entry(
                key=f"{KIND}:{payment_id}",
                type=EntryType.PURCHASE,
                legs=transfer(_WORLD, _REVENUE, payment.cents),
                description=f"A membership was paid: {payment.tier}, {payment.reason.value}",
                subject=Subject(KIND, payment_id),
                details={"provider": payment.provider, "reference": payment.reference},
                actor_id=payment.person_id,
            ),
        )


async def went(session: AsyncSession, row: MembershipPayment, gone: int) -> None:
    """Book that of a payment `gone` cents went back in all; only what is more than was known."""
    more = gone - row.returned_cents
    if more <= 0:
        return
    row.returned_cents = gone
    await session.flush()
    await posting.post(
        session,
        Entry(
            key=f"{KIND}:{row.id}:back:{gone}",
            type=EntryType.REFUND,
            legs=transfer(_REVENUE, _WORLD, more),
            description="The payment of a membership went back",
            subject=Subject(KIND, row.id),
            details={"provider": row.provider, "reference": row.reference},
        ),
    )

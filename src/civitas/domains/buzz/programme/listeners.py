"""What the economy does about facts of others."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted
from civitas.domains.buzz.programme import cash
from civitas.infra.queue.registry import on


@on(PersonDeleted)
async def forget_payout_details(session: AsyncSession, event: PersonDeleted) -> None:
    """Erase how a person was paid; what they are still owed is theirs should they come back."""
    await cash.forget(session, event.person_id)

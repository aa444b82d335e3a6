"""What orchestration does about facts of other domains."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted
from civitas.domains.orchestration import cancelling
from civitas.infra.queue.registry import on


@on(PersonDeleted)
async def stop_workflows(session: AsyncSession, event: PersonDeleted) -> None:
    """Whoever left has nothing made any more; what was held comes back."""
    await cancelling.leave(session, event.person_id)

"""Schedules of chat."""

from __future__ import annotations

from sqlalchemy import delete, select

from civitas.domains.community.chat.tables import ChatMessage, ChatReport, ChatRoom
from civitas.domains.community.chat.types import KEPT
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every
from civitas.kit import clock

BATCH = 5_000


@every("20 4 * * *")
async def forget_old_messages(context: TaskContext) -> None:
    """Let go of old messages, those under a report that nobody settled apart, and of rooms that are empty and old."""
    before = clock.now() - KEPT
    waiting = select(ChatReport.message_id).where(ChatReport.settled_at.is_(None))
    old = (
        select(ChatMessage.id)
        .where(ChatMessage.created_at < before, ChatMessage.id.not_in(waiting))
        .limit(BATCH)
    )
    while True:
        async with context.unit() as session:
            gone = await session.execute(
                delete(ChatMessage).where(ChatMessage.id.in_(old)).returning(ChatMessage.id)
            )
            if len(gone.all()) < BATCH:
                break
    async with context.unit() as session:
        full = select(ChatMessage.id).where(ChatMessage.room_id == ChatRoom.id).exists()
        await session.execute(delete(ChatRoom).where(ChatRoom.last_message_at < before, ~full))

"""What is registered for messages, events and times."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.infra.queue.pinging import Rang

from civitas.infra.queue.registry import REGISTRY, on


def test_two_listeners_of_one_name_are_refused() -> None:
    before = {name: list(found) for name, found in REGISTRY.listeners.items()}
    try:

        @on(Rang)
        async def hear_twice(session: AsyncSession, event: Rang) -> None: ...

        with pytest.raises(ValueError, match="two listeners called"):
            on(Rang)(hear_twice)
    finally:
        REGISTRY.listeners.clear()
        REGISTRY.listeners.update(before)

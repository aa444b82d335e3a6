"""One request, one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.faces.http.state import state_of


async def open_unit(request: Request) -> AsyncIterator[AsyncSession]:
    """A writing transaction that commits before the response leaves."""
    async with state_of(request).database.unit() as session:
        yield session


async def open_reading(request: Request) -> AsyncIterator[AsyncSession]:
    """A READ ONLY transaction."""
    async with state_of(request).database.reading() as session:
        yield session


# With FastAPI's default scope the commit would run after the response, and a failed one still answer 200.
Unit = Annotated[AsyncSession, Depends(open_unit, scope="function")]
Reading = Annotated[AsyncSession, Depends(open_reading, scope="function")]

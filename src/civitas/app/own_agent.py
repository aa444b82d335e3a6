"""The token of the agent that `civitas up` starts beside the site: made once, kept in the data folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from sqlalchemy import select

from civitas.domains.accounts.types import SYSTEM
from civitas.domains.orchestration.agent_tables import Agent
from civitas.domains.orchestration.dispatch import agents
from civitas.infra.db.database import Database
from civitas.kit.ids import digest

FILE: Final = "agent.token"


async def ensure(dsn: str, home: Path) -> None:
    """Have a token in the data folder that the site knows; one that was revoked or restored away is made anew."""
    path = home / FILE
    database = Database(dsn)
    try:
        token = path.read_text().strip() if path.exists() else None
        async with database.unit() as session:
            if token is not None:
                known = select(Agent.id).where(Agent.token_hash == digest(token), Agent.revoked_at.is_(None))
                if await session.scalar(known) is not None:
                    return
            _, token = await agents.make(
                session, SYSTEM, name=f"{socket.gethostname()[:60]}, beside the site"
            )
        _keep(path, token)
    finally:
        await database.close()


def _keep(path: Path, token: str) -> None:
    """Whole or not at all, and for its owner only."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    partial.replace(path)

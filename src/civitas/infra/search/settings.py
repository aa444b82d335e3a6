"""What an operator may set about the index in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field

# Addresses of Unix sockets are this short on every system, in bytes.
LONGEST_PATH: Final = 100


class IndexSettings(BaseModel):
    """The index that `civitas index` keeps in memory, for feeds and lists of models with many filters and for search."""

    enabled: bool = Field(
        default=True,
        description="Whether `up` starts it and serving processes ask it. Nothing is missing or wrong without it.",
    )
    socket: Path | None = Field(
        default=None,
        description="Where it is asked: a Unix socket, of at most 100 bytes. Empty: `index.sock` in the data folder.",
    )
    memory_mb: int = Field(
        default=4096,
        ge=64,
        description="Memory that it may use, in MiB: ten million pictures take 2 GiB while they are loaded, "
        "and models come on top. Beyond that it lets go of everything, and pages are made by SQL.",
    )
    least_rows: int = Field(
        default=20_000,
        ge=0,
        description="While pictures, posts and models are each fewer, it holds nothing, because SQL alone is quick enough.",
    )
    timeout_ms: int = Field(
        default=80, ge=5, le=10_000, description="A page waits so long for it, then is made by SQL."
    )

    def path(self, home: Path) -> Path:
        """Where it listens and is asked."""
        return self.socket or home / "index.sock"

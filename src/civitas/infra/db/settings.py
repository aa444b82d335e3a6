"""What an operator may set about the database."""

from __future__ import annotations

from pydantic import BaseModel, Field


class DatabaseSettings(BaseModel):
    """Where the data lives and how many connections each process keeps."""

    url: str | None = Field(
        default=None,
        description="PostgreSQL 16 or newer, `postgresql://user:password@host/name`. "
        "Empty: Civitas runs its own server in the data folder.",
    )
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of the embedded server on 127.0.0.1; 0 picks a free one and remembers it.",
    )
    shared_buffers_mb: int = Field(
        default=128, ge=16, description="Memory that the embedded server keeps for its page cache, in MiB."
    )
    pool_size: int = Field(
        default=10,
        ge=1,
        le=200,
        description="Connections for units of work in each serving process, and as many bare ones, opened as "
        "needed, for writes of one statement.",
    )
    read_pool_size: int = Field(
        default=8, ge=1, le=200, description="Bare connections for the fastest reads in each serving process."
    )
    statement_timeout_s: float = Field(
        default=30.0, gt=0, description="A statement of a request is cancelled after this many seconds."
    )

"""An agent introduces itself and stays in touch."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from civitas.contracts.wire.base import PROTOCOL, Message


class Wish(StrEnum):
    """What the orchestrator wants of an agent, said in the answer to every heartbeat and claim."""

    WORK = "work"
    # Finish what is claimed, claim nothing more, until told to work again.
    PAUSE = "pause"
    # Finish what is claimed and end.
    DRAIN = "drain"


class Registration(Message):
    """What an agent can do. Registering again under the same token replaces what was said before."""

    protocol: int = PROTOCOL
    name: str = Field(min_length=1, max_length=80)
    # `convertImage`, `textToImage/sd1`, or `textToImage/*` for every family (see `contracts.wire.jobs`).
    capabilities: list[str] = Field(max_length=500)
    # SHA-256 digests, upper case, of the model files that lie ready on this machine.
    resources: list[str] = Field(default_factory=list, max_length=20_000)
    slots: int = Field(default=1, ge=1, le=1_024)
    software: str = Field(default="", max_length=200)
    hardware: dict[str, Any] = Field(default_factory=dict)


class Registered(Message):
    """The orchestrator's answer: how often to be heard of, and how long a claim lives without a word."""

    agent_id: int
    heartbeat_s: float
    lease_s: float


class Heartbeat(Message):
    """Sent every `heartbeat_s`; it renews the leases of the claims named in it."""

    claims: list[int] = Field(default_factory=list, max_length=1_024)
    # None when nothing changed since the last word of it.
    resources: list[str] | None = Field(default=None, max_length=20_000)


class Beat(Message):
    """The answer to a heartbeat: claims that are no longer this agent's are to be stopped at once."""

    wish: Wish
    lost: list[int]

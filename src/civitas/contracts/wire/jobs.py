"""Jobs as agents get them, and what agents say of them.

A *capability* names what can be run: the step's `$type`, and after a slash what else decides it (the family of a model
for `textToImage/sd1`, the engine for `imageGen/openai`). Agents offer capabilities; a job asks for one.

Media in a job's input is the word `media:N`, and resources stay AIR identifiers; `Job.media` and `Job.resources` say
where the bytes are. What a job makes is uploaded into numbered slots, and the result's output refers to a slot as
`{"$blob": N}` wherever a blob belongs.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from civitas.contracts.wire.agents import Wish
from civitas.contracts.wire.base import Message

BLOB = "$blob"
MEDIA = "media:"


class MediaKind(StrEnum):
    """What a blob is."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    MODEL_3D = "model3d"
    FILE = "file"


class MediaLink(Message):
    """Where the bytes of `media:N` are: a signed address that lives longer than the lease."""

    url: str
    media_type: str
    size: int | None = None
    sha256: str | None = None


class ResourceLink(Message):
    """A model file that the job needs. Fetched from `url` unless it lies ready under its digest."""

    air: str
    url: str
    sha256: str
    size: int
    filename: str
    # The catalogue's type (`Checkpoint`, `LORA`, ...) and base model (`SD 1.5`), which choose the loader.
    type: str
    base_model: str
    trained_words: list[str] = Field(default_factory=list)


class Job(Message):
    """One claimed job."""

    id: str
    claim: int
    step_type: str
    capability: str
    input: dict[str, Any]
    media: list[MediaLink] = Field(default_factory=list)
    resources: list[ResourceLink] = Field(default_factory=list)
    # How many slots may be filled, and the largest upload into one, in bytes.
    slots: int = Field(default=0, ge=0)
    most_bytes: int = 0
    allow_mature: bool = True
    attempt: int = 1
    leased_until: AwareDatetime
    expires_at: AwareDatetime | None = None


class Ask(Message):
    """A long poll for work: up to `free` jobs, waiting at most `wait_s` seconds for the first."""

    free: int = Field(ge=1, le=256)
    wait_s: float = Field(default=20, ge=0, le=60)


class Claimed(Message):
    """What was claimed; nothing when there was nothing to do in time."""

    wish: Wish
    jobs: list[Job]


class Progress(Message):
    """How far a claimed job is. `preparing` while resources are fetched: the fraction is theirs then."""

    phase: Literal["preparing", "processing"] = "processing"
    fraction: float = Field(ge=0, le=1)
    note: str | None = Field(default=None, max_length=200)


class Delivered(Message):
    """What lies in a slot, as the agent measured it. Digest and size are checked against what was uploaded."""

    slot: int = Field(ge=0)
    kind: MediaKind
    media_type: str = Field(max_length=100)
    size: int = Field(ge=0)
    sha256: str = Field(min_length=64, max_length=64)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    duration_s: float | None = Field(default=None, ge=0)


class Succeeded(Message):
    """The work is done."""

    outcome: Literal["succeeded"] = "succeeded"
    output: dict[str, Any]
    delivered: list[Delivered] = Field(default_factory=list, max_length=1_000)
    # What was not done quite as asked, in sentences.
    warnings: list[str] = Field(default_factory=list, max_length=50)
    seconds: float = Field(ge=0)


class Failed(Message):
    """The work failed. `transient` failures may be tried again, by somebody else first."""

    outcome: Literal["failed"] = "failed"
    reason: str = Field(min_length=1, max_length=1_000)
    blocked_reason: str | None = Field(default=None, max_length=200)
    transient: bool = False
    seconds: float = Field(default=0, ge=0)


class Rejected(Message):
    """The agent will not do this job; it goes back to the queue for others and nothing counts against it."""

    outcome: Literal["rejected"] = "rejected"
    reason: str = Field(min_length=1, max_length=1_000)


class Result(Message):
    """How a claimed job ended."""

    result: Succeeded | Failed | Rejected = Field(discriminator="outcome")


class Ended(Message):
    """How the job of one claim ended, among others that are told together."""

    claim: int
    result: Succeeded | Failed | Rejected = Field(discriminator="outcome")


class Results(Message):
    """Several results in one call. Each is taken or refused by itself, whatever becomes of the others."""

    results: list[Ended] = Field(min_length=1, max_length=64)


class Heard(Message):
    """What became of one result: the status that it would have been answered with alone, 204 when it was taken."""

    claim: int
    status: int
    code: str | None = None
    detail: str | None = None


class AllHeard(Message):
    """What became of each of several results, in their order."""

    results: list[Heard]


class Uploaded(Message):
    """What the orchestrator made of an upload into a slot."""

    slot: int
    size: int
    sha256: str

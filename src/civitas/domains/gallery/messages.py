"""Deferred work of the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ProcessImage:
    """Decode a picture in the sandbox and make its variants."""

    image_id: int


@dataclass(frozen=True, slots=True)
class RemoveVariants:
    """Delete the variants of a picture that is gone."""

    key: str


@dataclass(frozen=True, slots=True)
class ShowPost:
    """A scheduled post's time has come."""

    post_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class TakeMade:
    """Copy what a generation delivered into a draft."""

    post_id: int
    workflow_id: str
    blob_id: str


@dataclass(frozen=True, slots=True)
class LookAtImage:
    """Let connected agents say what is in a picture."""

    image_id: int


@dataclass(frozen=True, slots=True)
class HearOfImage:
    """Note what an agent saw in a picture."""

    workflow_id: str

"""Deferred work of the gallery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessImage:
    """Decode a picture in the sandbox and make its variants."""

    image_id: int


@dataclass(frozen=True, slots=True)
class RemoveVariants:
    """Delete the variants of a picture that is gone."""

    key: str

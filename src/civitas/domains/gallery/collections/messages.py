"""Deferred work of collections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CountCollections:
    """Count anew what these collections show; something in them changed."""

    collection_ids: list[int]

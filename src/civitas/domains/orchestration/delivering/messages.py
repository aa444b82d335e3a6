"""Deferred work of callbacks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliverCallbacks:
    """Send what is due; a process that is sending already only learns that there is more."""

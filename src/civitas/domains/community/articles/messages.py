"""Deferred work of articles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScanAttachment:
    """Look for danger in a file beside an article; `tries` counts scans that could not finish."""

    file_id: int
    tries: int = 0

"""Deferred work of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScanFile:
    """Scan a file for danger and read its header; `tries` counts scans that could not finish."""

    file_id: int
    tries: int = 0

"""Deferred work of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScanFile:
    """Scan a file for danger and read its header; `tries` counts scans that could not finish."""

    file_id: int
    tries: int = 0


@dataclass(frozen=True, slots=True)
class ReturnPayments:
    """Give back what was paid for access to a version that was withdrawn."""

    version_id: int

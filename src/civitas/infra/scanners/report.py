"""What a scan found, and the interface of everything that scans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class Verdict(StrEnum):
    """Only `CLEAN` lets a file through. `ERROR`: it could not be looked at wholly, so nobody knows."""

    CLEAN = "clean"
    ERROR = "error"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"


_WEIGHT = {verdict: weight for weight, verdict in enumerate(Verdict)}


def worst(verdicts: list[Verdict]) -> Verdict:
    """The verdict that decides: dangerous, suspicious, error, clean. Of nothing at all: error."""
    return max(verdicts, key=_WEIGHT.__getitem__, default=Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `reason` is a sentence for people; `details` are JSON-ready facts."""

    name: str
    verdict: Verdict
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Import:
    """A Python name that a pickle in the file would import: `clean`, `suspicious` (unknown) or `dangerous`."""

    name: str
    judgement: Verdict


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The outcome of one scan. `versions` names scanners and their versions; `duration_s` is wall time."""

    verdict: Verdict
    checks: tuple[Check, ...]
    imports: tuple[Import, ...]
    versions: Mapping[str, str]
    duration_s: float

    @property
    def passed(self) -> bool:
        """Whether everything was looked at and nothing was found."""
        return self.verdict is Verdict.CLEAN

    def to_json(self) -> dict[str, Any]:
        """Plain data, to be kept and shown."""
        return {
            "verdict": self.verdict.value,
            "checks": [asdict(check) | {"verdict": check.verdict.value} for check in self.checks],
            "imports": [{"name": item.name, "judgement": item.judgement.value} for item in self.imports],
            "versions": dict(self.versions),
            "durationS": self.duration_s,
        }


def report(
    checks: list[Check], imports: list[Import], versions: Mapping[str, str], duration_s: float
) -> ScanReport:
    """A report whose verdict is the worst of its checks."""
    verdict = worst([check.verdict for check in checks])
    return ScanReport(verdict, tuple(checks), tuple(imports), dict(versions), round(duration_s, 3))


def failed(name: str, reason: str, duration_s: float = 0.0, **details: Any) -> ScanReport:
    """The report of a scan that could not be made."""
    return report([Check(name, Verdict.ERROR, reason, details)], [], {}, duration_s)


class Scanner(Protocol):
    """Anything that can say whether a file is safe."""

    async def scan(self, source: Path | AsyncIterator[bytes], *, filename: str, size: int) -> ScanReport:
        """Scan a local file or a stream of `size` bytes; of `filename`, the uploader's, only the ending counts.

        Never raises for what is in the file or for its own failures: those are `error` reports. What the stream
        itself raises passes through, unless it is an OSError.
        """
        ...

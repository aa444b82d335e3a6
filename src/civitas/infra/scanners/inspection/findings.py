"""What an inspection gathers, and the limits under which it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from civitas.infra.scanners.report import Check, Import, Verdict, worst

MAX_FINDINGS = 200
MAX_IMPORTS = 2000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on archives, in bytes and counts; `allowed` are further names that pickles may import."""

    members: int
    unpacked: int
    ratio: float
    depth: int
    nested: int
    allowed: frozenset[str]


# What each check looks at, said when it found nothing.
_FINE = {
    "format": "The content is what its name says.",
    "structure": "The file is built as its format demands.",
    "archive": "The archive is built plainly and unpacks to a reasonable size.",
    "imports": "The pickles import only names that are known to be harmless.",
    "content": "Nothing in it is a program.",
}


@dataclass(slots=True)
class Findings:
    """Grows while a file is inspected; `checks` closes it."""

    limits: Limits
    found: list[Check] = field(default_factory=list)
    imports: dict[str, Verdict] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    unpacked: int = 0
    members: int = 0
    dropped: list[Verdict] = field(default_factory=list)

    def looked(self, name: str) -> None:
        """Note that the check `name` was made."""
        self.made.add(name)

    def add(self, name: str, verdict: Verdict, reason: str, **details: Any) -> None:
        """Note something that is not clean; of very many findings only the first are kept word for word."""
        self.made.add(name)
        if len(self.found) < MAX_FINDINGS:
            kept = {key: value[:200] if isinstance(value, str) else value for key, value in details.items()}
            self.found.append(Check(name, verdict, reason, kept))
        else:
            self.dropped.append(verdict)

    def imported(self, name: str, verdict: Verdict) -> None:
        """Note a name that a pickle imports; the worse judgement wins."""
        name = name[:200]
        if len(self.imports) < MAX_IMPORTS or name in self.imports:
            self.imports[name] = worst([verdict, self.imports.get(name, Verdict.CLEAN)])
        else:
            self.dropped.append(worst([verdict, Verdict.SUSPICIOUS]))

    def checks(self) -> list[Check]:
        """All findings, the judgement of the imports, and a clean check for each that found nothing."""
        checks = list(self.found)
        if self.imports:
            checks += self._import_checks()
        if self.dropped:
            verdict = worst(self.dropped)
            checks.append(
                Check("format", verdict, f"There are {len(self.dropped)} more findings like these.")
            )
        seen = {check.name for check in checks}
        fine = [name for name in _FINE if name in self.made and name not in seen]
        return checks + [Check(name, Verdict.CLEAN, _FINE[name]) for name in fine]

    def import_list(self) -> list[Import]:
        """The imports by name."""
        return [Import(name, verdict) for name, verdict in sorted(self.imports.items())]

    def _import_checks(self) -> list[Check]:
        def named(verdict: Verdict) -> Sequence[str]:
            return [name for name, judged in sorted(self.imports.items()) if judged is verdict][:20]

        checks = []
        if names := named(Verdict.DANGEROUS):
            reason = "Loading this file would run code: a pickle in it imports names that can do harm."
            checks.append(Check("imports", Verdict.DANGEROUS, reason, {"names": names}))
        if names := named(Verdict.SUSPICIOUS):
            reason = "A pickle in this file imports names that are not known to be harmless."
            checks.append(Check("imports", Verdict.SUSPICIOUS, reason, {"names": names}))
        return checks

"""The files of a version as its page shows them: what they are, whether they are safe, whether one may have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from civitas.domains.catalog.access_reads import Offer
from civitas.domains.catalog.showing import Extras
from civitas.domains.catalog.types import Mode, UsageControl
from civitas.faces.web.props import ScanState
from civitas.kit import clock
from civitas.kit.text import ascii_filename

_STATES: Final[Mapping[str, ScanState]] = {
    "clean": "ok",
    "suspicious": "warn",
    "dangerous": "blocked",
    "pending": "pending",
    "error": "error",
}
_RESULTS: Final = {"Success": "clean", "Danger": "suspicious", "Pending": "pending", "Error": "error"}
_SENTENCES: Final[Mapping[ScanState, str]] = {
    "ok": "Every check passed.",
    "warn": "Something in this file is unknown to us, so it is held back until a person has looked at it.",
    "blocked": "This file would run code that does harm. It is not served to anybody.",
    "pending": "The scan has not run yet. The file can be downloaded as soon as it has passed.",
    "error": "The scan could not finish, so nobody knows yet whether this file is safe. It runs again by itself.",
}
_CHECKS: Final = {
    "format": "Contents",
    "structure": "Structure",
    "archive": "Archive",
    "imports": "Imports",
    "content": "Programs",
    "virus": "Viruses",
    "sandbox": "Sandbox",
}
HASH_ORDER: Final = ("SHA256", "AutoV2", "AutoV3", "AutoV1", "BLAKE3", "CRC32")


@dataclass(frozen=True, slots=True)
class ScanCheck:
    """One thing that a scan looked at."""

    label: str
    state: ScanState
    reason: str


@dataclass(frozen=True, slots=True)
class ScanStory:
    """What the newest scan of a file found, in plain words."""

    state: ScanState
    sentence: str
    when: datetime | None
    checks: tuple[ScanCheck, ...] = ()
    imports: tuple[tuple[str, ScanState], ...] = ()
    scanners: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of a version."""

    id: int
    name: str
    type: str
    size: int
    format: str
    precision: str
    variant: str
    primary: bool
    href: str | None
    held_back: str | None
    scan: ScanStory
    hashes: tuple[tuple[str, str], ...]
    sha256: str | None
    header_href: str | None
    architecture: str | None
    parameters: int

    @property
    def facts(self) -> tuple[str, ...]:
        """What is known beside the size."""
        return tuple(
            part
            for part in (self.type, self.format, self.precision, self.variant)
            if part and part != "Other"
        )

    @property
    def safe_name(self) -> str:
        """The name under which it is saved."""
        return ascii_filename(self.name)


@dataclass(frozen=True, slots=True)
class Access:
    """Whether a version's files can be had by this viewer; `reason` is a sentence, `href` what helps."""

    open: bool
    reason: str = ""
    href: str | None = None
    action: str = ""
    icon: str = "lock"


def access_of(
    document: Mapping[str, Any],
    version: Mapping[str, Any],
    *,
    signed_in: bool,
    may_edit: bool,
    here: str,
    offer: Offer | None = None,
) -> Access:
    """Why files are withheld, the most lasting reason first. Files held back by a scan are another matter."""
    if document["status"] == "Deleted":
        return Access(False, "This model was deleted; its files are gone.", icon="trash")
    if may_edit:
        return Access(True)
    if document["mode"] == Mode.ARCHIVED:
        return Access(
            False, "Its creator archived this model. The files are not served any more.", icon="archive"
        )
    if document["mode"] == Mode.TAKEN_DOWN:
        return Access(False, "This model was taken down. Its files are not served.", icon="shield-x")
    if version["usageControl"] != UsageControl.DOWNLOAD:
        return Access(False, "The creator has turned downloads of this version off.")
    if offer is not None and offer.closed:
        if offer.can_download:
            return Access(True)
        if offer.permanent:
            return Access(False, "Its creator asks a price for this version.")
    ends = version["earlyAccessEndsAt"]
    if ends and datetime.fromisoformat(ends) > clock.now():
        moment = datetime.fromisoformat(ends)
        return Access(False, f"In early access until {moment:%-d %B %Y, %H:%M} UTC.", icon="clock")
    if version["requireAuth"] and not signed_in:
        return Access(
            False,
            "The creator asks you to sign in before you download.",
            f"/login?returnUrl={here}",
            "Sign in",
        )
    return Access(True)


def story_of(file: Mapping[str, Any], scan: Mapping[str, Any] | None) -> ScanStory:
    """The newest scan in plain words; without one, what the document says."""
    if scan is None:
        state = _STATES[_RESULTS.get(file["pickleScanResult"], "pending")]
        when = datetime.fromisoformat(file["scannedAt"]) if file["scannedAt"] else None
        return ScanStory(state, file["pickleScanMessage"] or _SENTENCES[state], when)
    state = _STATES.get(scan["verdict"], "error")
    checks = tuple(
        ScanCheck(
            _CHECKS.get(str(check.get("name")), str(check.get("name")).replace("_", " ").capitalize()),
            _STATES.get(str(check.get("verdict")), "error"),
            str(check.get("reason") or ""),
        )
        for check in scan["checks"] or ()
    )
    told = [check.reason for check in checks if check.state == state and check.reason]
    return ScanStory(
        state,
        told[0] if told and state not in ("ok", "pending") else _SENTENCES[state],
        datetime.fromisoformat(scan["finishedAt"]),
        checks,
        tuple(
            (str(found["name"]), _STATES.get(str(found.get("judgement")), "error"))
            for found in scan["imports"] or ()
        )[:200],
        tuple((str(name), str(number)) for name, number in (scan["scanners"] or {}).items()),
    )


def files_of(
    document: Mapping[str, Any], version: Mapping[str, Any], extras: Extras, access: Access, *, may_edit: bool
) -> tuple[PageFile, ...]:
    """The rows of the files table, the primary file first."""
    return tuple(
        _file(document["id"], file, extras, access, may_edit)
        for file in sorted(version["files"], key=lambda one: not one["primary"])
    )


def _file(model_id: int, file: Mapping[str, Any], extras: Extras, access: Access, may_edit: bool) -> PageFile:
    scan = story_of(file, extras.scans.get(file["id"]))
    header = extras.headers.get(file["id"])
    guess = (header or {}).get("architecture") or {}
    served = access.open and (scan.state == "ok" or may_edit)
    hashes: Mapping[str, str] = file["hashes"]
    meta = file["metadata"]
    return PageFile(
        id=file["id"],
        name=file["name"],
        type=file["type"],
        size=round(file["sizeKB"] * 1024),
        format=meta["format"] or "",
        precision=meta["fp"] or "",
        variant=" ".join(part for part in (meta["size"], meta["quantType"]) if part),
        primary=file["primary"],
        href=file["downloadUrl"] if served else None,
        held_back=None if served else (access.reason or scan.sentence),
        scan=scan,
        hashes=tuple((kind, hashes[kind]) for kind in HASH_ORDER if kind in hashes),
        sha256=hashes.get("SHA256"),
        header_href=f"/models/{model_id}/files/{file['id']}" if header else None,
        architecture=guess.get("baseModel") or guess.get("ecosystem"),
        parameters=(header or {}).get("parameters") or 0,
    )


def total_size(files: Sequence[PageFile]) -> int:
    """Bytes of all files together."""
    return sum(file.size for file in files)

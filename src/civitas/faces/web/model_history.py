"""What happened to a model, in words: for its owner and staff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.catalog import queries
from civitas.domains.catalog.queries import HistoryLine
from civitas.domains.catalog.types import ScanStatus
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render
from civitas.kit import paging

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

# action: (drawing, words); `{}` is the version's name.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "created": ("plus", "Began the draft"),
    "edited": ("edit", "Changed {fields}"),
    "published": ("globe", "Made it public"),
    "scheduled": ("calendar", "Scheduled it for {at}"),
    "unscheduled": ("calendar", "Took it off the schedule"),
    "schedule_failed": ("alert", "It was due, but something was missing; it is a draft again"),
    "unpublished": ("eye-off", "Took it from view"),
    "deleted": ("trash", "Deleted it"),
    "restored": ("undo", "Brought it back"),
    "mode_changed": ("archive", "Changed how it is offered"),
    "transferred": ("user", "Handed it to another person"),
    "handed_over": ("user", "Its creator left; the site looks after it"),
    "reclaimed": ("user", "Its creator came back"),
    "forked": ("branch", "Forked it from another model"),
    "licence_changed": ("scale", "Changed its permissions"),
    "locked": ("lock", "The moderators locked some of its properties"),
    "review_requested": ("flag", "Asked the moderators to look again"),
    "review_declined": ("shield-x", "The moderators left it out of view"),
    "version_added": ("plus", "Added the version {version}"),
    "version_edited": ("edit", "Changed {fields} of the version {version}"),
    "version_published": ("globe", "Made the version {version} public"),
    "version_scheduled": ("calendar", "Scheduled the version {version} for {at}"),
    "version_unscheduled": ("calendar", "Took the version {version} off the schedule"),
    "version_unpublished": ("eye-off", "Took the version {version} from view"),
    "version_deleted": ("trash", "Deleted the version {version}"),
    "version_restored": ("undo", "Brought the version {version} back"),
    "versions_ordered": ("sort", "Put the versions into another order"),
    "lineage_changed": ("merge", "Changed where the version {version} comes from"),
    "file_added": ("upload", "Added the file {name}"),
    "file_edited": ("edit", "Changed how a file is shown"),
    "file_removed": ("trash", "Removed the file {name}"),
    "file_scanned": ("shield-check", "A file was checked: {verdict}"),
    "rescan_requested": ("refresh", "Asked for another check of a file"),
}
_VERDICTS: Final = {
    ScanStatus.CLEAN: "clean", ScanStatus.SUSPICIOUS: "suspicious", ScanStatus.DANGEROUS: "dangerous",
    ScanStatus.ERROR: "the check could not finish",
}  # fmt: skip


_EDITS: Final = frozenset({"edited", "version_edited"})
SITTING: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline; `note` is what somebody wrote."""

    icon: str
    text: str
    who: str | None
    at: datetime
    note: str | None = None
    changes: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The timeline, the newest first."""

    frame: Frame
    happenings: tuple[Happening, ...]
    next_href: str | None


@router.get("/models/{model_id:int}/history")
async def show(
    request: Request,
    creator: Creator,
    session: Reading,
    model_id: int,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """The timeline of a model."""
    frame = await publish_frame.load(session, creator, model_id=model_id, place="history")
    found = await queries.history(session, creator, model_id=model_id, cursor=cursor, limit=40)
    names = {tab.id: tab.name for tab in frame.versions}
    next_href = None
    if found.next_cursor:
        next_href = f"/models/{model_id}/history?cursor={quote(found.next_cursor)}"
    page = HistoryPage(frame, tuple(told(line, names) for line in together(found.items)), next_href)
    return render(request, "publish/history.html", page, block="timeline")


def together(lines: Sequence[HistoryLine]) -> list[HistoryLine]:
    """The lines, edits of one sitting as one line: a draft is saved every few seconds while somebody writes."""
    kept: list[HistoryLine] = []
    for line in lines:
        last = kept[-1] if kept else None
        if last is not None and _one_sitting(last, line):
            fields = {name: None for one in (line, last) for name in (one.details or {}).get("fields", ())}
            kept[-1] = replace(last, details={**(last.details or {}), "fields": list(fields)})
        else:
            kept.append(line)
    return kept


def _one_sitting(later: HistoryLine, earlier: HistoryLine) -> bool:
    same = (later.action, later.version_id, later.person_id) == (
        earlier.action, earlier.version_id, earlier.person_id,
    )  # fmt: skip
    return same and later.action in _EDITS and later.created_at - earlier.created_at < SITTING


def told(line: HistoryLine, names: Mapping[int, str]) -> Happening:
    """A line of the history in words; `names` are those of the versions that are there still."""
    details: Mapping[str, Any] = line.details or {}
    icon, pattern = _WORDS.get(line.action, ("history", line.action.replace("_", " ").capitalize()))
    version = names.get(line.version_id or 0) or details.get("name") or f"#{line.version_id}"
    words = {
        "fields": ", ".join(str(name).replace("_", " ") for name in details.get("fields") or ()) or "it",
        "version": f"“{version}”",
        "name": f"“{details.get('name', '')}”",
        "at": str(details.get("at", ""))[:16].replace("T", " ") + " UTC",
        "verdict": _VERDICTS.get(details.get("verdict", ""), str(details.get("verdict", ""))),
    }
    if line.action == "mode_changed":
        pattern = {"Archived": "Archived it", "TakenDown": "Took its files and pictures down"}.get(
            details.get("mode") or "", "Offered its files again"
        )
    notes = [str(details[name]) for name in ("reason", "note") if details.get(name)]
    changed = details.get("changes") or {}
    return Happening(
        icon=icon,
        text=pattern.format_map(words),
        who=line.username,
        at=line.created_at,
        note=": ".join(notes) or None,
        changes=tuple(
            (name.replace("_", " "), _shown(change.get("before")), _shown(change.get("after")))
            for name, change in changed.items()
            if isinstance(change, Mapping)
        ),
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "–")[:120]

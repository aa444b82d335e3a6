"""Blobs and archives as the reference shows them, put where outputs point at them.

Kept output says `{"$blob": id}` and `{"$archive": id}`; links are made when somebody asks, because they expire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from civitas.contracts.wire.jobs import BLOB, MediaKind
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.kit import clock

ARCHIVE: Final = "$archive"
_FORMATS: Final = {
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "model/vnd.usdz+zip": "usdz",
    "model/fbx": "fbx",
}


def blob(facts: BlobFacts, links: MediaLinks, *, hide: bool = False) -> dict[str, Any]:
    """A blob in the reference's words. With `hide` a mature one comes without a link."""
    shown: dict[str, Any] = {
        "type": facts.kind.value,
        "id": facts.id,
        "available": facts.available,
        "jobId": facts.job_id,
        "nsfwLevel": facts.level.value,
        "blockedReason": facts.blocked_reason,
    }
    if facts.available and not (hide and facts.level.mature):
        url, expires = links.blob_url(facts.id)
        shown |= {"url": url, "urlExpiresAt": clock.rfc3339(expires)}
    if facts.kind in (MediaKind.IMAGE, MediaKind.VIDEO):
        shown |= {"width": facts.width, "height": facts.height}
    elif facts.kind is MediaKind.AUDIO:
        shown["duration"] = facts.duration_s
    elif facts.kind is MediaKind.MODEL_3D:
        shown["format"] = _FORMATS.get(facts.media_type or "", "glb")
    return shown


def gone(blob_id: str) -> dict[str, Any]:
    """What stands for a blob of which nothing is known any more."""
    return {"type": "file", "id": blob_id, "available": False, "nsfwLevel": "na"}


def blob_ids(value: Any) -> set[str]:
    """Every blob that a kept value points at."""
    return {found[BLOB] for found in _marks(value, BLOB)}


def filled(value: Any, found: Mapping[str, BlobFacts], links: MediaLinks, *, hide: bool = False) -> Any:
    """A kept value as it is shown: blobs and archives in place of what points at them."""
    if isinstance(value, dict):
        if isinstance(blob_id := value.get(BLOB), str):
            facts = found.get(blob_id)
            shown = blob(facts, links, hide=hide) if facts is not None else gone(blob_id)
            # What else is said of it stays beside it.
            return {**{name: rest for name, rest in value.items() if name != BLOB}, **shown}
        if isinstance(mark := value.get(ARCHIVE), dict) and len(value) == 1:
            return links.archive_url(mark["id"], datetime.fromisoformat(mark["expires"]))
        return {name: filled(inner, found, links, hide=hide) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, found, links, hide=hide) for inner in value]
    return value


def _marks(value: Any, name: str) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get(name), str):
                yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)

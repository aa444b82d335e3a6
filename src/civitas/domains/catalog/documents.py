"""The public JSON of models and versions: one serialiser for each object, for every endpoint that shows it.

The texts hold two marks, bytes that JSON text never holds: `STATS` where a counters' object goes, so that counting
never rewrites a document, and `BASE` where the host goes, because one instance answers under several names.
Names on the wire are those of existing clients (WIRE section 3); no key is ever taken away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from civitas.domains.accounts.types import ALL_MASK, SAFE_MASK
from civitas.domains.catalog import access_shown, air, prose
from civitas.domains.catalog.base_models import Registry
from civitas.domains.catalog.types import Mode, ScanStatus, Status
from civitas.kit import clock
from civitas.kit.errors import Invalid
from civitas.kit.text import ascii_filename

Row = Mapping[str, Any]

STATS = "\x01"
BASE = "\x02"
MAX_PREVIEWS = 20

_STATS_MARK, _BASE_MARK = STATS.encode(), BASE.encode()
_STATS_HERE = orjson.Fragment(_STATS_MARK)
_RESULTS = {
    ScanStatus.PENDING: "Pending",
    ScanStatus.CLEAN: "Success",
    ScanStatus.SUSPICIOUS: "Danger",
    ScanStatus.DANGEROUS: "Danger",
    ScanStatus.ERROR: "Error",
}
_VIRUS_CHECKS = {"clamav", "virus"}


@dataclass(frozen=True, slots=True)
class Sources:
    """The rows of one model and of all that hangs on it; `versions` in the order in which they are shown."""

    model: Row
    versions: Sequence[Row]
    files: Mapping[int, Sequence[Row]]
    previews: Mapping[int, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Texts:
    """A document for viewers of safe levels, and for all levels where that differs."""

    safe: str
    full: str | None


def _url(path: str) -> orjson.Fragment:
    # the mark stands inside the quotes: `"<BASE>/api/..."`
    return orjson.Fragment(b'"' + _BASE_MARK + orjson.dumps(path)[1:])


def _time(moment: datetime | None) -> str | None:
    return clock.rfc3339(moment) if moment else None


def _text(data: Any) -> str:
    return orjson.dumps(data).decode()


def primary_of(files: Sequence[Row]) -> Row | None:
    """The file that a version is known by: the one marked so, else the first with weights, else the first."""
    marked = [f for f in files if f["is_primary"]]
    weights = [f for f in files if f["type"] in ("Model", "Pruned Model")]
    return next(iter([*marked, *weights, *files]), None)


def download_path(version_id: int, file: Row | None = None, *, primary: bool = True) -> str:
    """Where a version (its primary file) or one of its other files is downloaded."""
    path = f"/api/download/models/{version_id}"
    if file is None or primary:
        return path
    wanted = {
        "type": file["type"],
        "format": file["format"],
        "size": file["size_class"],
        "fp": file["precision"],
        "quantType": file["quantisation"],
        "fileId": file["id"],
    }
    return f"{path}?{urlencode({k: v for k, v in wanted.items() if v is not None})}"


def image_path(key: str, name: str, kind: str = "image", width: int = 450) -> str:
    """Where a picture is fetched; `width=N` can be rewritten to any width (WIRE rule 16)."""
    stem = ascii_filename(name, "image").rpartition(".")[0] or ascii_filename(name, "image")
    return f"/img/{key}/width={width}/{quote(stem)}.{'mp4' if kind == 'video' else 'jpeg'}"


def file_object(file: Row, version_id: int, *, primary: bool) -> dict[str, Any]:
    """One file. A scan that was not made is never told as passed."""
    status = ScanStatus(file["scan_status"])
    virus = next((c for c in file["checks"] or () if c.get("name") in _VIRUS_CHECKS), None)
    return {
        "id": file["id"],
        "sizeKB": file["size"] / 1024,
        "name": file["name"],
        "type": file["type"],
        "metadata": {
            "format": file["format"],
            "size": file["size_class"],
            "fp": file["precision"],
            "quantType": file["quantisation"],
        },
        "format": file["format"],
        "pickleScanResult": _RESULTS[status],
        "pickleScanMessage": file["scan_message"],
        "virusScanResult": _RESULTS[ScanStatus(virus["verdict"])] if virus else "Pending",
        "virusScanMessage": virus["reason"] if virus else None,
        "scannedAt": _time(file["scanned_at"]),
        "hashes": {kind: value.upper() for kind, value in sorted((file["hashes"] or {}).items())},
        "primary": primary,
        "downloadUrl": _url(download_path(version_id, file, primary=primary)),
    }


def image_object(preview: Row) -> dict[str, Any]:
    """One preview; here `nsfwLevel` is a number (WIRE rule 13)."""
    meta = preview["meta"]
    return {
        "id": preview["image_id"],
        # Named by number: clients save pictures by the last part of the path, and uploads share names.
        "url": _url(image_path(preview["key"], str(preview["image_id"]), preview["kind"])),
        "nsfwLevel": preview["nsfw_level"],
        "width": preview["width"],
        "height": preview["height"],
        "hash": preview["blurhash"],
        "type": preview["kind"],
        "metadata": {"hash": preview["blurhash"], "width": preview["width"], "height": preview["height"]},
        "meta": meta,
        "hasMeta": bool(meta),
        "hasPositivePrompt": bool(meta and meta.get("prompt")),
        "onSite": False,
        "minor": False,
        "poi": False,
        "availability": "Public",
    }


def air_of(model: Row, version: Row, files: Sequence[Row], registry: Registry) -> str | None:
    """The version's AIR, None where its parts do not make one."""
    base = registry.find(version["base_model"])
    primary = primary_of(files)
    try:
        found = air.of_version(
            ecosystem=base.air_ecosystem if base else "other",
            model_type=model["type"],
            model_id=model["id"],
            version_id=version["id"],
            file_type=primary["type"] if primary else None,
        )
    except Invalid:
        return None
    return str(found)


def can_generate(version: Row, registry: Registry) -> bool:
    """Whether the version's base model is one that can be generated with here."""
    base = registry.find(version["base_model"])
    return base is not None and "generation" in base.support


def is_tombstone(model: Row, version: Row | None = None) -> bool:
    """Whether the model, or this version of it, is deleted."""
    return model["status"] == Status.DELETED or (version is not None and version["status"] == Status.DELETED)


def version_object(
    sources: Sources, version: Row, mask: int, registry: Registry, *, position: int
) -> dict[str, Any]:
    """One version, the same inside its model and alone. `mask` says which pictures are in it."""
    model = sources.model
    dead = is_tombstone(model, version)
    all_files = sources.files.get(version["id"], ())
    files = [f for f in all_files if f["visibility"] != "Private" and (dead or f["removed_at"] is None)]
    primary = primary_of(files)
    shown = [p for p in sources.previews.get(version["id"], ()) if p["nsfw_level"] & mask]
    withheld = model["mode"] in (Mode.ARCHIVED, Mode.TAKEN_DOWN)
    if dead or model["mode"] == Mode.TAKEN_DOWN:
        shown = []
    return {
        "id": version["id"],
        "modelId": model["id"],
        "index": position,
        "name": version["name"],
        "baseModel": version["base_model"],
        "baseModelType": version["base_model_type"],
        "createdAt": _time(version["created_at"]),
        "updatedAt": _time(version["updated_at"]),
        "publishedAt": _time(version["published_at"]),
        "status": Status.DELETED if dead else version["status"],
        "availability": access_shown.availability(version),
        "nsfwLevel": version["nsfw_level"],
        "description": None if dead else prose.html(version["description"]),
        "trainedWords": version["trained_words"],
        "steps": version["steps"],
        "epochs": version["epochs"],
        "clipSkip": version["clip_skip"],
        "settings": {
            "strength": version["strength"],
            "minStrength": version["min_strength"],
            "maxStrength": version["max_strength"],
        },
        "vaeId": version["vae_version_id"],
        "trainingStatus": None,
        "trainingDetails": None,
        "earlyAccessTimeFrame": _early_days(version),
        "earlyAccessEndsAt": _time(version["early_access_ends_at"]),
        "earlyAccessConfig": access_shown.config_of(version),
        "licensingFee": access_shown.fee_of(version),
        "requireAuth": version["require_auth"],
        "usageControl": version["usage_control"],
        "supportsGeneration": not dead and can_generate(version, registry),
        "air": air_of(model, version, files, registry),
        "stats": _STATS_HERE,
        "files": [] if withheld and not dead else [
            file_object(f, version["id"], primary=f is primary) for f in files
        ],
        "images": [image_object(p) for p in shown[:MAX_PREVIEWS]],
        "downloadUrl": _url(download_path(version["id"])),
    }  # fmt: skip


def _early_days(version: Row) -> int:
    until, since = version["early_access_ends_at"], version["published_at"]
    return max(0, round((until - since).total_seconds() / 86_400)) if until and since else 0


def _head_of(model: Row) -> dict[str, Any]:
    return {
        "name": model["name"],
        "type": model["type"],
        "nsfw": model["nsfw"],
        "poi": model["poi"],
        "minor": model["minor"],
        "sfwOnly": model["sfw_only"],
        "mode": model["mode"],
    }


def creator_object(model: Row) -> dict[str, Any]:
    """Whose model it is; a name is always text, however much it looks like a number (WIRE rule 14)."""
    key = model["avatar_key"]
    return {
        "username": model["username"],
        "image": _url(image_path(key, "avatar", width=96)) if key else None,
    }


def model_object(sources: Sources, versions: Sequence[dict[str, Any]], registry: Registry) -> dict[str, Any]:
    """One model with these version objects."""
    model = sources.model
    dead = is_tombstone(model)
    return {
        "id": model["id"],
        **_head_of(model),
        "description": None if dead else prose.html(model["description"]),
        "nsfwLevel": model["nsfw_level"],
        "status": model["status"],
        "availability": model["availability"],
        "category": model["category"],
        "checkpointType": model["checkpoint_type"],
        "allowNoCredit": model["allow_no_credit"],
        "allowCommercialUse": model["allow_commercial_use"],
        "allowDerivatives": model["allow_derivatives"],
        "allowDifferentLicense": model["allow_different_license"],
        "licenseText": model["license_text"],
        "source": model["source"],
        "forkedFromVersionId": model["forked_from_version_id"],
        "isOfficial": model["is_official"],
        "supportsGeneration": any(v["supportsGeneration"] for v in versions),
        "createdAt": _time(model["created_at"]),
        "updatedAt": _time(model["updated_at"]),
        "publishedAt": _time(model["published_at"]),
        "lastVersionAt": _time(model["last_version_at"]),
        "deletedAt": _time(model["deleted_at"]),
        "deletedReason": model["unpublished_note"] if dead else None,
        "cosmetic": None,
        "creator": creator_object(model),
        "stats": _STATS_HERE,
        "tags": model["tags"] or [],
        "modelVersions": list(versions),
    }


def texts_of(sources: Sources, registry: Registry) -> tuple[Texts, dict[int, Texts]]:
    """The documents of a model and of each of its versions, by version id."""
    forms: dict[int, tuple[str, dict[int, str]]] = {}
    hidden = ALL_MASK & ~SAFE_MASK
    mature = any(
        p["nsfw_level"] & hidden for v in sources.versions for p in sources.previews.get(v["id"], ())
    )
    for mask in (SAFE_MASK, ALL_MASK) if mature else (SAFE_MASK,):
        objects = [
            version_object(sources, version, mask, registry, position=i)
            for i, version in enumerate(sources.versions)
        ]
        shown = [o for o in objects if is_tombstone(sources.model) or o["status"] != Status.DELETED]
        forms[mask] = (
            _text(model_object(sources, shown, registry)),
            {o["id"]: _text(o | {"model": _head_of(sources.model)}) for o in objects},
        )
    safe, safe_versions = forms[SAFE_MASK]
    full, full_versions = forms.get(ALL_MASK, forms[SAFE_MASK])
    return Texts(safe, full if full != safe else None), {
        key: Texts(text, full_versions[key] if full_versions[key] != text else None)
        for key, text in safe_versions.items()
    }


def complete(text: bytes, stats: bytes, base: str) -> bytes:
    """A document, or several with commas between them, with its marks filled: real JSON.

    `stats` holds the counters in the order of their marks. `base` is `https://host` without a slash.
    """
    parts = text.split(_STATS_MARK)
    filled = [b""] * (2 * len(parts) - 1)
    filled[::2] = parts
    filled[1::2] = stats.split(_STATS_MARK)[: len(parts) - 1]
    return b"".join(filled).replace(_BASE_MARK, base.encode())


def only_levels(document: dict[str, Any], mask: int) -> dict[str, Any]:
    """A parsed document of all levels with only the pictures that `mask` shows."""
    for version in document.get("modelVersions", (document,)):
        version["images"] = [i for i in version["images"] if i["nsfwLevel"] & mask]
    return document

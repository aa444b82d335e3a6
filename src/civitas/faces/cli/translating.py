"""What a source tells of a model, as the forms that a target takes; and why some of it is left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from civitas.faces.cli.publishing import scan_state
from civitas.faces.cli.records import (
    RemoteFile,
    RemoteImage,
    RemoteModel,
    RemoteVersion,
    as_dict,
    as_text,
    as_texts,
)

_PERMISSIONS = ("allowNoCredit", "allowCommercialUse", "allowDerivatives", "allowDifferentLicense")
_USES = frozenset({"None", "Image", "RentCivit", "Rent", "Sell"})
MAX_DESCRIPTION = 100_000
MAX_TAGS = 30
MAX_WORDS = 100
_SETTINGS = ("strength", "minStrength", "maxStrength")


def model_body(source_url: str, model: RemoteModel) -> dict[str, Any]:
    """What `POST /models` of the target takes; permissions are those of the source."""
    raw = model.raw
    body: dict[str, Any] = {
        "name": model.name[:200],
        "type": model.type,
        "description": str(raw.get("description") or "")[:MAX_DESCRIPTION],
        "tags": list(model.tags[:MAX_TAGS]) or [model.type.lower()],
        "nsfw": model.nsfw,
        "poi": raw.get("poi") is True,
        "minor": raw.get("minor") is True,
        "source": _origin(source_url, model),
    }
    body |= {key: raw[key] for key in _PERMISSIONS if raw.get(key) is not None}
    if raw.get("allowCommercialUse") is not None:
        body["allowCommercialUse"] = _commercial_use(raw["allowCommercialUse"])
    if raw.get("checkpointType"):
        body["checkpointType"] = raw["checkpointType"]
    return body


def _origin(source_url: str, model: RemoteModel) -> dict[str, str]:
    """Where the model was first published: a mirror of a mirror names the original."""
    told = as_dict(model.raw.get("source"))
    origin = {key: as_text(told.get(key)) for key in ("url", "creator", "platform")}
    if not origin["url"]:
        url = f"{source_url}/models/{model.id}"
        origin = {
            "url": url,
            "creator": model.creator,
            "platform": urlsplit(source_url).hostname or source_url,
        }
    return {key: value for key, value in origin.items() if value}


def _commercial_use(told: object) -> list[str]:
    """The uses that the source allows. A use that we do not know is not allowed here, never the reverse.

    Older servers write the set as one text, such as "{Image,Rent}".
    """
    return [use for use in as_texts(told) if use in _USES] or ["None"]


def refusal(version: RemoteVersion, files: list[RemoteFile]) -> str | None:
    """Why a version is not mirrored: it is not free to fetch, or the source itself does not trust it."""
    raw = version.raw
    if as_text(raw.get("availability")) in ("EarlyAccess", "Private"):
        return "it is in early access or private at the source"
    if as_text(raw.get("usageControl")) not in ("", "Download"):
        return "its creator does not offer it for download"
    if not files:
        return "the source offers no files of it"
    bad = [file.name for file in files if scan_state(file) in ("danger", "suspicious")]
    return f"the source finds {', '.join(bad)} dangerous" if bad else None


def version_body(version: RemoteVersion) -> dict[str, Any]:
    """What `POST /models/{id}/versions` of the target takes, within its bounds."""
    raw = version.raw
    body: dict[str, Any] = {
        "name": version.name[:100] or "v1.0",
        "baseModel": version.base_model or "Other",
        "trainedWords": [word[:300] for word in version.trained_words[:MAX_WORDS]],
    }
    if isinstance(raw.get("description"), str):
        body["description"] = raw["description"][:MAX_DESCRIPTION]
    for key in ("baseModelType", "steps", "epochs", "clipSkip"):
        if raw.get(key) is not None:
            body[key] = raw[key]
    strengths = {key: as_dict(raw.get("settings")).get(key) for key in _SETTINGS}
    if any(value is not None for value in strengths.values()):
        body["settings"] = {key: value for key, value in strengths.items() if value is not None}
    return body


def file_body(file: RemoteFile, path: Path, upload_id: str) -> dict[str, Any]:
    """What `POST /model-versions/{id}/files` of the target takes."""
    body: Mapping[str, Any] = {
        "uploadId": upload_id,
        "name": path.name,
        "type": file.type,
        "format": file.format or None,
        "size": file.extent if file.extent in ("full", "pruned") else None,
        "fp": file.fp or None,
        "quantType": file.quant or None,
        "primary": file.primary or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def image_body(image: RemoteImage, upload_id: str) -> dict[str, Any]:
    """What `POST /model-versions/{id}/images` of the target takes."""
    body: dict[str, Any] = {"uploadId": upload_id, "nsfwLevel": image.level}
    if image.meta:
        body["meta"] = dict(image.meta)
    return body

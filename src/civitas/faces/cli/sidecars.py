"""The small files that local managers read beside a model: `.civitai.info`, `.json` and a preview image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.records import RemoteFile, RemoteImage, RemoteModel, RemoteVersion, as_dict, as_dicts

MAX_IMAGE = 64 * 1024 * 1024
_WIDTH = re.compile(r"/(?:width=\d+|original=true)(?:,[^/]*)?/")
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"))
_MODEL_KEYS = (
    "name",
    "type",
    "nsfw",
    "poi",
    "description",
    "tags",
    "allowNoCredit",
    "allowCommercialUse",
    "allowDerivatives",
    "allowDifferentLicense",
)


def write_info(path: Path, version: RemoteVersion, model: RemoteModel | None) -> list[Path]:
    """Write `NAME.civitai.info` (the version, its model and creator) and `NAME.json` (what web UIs read).

    `.json` may hold a person's own notes, so an existing one is kept. Returns the files written.
    """
    info: dict[str, Any] = dict(version.raw)
    info["modelId"] = version.model_id
    parent = dict(as_dict(info.get("model")))
    if model is not None:
        parent |= {key: model.raw[key] for key in _MODEL_KEYS if key in model.raw}
        if model.raw.get("creator"):
            info["creator"] = model.raw["creator"]
    info["model"] = parent
    info_path = path.with_name(path.stem + ".civitai.info")
    _write(info_path, info)
    written = [info_path]
    notes_path = path.with_name(path.stem + ".json")
    if not notes_path.exists():
        _write(notes_path, _web_ui_notes(version))
        written.append(notes_path)
    return written


def write_preview(client: SiteClient, path: Path, version: RemoteVersion) -> Path | None:
    """Fetch the least explicit image at a small width as `NAME.preview.EXT`; None when there is no image.

    An existing preview is kept. Raises what the client raises.
    """
    image = tamest(version)
    if image is None:
        return None
    for extension in ("png", "jpg", "jpeg", "webp", "gif"):
        existing = path.with_name(f"{path.stem}.preview.{extension}")
        if existing.exists():
            return existing
    body = client.bytes_of(sized(image.url, "width=450"), most=MAX_IMAGE)
    kind = image_kind(body)
    if kind is None:
        return None
    preview = path.with_name(f"{path.stem}.preview.{kind}")
    fresh = preview.with_name(preview.name + ".new")
    fresh.write_bytes(body)
    fresh.replace(preview)
    return preview


def tamest(version: RemoteVersion) -> RemoteImage | None:
    """The first of the images with the lowest NSFW level; videos are passed over."""
    stills = [image for image in version.images if image.type == "image" and image.url]
    return min(stills, key=lambda image: image.level, default=None)


def sized(url: str, transform: str) -> str:
    """The image address with its size part replaced, such as `width=450` or `original=true` (WIRE rule 16)."""
    return _WIDTH.sub(f"/{transform}/", url, count=1)


def image_kind(body: bytes) -> str | None:
    """png, jpg, gif, webp or avif by the first bytes; None for anything else."""
    for signature, kind in _SIGNATURES:
        if body.startswith(signature):
            return kind
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "webp"
    return "avif" if body[4:12] in (b"ftypavif", b"ftypavis") else None


def matching_file(version: RemoteVersion, digest: str) -> RemoteFile | None:
    """The file of the version that has this hash."""
    return next((file for file in version.files if file.has_hash(digest)), None)


def _web_ui_notes(version: RemoteVersion) -> dict[str, Any]:
    base = version.base_model.upper()
    family = "Other"
    for prefix, name in (
        ("SD 1", "SD1"),
        ("SD 2", "SD2"),
        ("SDXL", "SDXL"),
        ("PONY", "SDXL"),
        ("ILLUS", "SDXL"),
    ):
        if base.startswith(prefix):
            family = name
    settings = as_dict(version.raw.get("settings"))
    weight = settings.get("strength")
    shas = [file.sha256 for file in version.files if file.sha256]
    return {
        "description": version.model_name,
        "sd version": family,
        "activation text": ", ".join(version.trained_words),
        "preferred weight": weight if isinstance(weight, int | float) else 0,
        "notes": "",
        "modelId": version.model_id,
        "modelVersionId": version.id,
        "sha256": shas[0] if len(as_dicts(version.raw.get("files"))) == 1 and shas else "",
    }


def _write(path: Path, tree: dict[str, Any]) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(orjson.dumps(tree, option=orjson.OPT_INDENT_2))
    fresh.replace(path)

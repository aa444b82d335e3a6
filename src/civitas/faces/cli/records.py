"""Typed views of what a Site API answers, read leniently: other servers leave out or add what they like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from civitas.kit.text import clean_line

Json = Mapping[str, Any]


def as_text(value: object) -> str:
    """One clean line of a string or number, without control characters; empty for anything else."""
    if isinstance(value, str):
        return clean_line(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def as_int(value: object) -> int:
    """An integer of a number or of digits; 0 for anything else."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else 0


def as_dict(value: object) -> Json:
    """The value when it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_dicts(value: object) -> list[Json]:
    """The objects of a JSON list; other members are left out."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return []
    return [item for item in value if isinstance(item, Mapping)]


def as_texts(value: object) -> tuple[str, ...]:
    """The non-empty strings of a JSON list, or of one comma list, cleaned."""
    if isinstance(value, str):
        value = value.strip("{}").split(",")
    if not isinstance(value, Sequence):
        return ()
    cleaned = (as_text(item) for item in value)
    return tuple(text for text in cleaned if text)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a version. `size` is in bytes and only near, because the wire carries kilobytes."""

    id: int
    name: str
    size: int
    type: str
    format: str
    fp: str
    extent: str
    quant: str
    primary: bool
    hashes: Mapping[str, str]
    download_url: str
    pickle_scan: str
    virus_scan: str
    raw: Json = field(repr=False)

    @property
    def sha256(self) -> str | None:
        """Upper-case SHA-256, 64 hex digits, when the server tells it."""
        value = self.hashes.get("SHA256", "")
        return value if len(value) == 64 else None

    def has_hash(self, digest: str) -> bool:
        """Whether any of the file's hashes is `digest` or, for short forms, begins with it."""
        wanted = digest.upper()
        return any(
            value == wanted or (len(wanted) in (10, 12) and value.startswith(wanted))
            for value in self.hashes.values()
        )

    @classmethod
    def read(cls, raw: Json) -> RemoteFile:
        """Read one entry of `files`."""
        meta = as_dict(raw.get("metadata"))
        hashes = {
            str(kind): as_text(value).upper()
            for kind, value in as_dict(raw.get("hashes")).items()
            if isinstance(value, str)
        }
        kilobytes = raw.get("sizeKB")
        return cls(
            id=as_int(raw.get("id")),
            name=as_text(raw.get("name")),
            size=round(kilobytes * 1024) if isinstance(kilobytes, int | float) else 0,
            type=as_text(raw.get("type")) or "Model",
            format=as_text(meta.get("format") or raw.get("format")),
            fp=as_text(meta.get("fp")),
            extent=as_text(meta.get("size")),
            quant=as_text(meta.get("quantType")),
            primary=raw.get("primary") is True,
            hashes=hashes,
            download_url=raw["downloadUrl"] if isinstance(raw.get("downloadUrl"), str) else "",
            pickle_scan=as_text(raw.get("pickleScanResult")),
            virus_scan=as_text(raw.get("virusScanResult")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """One preview image; `level` is the NSFW bit (1 PG, 2 PG-13, 4 R, 8 X, 16 XXX)."""

    url: str
    type: str
    level: int
    meta: Json
    raw: Json = field(repr=False)

    @classmethod
    def read(cls, raw: Json) -> RemoteImage:
        """Read one entry of `images`."""
        return cls(
            url=raw["url"] if isinstance(raw.get("url"), str) else "",
            type=as_text(raw.get("type")) or "image",
            level=as_int(raw.get("nsfwLevel")) or 1,
            meta=as_dict(raw.get("meta")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class RemoteVersion:
    """One version of a model with its files and images."""

    id: int
    model_id: int
    name: str
    base_model: str
    published_at: str
    trained_words: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    images: tuple[RemoteImage, ...]
    model_name: str
    model_type: str
    raw: Json = field(repr=False)

    @classmethod
    def read(cls, raw: Json, parent: Json | None = None) -> RemoteVersion:
        """Read a version as `/model-versions/{id}` gives it, or as an entry of a model's `modelVersions`."""
        model = parent if parent is not None else as_dict(raw.get("model"))
        return cls(
            id=as_int(raw.get("id")),
            model_id=as_int(raw.get("modelId")) or as_int(model.get("id")),
            name=as_text(raw.get("name")),
            base_model=as_text(raw.get("baseModel")),
            published_at=as_text(raw.get("publishedAt")),
            trained_words=as_texts(raw.get("trainedWords")),
            files=tuple(RemoteFile.read(item) for item in as_dicts(raw.get("files"))),
            images=tuple(RemoteImage.read(item) for item in as_dicts(raw.get("images"))),
            model_name=as_text(model.get("name")),
            model_type=as_text(model.get("type")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model with its versions, newest first."""

    id: int
    name: str
    type: str
    creator: str
    tags: tuple[str, ...]
    nsfw: bool
    mode: str
    versions: tuple[RemoteVersion, ...]
    raw: Json = field(repr=False)

    @classmethod
    def read(cls, raw: Json) -> RemoteModel:
        """Read a model as `/models/{id}` or an item of `/models` gives it."""
        tags = raw.get("tags")
        if as_dicts(tags):
            tags = [tag.get("name") for tag in as_dicts(tags)]
        return cls(
            id=as_int(raw.get("id")),
            name=as_text(raw.get("name")),
            type=as_text(raw.get("type")),
            creator=as_text(as_dict(raw.get("creator")).get("username")),
            tags=as_texts(tags),
            nsfw=raw.get("nsfw") is True,
            mode=as_text(raw.get("mode")),
            versions=tuple(RemoteVersion.read(item, raw) for item in as_dicts(raw.get("modelVersions"))),
            raw=raw,
        )

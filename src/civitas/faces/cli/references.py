"""What a person may write to mean a model: an id, id@version, a page, an AIR, a download link or a hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.exits import UsageFault
from civitas.faces.cli.profiles import tidy_url
from civitas.faces.cli.records import RemoteModel, RemoteVersion
from civitas.kit.errors import NotFound

# FEATURES B33: [urn:air:][{ecosystem}:][{type}:]{source}:{id}[@{version}][:{layer}][+{fileId}][.{format}]
_AIR = re.compile(
    r"(?:urn:)?(?:air:)?(?:[a-z0-9_-]+:){0,2}(?P<source>[a-z0-9_-]+):(?P<id>[^@:+\s]+?)"
    r"(?:@(?P<version>[^+:.\s]+))?(?::[a-z0-9_-]+)?(?:\+(?P<file>\d{1,18}))?(?:\.(?P<format>[a-z0-9]+))?",
    re.IGNORECASE | re.ASCII,
)
_IDS = re.compile(r"(?P<id>\d{1,18})?(?:@(?P<version>\d{1,18}))?", re.ASCII)
_HASH = re.compile(
    r"(?:(?:sha256|blake3|crc32|autov[123]|hash):)?(?P<hash>[0-9a-f]{64}|[0-9a-f]{12}|[0-9a-f]{10}|[0-9a-f]{8})",
    re.I,
)
_PAGE = re.compile(r"^/(?:api/v1/)?models/(?P<id>\d{1,18})(?:/|$)")
_VERSION_PAGE = re.compile(
    r"^/(?:api/v1/|api/download/(?:models/)?)?(?:model-versions|models)/(?P<version>\d{1,18})(?:/|$)"
)
_LOCAL_SOURCES = frozenset({"civitai", "civitas"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, version or file as a person named it; exactly one of model_id, version_id or digest leads."""

    text: str
    model_id: int | None = None
    version_id: int | None = None
    file_id: int | None = None
    digest: str | None = None
    server: str | None = None
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A reference, looked up: the version, and its model when it had to be asked for."""

    version: RemoteVersion
    model: RemoteModel | None
    file_id: int | None = None
    digest: str | None = None


def parse(text: str) -> Reference:
    """Understand one reference. Raises UsageFault when it is none of the known forms.

    Eight digits are an id; write `hash:12345678` to mean a hash. `server` is set only for web addresses.
    """
    said = text.strip()
    if said.startswith(("http://", "https://")):
        return _address(said)
    if (match := _IDS.fullmatch(said)) and said:
        return Reference(said, _number(match["id"]), _number(match["version"]))
    if match := _HASH.fullmatch(said):
        return Reference(said, digest=match["hash"].upper())
    if match := _AIR.fullmatch(said):
        source, name = match["source"].lower(), match["id"]
        if source not in _LOCAL_SOURCES or not name.isdecimal() or not (match["version"] or "0").isdecimal():
            raise UsageFault(f"{said} names something on {source}, which is not a server of this kind.")
        return Reference(said, int(name), _number(match["version"]), _number(match["file"]))
    raise UsageFault(
        f"{said!r} is not a model: write an id (123 or 123@456), a page address, an AIR or a hash of a file."
    )


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _address(text: str) -> Reference:
    parts = urlsplit(text)
    server, path = tidy_url(text), parts.path
    query = dict(parse_qsl(parts.query))
    if path.startswith("/api/download/") or "/model-versions/" in path:
        if match := _VERSION_PAGE.match(path):
            kept = tuple((key, value) for key, value in query.items() if key != "token")
            file_id = query.get("fileId", "")
            return Reference(
                text,
                None,
                int(match["version"]),
                int(file_id) if file_id.isdigit() else None,
                None,
                server,
                kept,
            )
    elif match := _PAGE.match(path):
        version = query.get("modelVersionId", "")
        return Reference(text, int(match["id"]), int(version) if version.isdigit() else None, server=server)
    raise UsageFault(f"{text} is not the address of a model.")


def look_up(client: SiteClient, reference: Reference, *, with_model: bool = False) -> Target:
    """Ask the server what a reference means: without a version, the newest published one.

    `with_model` asks for the model too. Raises NotFound when the version is not of that model, and what the
    client raises.
    """
    if reference.digest:
        version = client.by_hash(reference.digest)
        model = client.model(version.model_id) if with_model and version.model_id else None
        return Target(version, model, digest=reference.digest)
    if reference.version_id:
        version = client.version(reference.version_id)
        if reference.model_id and version.model_id and version.model_id != reference.model_id:
            raise NotFound(
                f"Version {version.id} belongs to model {version.model_id}, not to {reference.model_id}."
            )
        model = client.model(version.model_id) if with_model and version.model_id else None
        return Target(version, model, reference.file_id)
    if not reference.model_id:
        raise UsageFault(f"{reference.text!r} names no model.")
    model = client.model(reference.model_id)
    if not model.versions:
        raise NotFound(f"{model.name or model.id} has no version that you can see.")
    return Target(model.versions[0], model, reference.file_id)

"""The fast lane's part of the OpenAPI document: plain routes have nothing that FastAPI could read it from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from civitas.domains.catalog.listing import MAX_LIMIT, Period, Sort
from civitas.domains.catalog.types import CheckpointType, CommercialUse, FileFormat, ModelType
from civitas.faces.rest import images

_TEXT: Final = {"type": "string", "maxLength": 300}
_FLAG: Final = {"type": "boolean"}
_ID: Final = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_HASH: Final = {
    "type": "string",
    "pattern": "^([0-9A-Fa-f]{8}|[0-9A-Fa-f]{10}|[0-9A-Fa-f]{12}|[0-9A-Fa-f]{64})$",
}


def _list(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "maxItems": 100}


def _enum(options: type[StrEnum], *, without: StrEnum | None = None) -> dict[str, Any]:
    return {"type": "string", "enum": [option.value for option in options if option is not without]}


def _query(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "in": "query", "required": False, "schema": schema}
    return made | ({"description": description} if description else {})


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(
    tag: str, name: str, summary: str, answer: dict[str, Any], *, parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None, faults: tuple[int, ...] = (400, 401, 429),
) -> dict[str, Any]:  # fmt: skip
    told = {
        400: "A parameter is wrong; the answer says which and lists what is right.",
        401: "The key does not hold, or one is needed.",
        403: "You may not have this now; the answer says why and until when.",
        404: "There is no such thing, or it is not public.",
        410: "It was here and is not any more.",
        413: "The body is too large.",
        429: "Too many requests, or a page beyond the reach of page numbers.",
    }
    made: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [{"BearerAuth": []}, {}],
        "parameters": parameters or [],
        "responses": {
            "200": {"description": "Success.", "content": {"application/json": {"schema": answer}}},
            **{
                str(code): {
                    "description": told[code],
                    "content": {"application/json": {"schema": _ref("ReadFault")}},
                }
                for code in faults
            },
        },
    }
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return made


_LEVELS: Final = [
    _query("nsfw", {"anyOf": [_FLAG, {"type": "string"}, {"type": "null"}]},
           "Whether pictures and models of mature levels are shown; never more than your settings allow."),
    _query("browsingLevel", {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 63},
                                       {"type": "string", "maxLength": 0}]},
           "Bits of the levels to show: 1 PG, 2 PG-13, 4 R, 8 X, 16 XXX."),
]  # fmt: skip

_MODEL_FILTERS: Final = [
    _query("limit", {"type": "integer", "minimum": 0, "maximum": MAX_LIMIT, "default": 100}),
    _query("cursor", {"type": "string", "maxLength": 600}, "metadata.nextCursor of the page before."),
    _query("page", {"type": "integer", "minimum": 1}, "The old way of paging, for the first 1000 models."),
    _query("query", _TEXT, 'Words, "phrases", #tag, @user, type:, base:, hash:, an AIR; - before any excludes.'),
    _query("ids", _list(_ID)),
    _query("tag", _list(_TEXT), "All of these; with a minus before it, none of these."),
    _query("username", _list(_TEXT)),
    _query("types", _list(_enum(ModelType))),
    _query("baseModels", _list(_TEXT), "Any version was made for one of these."),
    _query("checkpointType", _enum(CheckpointType)),
    _query("fileFormats", _list(_enum(FileFormat))),
    _query("sort", _enum(Sort, without=Sort.RELEVANCE), "Without it, words order by relevance."),
    _query("period", _enum(Period), "How new the newest version is."),
    _query("rating", {"type": "number", "minimum": 0, "maximum": 5}),
    _query("favorites", _FLAG, "Only your favourites."),
    _query("hidden", _FLAG, "Only what you hide."),
    _query("primaryFileOnly", _FLAG),
    _query("supportsGeneration", _FLAG),
    _query("fromPlatform", _FLAG),
    _query("earlyAccess", _FLAG),
    _query("allowNoCredit", _FLAG),
    _query("allowDerivatives", _FLAG),
    _query("allowDifferentLicenses", _FLAG),
    _query("allowCommercialUse", _list(_enum(CommercialUse))),
    *_LEVELS,
]  # fmt: skip

_NUMBERED: Final = [_path("id", _ID)]
_FILE_CHOICE: Final = [_query(name, _TEXT) for name in ("type", "format", "size", "fp", "quantType")]
_DOWNLOAD: Final = [_path("versionId", _ID), *_FILE_CHOICE, _query("fileId", _ID), _query("token", _TEXT)]


def _download(name: str, summary: str, code: str, description: str) -> dict[str, Any]:
    made = _operation(
        "Downloads", name, summary, {}, parameters=_DOWNLOAD, faults=(400, 401, 403, 404, 410, 429)
    )
    made["responses"].pop("200")
    made["responses"][code] = {"description": description}
    made["responses"].setdefault(
        "307", {"description": "To the sign-in page, for browsers without a session."}
    )
    return made


PATHS: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/images": {
        "get": _operation("Images", "listImages", "List Images", _ref("ImagePage"), parameters=images.PARAMETERS)
    },
    "/api/v1/models": {
        "get": _operation("Models", "listModels", "List Models", _ref("ModelPage"), parameters=_MODEL_FILTERS)
    },
    "/api/v1/models/{id}": {
        "get": _operation("Models", "getModel", "Get Model", _ref("Model"), parameters=[*_NUMBERED, *_LEVELS],
                          faults=(400, 401, 404, 429))
    },
    "/api/v1/model-versions/{id}": {
        "get": _operation("ModelVersions", "getModelVersion", "Get Model Version", _ref("ModelVersion"),
                          parameters=[*_NUMBERED, *_LEVELS], faults=(400, 401, 404, 429))
    },
    "/api/v1/model-versions/mini/{id}": {
        "get": _operation("ModelVersions", "getModelVersionMini", "Get Model Version Mini",
                          _ref("ModelVersionMini"), parameters=_NUMBERED, faults=(400, 401, 404, 429))
    },
    "/api/v1/model-versions/by-hash/{hash}": {
        "get": _operation("ModelVersions", "getModelVersionByHash", "Get Model Version By Hash",
                          _ref("ModelVersion"), parameters=[_path("hash", _HASH), *_LEVELS],
                          faults=(400, 401, 404, 429))
    },
    "/api/v1/model-versions/by-hash": {
        "post": _operation("ModelVersions", "getModelVersionsByHashes", "Get Model Versions By Hashes",
                           {"type": "array", "items": _ref("ModelVersion")}, parameters=_LEVELS,
                           body={"type": "array", "items": _HASH, "maxItems": 100}, faults=(400, 401, 413, 429))
    },
    "/api/v1/model-versions/by-hash/ids": {
        "post": _operation("ModelVersions", "getModelVersionIdsByHashes", "Get Model Version IDs By Hashes",
                           {"type": "array", "items": _ref("HashOwner")},
                           body={"type": "array", "items": {"type": "string"}, "maxItems": 10_000},
                           faults=(400, 401, 413, 429))
    },
    "/api/v1/model-files/{id}/tensor-metadata": {
        "get": _operation("ModelVersions", "getTensorMetadata", "Get Tensor Metadata", {"type": "object"},
                          parameters=_NUMBERED, faults=(400, 401, 404, 429))
    },
    "/api/v1/suggest": {
        "get": _operation("Models", "suggest", "Suggest Names", {"type": "object"},
                          parameters=[_query("query", _TEXT),
                                      _query("limit", {"type": "integer", "minimum": 1, "maximum": 20}), *_LEVELS])
    },
    "/api/download/models/{versionId}": {
        "get": _download("downloadModelVersion", "Download Model Version", "307",
                         "To a signed link that expires; answer Range there."),
        "head": _download("describeModelVersionDownload", "Describe A Download", "200",
                          "Size, name and entity tag of the file; no redirect."),
    },
}  # fmt: skip

_COUNT: Final = {"type": "integer"}
_MAYBE_TEXT: Final = {"type": ["string", "null"]}

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "HashOwner": {
        "type": "object",
        "required": ["modelVersionId", "modelId", "hash"],
        "properties": {"modelVersionId": _COUNT, "modelId": _COUNT, "hash": {"type": "string"}},
    },
    "ReadFault": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"anyOf": [{"type": "string"}, {"type": "object"}]},
            "message": {"type": "string"},
            "code": {"type": "string"},
        },
    },
    "Model": {
        "type": "object",
        "required": ["id", "name", "type", "nsfw", "nsfwLevel", "creator", "stats", "tags", "modelVersions"],
        "properties": {
            "id": _COUNT,
            "name": {"type": "string"},
            "description": _MAYBE_TEXT,
            "type": _enum(ModelType),
            "nsfw": _FLAG,
            "nsfwLevel": _COUNT,
            "mode": _MAYBE_TEXT,
            "status": {"type": "string"},
            "creator": {"type": "object"},
            "stats": {"type": "object"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "modelVersions": {"type": "array", "items": _ref("ModelVersion")},
        },
    },
    "ModelVersion": {
        "type": "object",
        "required": [
            "id",
            "modelId",
            "name",
            "baseModel",
            "trainedWords",
            "stats",
            "files",
            "images",
            "downloadUrl",
        ],
        "properties": {
            "id": _COUNT,
            "modelId": _COUNT,
            "name": {"type": "string"},
            "baseModel": {"type": "string"},
            "air": _MAYBE_TEXT,
            "trainedWords": {"type": "array", "items": {"type": "string"}},
            "stats": {"type": "object"},
            "files": {"type": "array", "items": _ref("ModelFile")},
            "images": {"type": "array", "items": {"type": "object"}},
            "downloadUrl": {"type": "string"},
        },
    },
    "ModelFile": {
        "type": "object",
        "required": ["id", "name", "sizeKB", "type", "hashes", "downloadUrl", "primary"],
        "properties": {
            "id": _COUNT,
            "name": {"type": "string"},
            "sizeKB": {"type": "number"},
            "type": {"type": "string"},
            "pickleScanResult": {"type": "string", "enum": ["Pending", "Success", "Danger", "Error"]},
            "virusScanResult": {"type": "string", "enum": ["Pending", "Success", "Danger", "Error"]},
            "hashes": {"type": "object", "additionalProperties": {"type": "string"}},
            "downloadUrl": {"type": "string"},
            "primary": _FLAG,
        },
    },
    "ImagePage": images.PAGE,
    "ModelVersionMini": {
        "type": "object",
        "required": ["id", "modelId", "modelName", "versionName", "baseModel", "downloadUrl"],
    },
    "ModelPage": {
        "type": "object",
        "required": ["items", "metadata"],
        "properties": {
            "items": {"type": "array", "items": _ref("Model")},
            "metadata": {
                "type": "object",
                "properties": {"nextCursor": _MAYBE_TEXT, "nextPage": _MAYBE_TEXT, "pageSize": _COUNT},
            },
        },
    },
}


def merge(document: dict[str, Any]) -> dict[str, Any]:
    """Add the fast lane's operations and schemas to an OpenAPI document, in place, and return it."""
    paths = document.setdefault("paths", {})
    for path, operations in PATHS.items():
        paths.setdefault(path, {}).update(operations)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(SCHEMAS)
    return document

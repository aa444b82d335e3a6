"""`GET /api/v1/enums`: every list of values that the API uses."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from civitas.domains.catalog import base_models
from civitas.domains.catalog.listing import Period, Sort
from civitas.domains.catalog.types import (
    PRECISIONS,
    Availability,
    BaseModelType,
    CheckpointType,
    CommercialUse,
    FileFormat,
    FileType,
    HashKind,
    ModelType,
    Relation,
    Status,
    UsageControl,
)

router = APIRouter(tags=["Enums"])


@router.get("/enums", operation_id="getEnums", summary="Get Enums")
async def enums(response: Response) -> dict[str, list[Any]]:
    """The values of every enum, under the names that existing clients know."""
    response.headers["Cache-Control"] = "public, max-age=300"
    registry = base_models.current()
    return {
        "ModelType": list(ModelType),
        "ModelFileType": list(FileType),
        "ModelFileFormat": list(FileFormat),
        "ModelFilePrecision": list(PRECISIONS),
        "ActiveBaseModel": list(registry.names(hidden=False)),
        "BaseModel": list(registry.names()),
        "BaseModelType": list(BaseModelType),
        "CheckpointType": list(CheckpointType),
        "CommercialUse": list(CommercialUse),
        "Availability": list(Availability),
        "ModelStatus": list(Status),
        "UsageControl": list(UsageControl),
        "ModelHashType": list(HashKind),
        "ModelSort": [sort for sort in Sort if sort is not Sort.RELEVANCE],
        "Period": list(Period),
        "LineageRelation": list(Relation),
    }

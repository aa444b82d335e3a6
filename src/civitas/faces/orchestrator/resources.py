"""`/v2/resources`: model files by their AIR, as the catalogue knows them and as machines have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.catalog import access_shown, air, reading
from civitas.domains.orchestration import availability
from civitas.domains.orchestration.availability import Availability
from civitas.faces.http.limits import take as take_one
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.orchestrator import asking
from civitas.kit import clock
from civitas.kit.errors import NotFound
from civitas.kit.paging import MAX_CURSOR

router = APIRouter(prefix="/v2/resources", include_in_schema=False)

MOST: Final = 100
_FORMATS: Final = {
    "SafeTensor": "safeTensor",
    "PickleTensor": "pickleTensor",
    "Diffusers": "diffusers",
    "Core ML": "coreML",
    "ONNX": "onnx",
}


@router.get("", operation_id="QueryResources")
async def query(
    request: Request,
    view: Literal["queue"],
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    take: Annotated[int, Query(ge=1, le=MOST)] = MOST,
) -> Response:
    """`view=queue`: what waiting jobs need and no machine has yet, in the order in which it is needed."""
    await take_one(request, "read")
    state = state_of(request)
    lease = state.settings.agents.lease_s
    async with state.database.reading() as session:
        page = await availability.wanted(session, lease_s=lease, cursor=cursor or None, take=take)
        stand = await availability.of(session, [one.digest for one in page.items], lease_s=lease)
    items = []
    for one in page.items:
        try:
            version = await _version(request, one.version_id)
        except NotFound:
            # Private, or of another source: what is waited for is told, and no more.
            continue
        items.append(_shown(version, stand[one.digest]))
    return asking.json({"items": items, "next": page.next_cursor})


@router.get("/{given:path}", operation_id="GetResource")
async def get(request: Request, given: str) -> Response:
    """The resource that an AIR names; without a version, the newest. Raises Invalid (`bad_air`), NotFound."""
    await take_one(request, "read")
    return asking.json(_shown(*await found_by(request, given)))


async def found_by(request: Request, given: str) -> tuple[dict[str, Any], Availability]:
    """The public version that an AIR names, and how its file is available. Raises Invalid (`bad_air`), NotFound."""
    found = air.parse(given)
    if found.source != "civitai" or (found.version_id is None and found.model_id is None):
        raise NotFound("This resource is not in the catalogue of this site.", code="no_such_resource")
    version = await _version(request, found.version_id, found.model_id)
    digest = str((_file(version) or {}).get("hashes", {}).get("SHA256", ""))
    state = state_of(request)
    async with state.database.reading() as session:
        stand = await availability.of(session, [digest], lease_s=state.settings.agents.lease_s)
    return version, stand[digest]


async def _version(request: Request, version_id: int | None, model_id: int | None = None) -> dict[str, Any]:
    """The version's public document. Raises NotFound."""
    reads, base = state_of(request).reads, base_url(request)
    if version_id is None and model_id is not None:
        versions = (await reading.model(reads, model_id)).objects(base)[0]["modelVersions"]
        if not versions:
            raise NotFound("This model has no public version.", code="no_such_resource")
        version_id = int(versions[0]["id"])
    found: dict[str, Any] = (await reading.version(reads, version_id or 0)).objects(base)[0]
    if model_id is not None and found["modelId"] != model_id:
        raise NotFound("This version is not one of that model.", code="no_such_resource")
    return found


def _file(version: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((one for one in version["files"] if one["primary"]), None)


def _shown(version: dict[str, Any], stand: Availability) -> dict[str, Any]:
    file = _file(version) or {}
    model = version["model"]
    fee = version.get("licensingFee")
    made = {
        "air": version["air"],
        "size": round(float(file.get("sizeKB") or 0) * 1024),
        "hashes": dict(file.get("hashes") or {}),
        "downloadUrls": [one["downloadUrl"] for one in version["files"]],
        "resourceName": model["name"],
        "versionName": version["name"],
        "earlyAccessEndsAt": version.get("earlyAccessEndsAt"),
        "checkPermission": access_shown.is_checked(version) or version["usageControl"] != "Download",
        "freeTrialLimit": access_shown.trials_of(version),
        "canGenerate": bool(version.get("supportsGeneration")),
        "requiresAuthorization": bool(version.get("requireAuth")),
        "fileFormat": _FORMATS.get(
            str(file.get("format") or file.get("metadata", {}).get("format")), "unknown"
        ),
        "hasMatureContentRestriction": bool(model.get("sfwOnly")),
        "hasNSFWContentRestriction": bool(model.get("sfwOnly") or model.get("minor") or model.get("poi")),
        "publishedAt": version.get("publishedAt"),
        "availability": _available(stand),
    }
    if fee is not None:
        made["fee"] = {
            "amount": fee["amount"] / fee["images"],
            "type": "perImageBuzz",
            "settlementCurrency": "buzz",
            "recipientModelVersionId": version["id"],
        }
    return {name: value for name, value in made.items() if value is not None}


def _available(stand: Availability) -> dict[str, Any]:
    if stand.workers:
        return {"status": "available", "workers": stand.workers}
    if stand.fetching:
        made = {"status": "loading", "workers": stand.fetching, "progress": stand.progress}
        if stand.started_at is not None:
            made["startedAt"] = clock.rfc3339(stand.started_at)
        return made
    return {"status": "unavailable", **({"queuePosition": stand.position} if stand.position else {})}

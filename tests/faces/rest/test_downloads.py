"""Downloads as existing clients make them (WIRE rules 1 to 9)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select
from tests.faces.rest.conftest import BASE, Site
from tests.factories.accounts import make_key, make_person
from tests.factories.catalog import make_file, make_published_model, set_status

from civitas.domains.catalog import metrics
from civitas.domains.catalog.tables import Download, ModelFile
from civitas.kit import clock

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 Chrome/120 Safari/537.36"}
PROGRAM = {"User-Agent": "python-requests/2.31"}


def url(version_id: int, query: str = "") -> str:
    return f"/api/download/models/{version_id}{'?' + query if query else ''}"


async def test_get_redirects_to_a_signed_link(site: Site) -> None:
    _, (version_id,) = await make_published_model(site.session)
    await make_file(site.session, version_id, name="Ünïcode näme=1.safetensors", is_primary=False, type="VAE")
    response = await site.client.get(url(version_id, "type=VAE"), headers=PROGRAM)
    assert response.status_code == 307
    assert response.headers["cache-control"] == "no-store"
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}" == BASE
    assert location.path.endswith("/Unicode name_1.safetensors".replace(" ", "%20"))
    disposition = parse_qs(location.query)["response-content-disposition"][0]
    assert disposition == 'attachment; filename="Unicode name_1.safetensors"'


async def test_head_tells_the_size_without_a_redirect_and_is_not_counted(site: Site) -> None:
    _, (version_id,) = await make_published_model(site.session)
    response = await site.client.head(url(version_id))
    assert response.status_code == 200
    assert int(response.headers["content-length"]) > 0
    assert response.headers["content-disposition"].count("=") == 1
    assert response.headers["accept-ranges"] == "bytes" and response.headers["etag"].startswith('"')
    assert await site.session.scalar(select(func.count()).select_from(Download)) == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "main.safetensors"),
        ("type=Model&format=SafeTensor&fp=fp32", "main32.safetensors"),
        ("fp=FP32", "main32.safetensors"),
        ("size=pruned", "small.safetensors"),
        ("type=vae", "vae.pt"),
        ("quantType=Q4_K_M", "quant.gguf"),
        ("type=Model&format=PickleTensor", None),
        ("type=Config", None),
    ],
)
async def test_choosing_a_file(site: Site, query: str, expected: str | None) -> None:
    model_id, (version_id,) = await make_published_model(site.session)
    await site.session.execute(
        ModelFile.__table__.update()
        .where(ModelFile.version_id == version_id)
        .values(name="main.safetensors", precision="fp16", size_class="full")
    )
    for name, columns in {
        "main32.safetensors": {"precision": "fp32", "size_class": "full"},
        "small.safetensors": {"precision": "fp16", "size_class": "pruned"},
        "quant.gguf": {"format": "GGUF", "quantisation": "Q4_K_M"},
        "vae.pt": {"type": "VAE", "format": "PickleTensor"},
    }.items():
        await make_file(site.session, version_id, name=name, is_primary=False, **columns)
    response = await site.client.get(url(version_id, query))
    if expected is None:
        assert response.status_code == 404 and "not found" in response.json()["error"]
    else:
        assert response.status_code == 307
        assert urlsplit(response.headers["location"]).path.endswith(f"/{expected}")
    await site.show(model_id)
    found = (await site.client.get(f"/api/v1/model-versions/{version_id}")).json()
    for file in found["files"]:
        response = await site.client.get(file["downloadUrl"].removeprefix(BASE))
        assert urlsplit(response.headers["location"]).path.endswith(f"/{file['name']}")


async def test_preferences_choose_between_variants(site: Site) -> None:
    _, (version_id,) = await make_published_model(site.session)
    await make_file(site.session, version_id, name="b.safetensors", precision="bf16", is_primary=False)
    person = await make_person(site.session, settings={"files": {"fp": "bf16"}})
    key = await make_key(site.session, person)
    response = await site.client.get(url(version_id, f"token={key}"))
    assert "/b.safetensors" in response.headers["location"]


async def test_sign_in_is_asked_for_in_the_callers_way(site: Site) -> None:
    _, (version_id,) = await make_published_model(site.session, version={"require_auth": True})
    response = await site.client.get(url(version_id, "type=Model"), headers=BROWSER)
    assert response.status_code == 307
    location = response.headers["location"]
    assert location.startswith("/login?returnUrl=%2Fapi%2Fdownload") and "reason=download-auth" in location
    response = await site.client.get(url(version_id), headers=PROGRAM)
    assert response.status_code == 401
    assert response.json().keys() >= {"error", "message"}
    wrong = await site.client.get(url(version_id, "token=wrong"), headers=BROWSER)
    assert wrong.status_code == 401 and wrong.headers["content-type"] == "application/json"
    key = await make_key(site.session, await make_person(site.session))
    bearer = BROWSER | {"Authorization": f"Bearer {key}"}
    assert "/storage/" in (await site.client.get(url(version_id), headers=bearer)).headers["location"]
    query = await site.client.get(url(version_id, f"token={key}"), headers=BROWSER)
    assert "/storage/" in query.headers["location"]


async def test_refusals_have_the_shape_that_clients_read(site: Site) -> None:
    ends = clock.now() + timedelta(days=3)
    _, (early,) = await make_published_model(site.session, version={"early_access_ends_at": ends})
    response = await site.client.get(url(early))
    assert response.status_code == 403
    found = response.json()
    assert found["error"] == "Early Access" and found["deadline"] == clock.rfc3339(ends) and found["message"]
    _, (closed,) = await make_published_model(site.session, version={"usage_control": "Generation"})
    response = await site.client.get(url(closed))
    assert response.status_code == 401
    assert "The creator of this asset has disabled downloads" in response.json()["error"]
    _, (archived,) = await make_published_model(site.session, mode="Archived")
    assert (await site.client.get(url(archived))).status_code == 410
    gone, (deleted,) = await make_published_model(site.session)
    await set_status(site.session, gone, "Deleted")
    assert (await site.client.get(url(deleted))).status_code == 410
    response = await site.client.get(url(999_999))
    assert response.status_code == 404 and "not found" in response.json()["error"]
    assert (await site.client.get("/api/download/models/abc")).status_code == 400


@pytest.mark.parametrize("status", ["pending", "suspicious", "dangerous", "error"])
async def test_nothing_is_handed_out_before_it_is_clean(site: Site, status: str) -> None:
    owner = await make_person(site.session)
    _, (version_id,) = await make_published_model(site.session, owner)
    await site.session.execute(ModelFile.__table__.update().values(scan_status=status))
    for method in ("GET", "HEAD"):
        response = await site.client.request(method, url(version_id))
        assert response.status_code == 403
    key = await make_key(site.session, owner)
    assert (await site.client.get(url(version_id, f"token={key}"))).status_code == 307


async def test_a_download_counts_once_a_day_and_person(site: Site) -> None:
    owner = await make_person(site.session)
    model_id, (version_id,) = await make_published_model(site.session, owner)
    await site.show(model_id)
    keys = [await make_key(site.session, await make_person(site.session)) for _ in range(2)]
    for token in (None, None, *keys, keys[0], await make_key(site.session, owner)):
        query = f"token={token}" if token else ""
        assert (await site.client.get(url(version_id, query))).status_code == 307
    with clock.held_at(clock.now() + timedelta(days=1)):
        await site.client.get(url(version_id))
    await metrics.fold_downloads(site.session)
    found = (await site.client.get(f"/api/v1/models/{model_id}")).json()
    assert found["stats"]["downloadCount"] == 4
    stored = await site.session.scalars(select(Download.caller).where(Download.person_id.is_(None)))
    assert all(caller.startswith("a:") and "." not in caller for caller in stored)


async def test_history_can_be_read_and_hidden(site: Site) -> None:
    versions = [(await make_published_model(site.session, name=f"N {i}"))[1][0] for i in range(3)]
    key = {"Authorization": f"Bearer {await make_key(site.session, await make_person(site.session))}"}
    for version_id in versions:
        await site.client.get(url(version_id), headers=key)
    first = (await site.client.get("/api/v1/me/downloads?limit=2", headers=key)).json()
    assert [item["modelName"] for item in first["items"]] == ["N 2", "N 1"]
    cursor = first["metadata"]["nextCursor"]
    rest = (await site.client.get(f"/api/v1/me/downloads?limit=2&cursor={cursor}", headers=key)).json()
    assert [item["modelName"] for item in rest["items"]] == ["N 0"]
    gone = await site.client.delete(f"/api/v1/me/downloads/{versions[2]}", headers=key)
    assert gone.json() == {"hidden": 1}
    left = (await site.client.get("/api/v1/me/downloads", headers=key)).json()
    assert [item["modelName"] for item in left["items"]] == ["N 1", "N 0"]
    assert (await site.client.get("/api/v1/me/downloads")).status_code == 401

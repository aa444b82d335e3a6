"""Resources by AIR and services by what agents offer; both are held against the published schemas."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.faces.orchestrator.contract import kept
from tests.factories.catalog import make_published_model
from tests.factories.http import Client
from tests.factories.orchestration import make_agent, make_job, make_step, make_workflow

from civitas.domains.catalog import rebuilding
from civitas.kit import clock


async def published(client: Client, **columns: Any) -> tuple[int, int]:
    async with client.house.database.unit() as session:
        model, (version,) = await make_published_model(session, version=columns or None)
        await rebuilding.rebuild(session, [model])
    return model, version


async def test_a_resource_is_found_by_its_air(client: Client) -> None:
    model, version = await published(client)
    air = f"urn:air:sdxl:checkpoint:civitai:{model}@{version}"
    found = kept(await client.get(f"/v2/resources/{air}"))
    assert found["air"].endswith(f"{model}@{version}") and found["size"] > 0
    assert found["availability"] == {"status": "unavailable"} and len(found["hashes"]["SHA256"]) == 64
    assert found["downloadUrls"][0].startswith("http")
    assert kept(await client.get(f"/v2/resources/civitai:{model}@{version}"))["air"] == found["air"]
    assert kept(await client.get(f"/v2/resources/civitai:{model}"))["air"] == found["air"], (
        "the newest version"
    )
    async with client.house.database.unit() as session:
        await make_agent(session, "textToImage/*", resources=[found["hashes"]["SHA256"]])
    again = kept(await client.get(f"/v2/resources/{air}"))
    assert again["availability"] == {"status": "available", "workers": 1}


async def test_what_is_no_resource_of_ours(client: Client) -> None:
    model, version = await published(client)
    for air, status in (
        ("urn:air:sdxl:checkpoint:civitai:1@999999999", 404),
        (f"urn:air:sdxl:checkpoint:civitai:{model + 1}@{version}", 404),
        ("urn:air:flux1:checkpoint:huggingface:some/model@main", 404),
        ("nonsense", 400),
        ("urn:air:" + "x" * 600, 400),
    ):
        answer = await client.get(f"/v2/resources/{air}")
        assert answer.status_code == status, air
        kept(answer)
    assert (await client.get("/v2/resources")).status_code == 400
    assert (await client.get("/v2/resources", params={"view": "all"})).status_code == 400


async def test_the_queue_of_what_is_needed(client: Client) -> None:
    first, second = await published(client), await published(client)
    needs = []
    for model, version in (second, first):
        shown = kept(await client.get(f"/v2/resources/civitai:{model}@{version}"))
        needs.append({"air": shown["air"], "versionId": version, "sha256": shown["hashes"]["SHA256"]})
    async with client.house.database.unit() as session:
        for place, need in enumerate(needs):
            await make_job(session, "textToImage/sdxl", resources=[need], place=float(place))
        await make_job(
            session, "textToImage/sdxl", resources=[{"air": "x", "versionId": 10**9, "sha256": "Z" * 64}]
        )
    page = kept(await client.get("/v2/resources", params={"view": "queue", "take": 1}))
    assert [one["air"] for one in page["items"]] == [needs[0]["air"]]
    assert page["items"][0]["availability"] == {"status": "unavailable", "queuePosition": 1}
    rest = kept(await client.get("/v2/resources", params={"view": "queue", "cursor": page["next"]}))
    assert [one["air"] for one in rest["items"]] == [needs[1]["air"]] and rest["next"] is None
    async with client.house.database.unit() as session:
        agent = await make_agent(session, "textToImage/*")
        await make_job(
            session, "textToImage/sdxl", resources=[needs[0]], status="preparing", agent_id=agent.id, progress=0.25,
            started_at=clock.now(),
        )  # fmt: skip
    loading = kept(await client.get(f"/v2/resources/{needs[0]['air']}"))["availability"]
    assert (loading["status"], loading["progress"], loading["workers"]) == ("loading", 0.25, 1)


async def test_services_are_what_somebody_can_do(client: Client) -> None:
    now = clock.now()
    async with client.house.database.unit() as session:
        await make_agent(session, "convertImage", "imageGen/openai", "textToImage/*")
        for place in range(12):
            await make_job(
                session, "textToImage/sdxl", status="succeeded" if place else "failed", worth=8 * 4,
                created_at=now - timedelta(seconds=30), completed_at=now - timedelta(seconds=20),
                blocked_reason=None if place else "prompt",
            )  # fmt: skip
        workflow = await make_workflow(session)
        await make_step(session, workflow, "echo", status="succeeded", completed_at=now)
    client.app.state.services = {}
    found = kept(await client.get("/v2/services", params={"limit": 200}))
    by_id = {one["id"]: one for one in found["items"]}
    assert found["totalCount"] == len(by_id) and list(by_id) == sorted(by_id)
    assert by_id["image/convertImage"]["status"] == "available"
    assert by_id["utility/echo"]["metrics"]["successRate"] == 1.0
    assert by_id["video/videoGen"]["status"] == "unavailable"
    assert by_id["image/imageGen/openai"]["status"] == by_id["image/imageGen"]["status"] == "available"
    drawn = by_id["image/textToImage/sdxl"]
    assert (drawn["status"], drawn["metrics"]["requests"], drawn["parameters"]) == (
        "available",
        12,
        {"variant": "sdxl"},
    )
    assert drawn["metrics"]["costBuzz"]["p50"] == 8 and drawn["metrics"]["latencySeconds"]["p95"] == 10
    assert drawn["metrics"]["userErrorRate"] == round(1 / 12, 4)
    assert drawn["modalities"] == {"input": ["text", "image"], "output": ["image"]}
    one = kept(await client.get("/v2/services/image/textToImage/sdxl", params={"interval": "5m"}))
    assert sum(bucket["requests"] for bucket in one["history"]["buckets"]) == 12
    echo = kept(await client.get("/v2/services/utility/echo"))
    assert [bucket["requests"] for bucket in echo["history"]["buckets"]] == [1]


async def test_services_are_narrowed_down(client: Client) -> None:
    client.app.state.services = {}

    async def ids(**params: Any) -> list[str]:
        found = kept(await client.get("/v2/services", params={"limit": 200, **params}))
        return [one["id"] for one in found["items"]]

    assert set(await ids(category="chat")) == {"chat/chatCompletion"}
    assert await ids(prefix="video/videoGen") == ["video/videoGen"]
    assert await ids(tags=["image", "convertImage"]) == ["image/convertImage"]
    assert "audio/transcription" in await ids(query="TRANSCR")
    assert "utility/echo" in await ids(status="available")
    assert "utility/echo" not in await ids(status="unavailable")
    assert len(await ids(limit=3, offset=2)) == 3
    for wrong in ({"window": "1y"}, {"status": "fine"}, {"limit": 0}, {"offset": -1}):
        assert (await client.get("/v2/services", params=wrong)).status_code == 400, wrong
    assert (await client.get("/v2/services/image/nothing")).status_code == 404
    assert (await client.get("/v2/services/utility/echo", params={"interval": "1s"})).status_code == 400

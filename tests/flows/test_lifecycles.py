"""What becomes of models after they were published, told over HTTP."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import httpx
from tests.factories.http import HTML, Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.domains.accounts.types import Role
from civitas.domains.blobs import tasks as blob_tasks
from civitas.domains.catalog import tasks as catalog_tasks
from civitas.kit import clock


async def told(client: Client, path: str, status: int, code: str | None = None) -> Any:
    """The JSON of an answer with this status and code."""
    found = ok(await client.get(path), status)
    if code is not None:
        assert found["code"] == code, found
        assert found["error"] and found["message"]
    return found


async def stats(client: Client, model_id: int) -> dict[str, int]:
    return dict(ok(await client.get(f"{API}/models/{model_id}"))["stats"])


async def listed(client: Client, query: str = "") -> list[int]:
    return [model["id"] for model in ok(await client.get(f"{API}/models?{query}"))["items"]]


async def test_a_deleted_model_leaves_a_tombstone_whose_hashes_answer(client: Client) -> None:
    content = story.weights()
    digest = hashlib.sha256(content).hexdigest()
    maker = await story.new_program(client)
    model_id, version_id = await story.published(client, content=content, name="Fallen Tower")
    ok(await client.delete(f"{API}/models/{model_id}"))
    again = ok(await client.delete(f"{API}/models/{model_id}"))
    assert again["status"] == "Deleted"
    await client.run_tasks()
    client.sign_out()
    assert await listed(client) == [] and await listed(client, "query=fallen") == []
    await told(client, f"/api/download/models/{version_id}", 410, "deleted")
    grave = ok(await client.get(f"{API}/model-versions/by-hash/{digest}"))
    assert grave["id"] == version_id and grave["status"] == "Deleted"
    assert grave["images"] == [] and grave["files"][0]["hashes"]["SHA256"] == digest.upper()
    found = ok(await client.get(f"{API}/models/{model_id}"))
    assert found["status"] == "Deleted" and found["description"] is None
    (named,) = ok(await client.post(f"{API}/model-versions/by-hash/ids", json=[digest]))
    assert named["modelVersionId"] == version_id

    await story.become(client, maker)
    assert ok(await client.post(f"{API}/models/{model_id}/restore"))["status"] == "Published"
    await client.run_tasks()
    client.sign_out()
    assert await listed(client) == [model_id]
    assert await story.download(client, version_id) == content

    await story.become(client, maker)
    ok(await client.delete(f"{API}/models/{model_id}"))
    await client.run_tasks()
    with clock.held_at(clock.now() + timedelta(days=31)):
        await catalog_tasks.let_bytes_go(client.context)
        await client.run_tasks()
        gone = await client.post(f"{API}/models/{model_id}/restore")
        assert gone.status_code == 410 and gone.json()["code"] == "undo_expired"
    with clock.held_at(clock.now() + timedelta(days=40)):
        await blob_tasks.sweep_orphans(client.context)
    assert not [key for key, (_, body) in client.store.objects.items() if body == content]
    assert ok(await client.get(f"{API}/model-versions/by-hash/{digest}"))["id"] == version_id


async def test_archived_files_are_gone_and_come_back(client: Client) -> None:
    maker = await story.new_program(client)
    model_id, version_id = await story.published(client)
    ok(await client.post(f"{API}/models/{model_id}/archive"))
    await client.run_tasks()
    client.sign_out()
    await told(client, f"/api/download/models/{version_id}", 410, "archived")
    assert (await client.head(f"/api/download/models/{version_id}")).status_code == 410
    found = ok(await client.get(f"{API}/models/{model_id}"))
    assert found["mode"] == "Archived" and found["modelVersions"][0]["files"] == []
    await story.become(client, maker)
    ok(await client.post(f"{API}/models/{model_id}/unarchive"))
    await client.run_tasks()
    client.sign_out()
    assert (await client.get(f"/api/download/models/{version_id}")).status_code == 307


async def test_unpublished_models_are_hidden_and_come_back(client: Client) -> None:
    maker = await story.new_program(client)
    model_id, version_id = await story.published(client, name="Shy Heron")
    page = f"/models/{model_id}"
    ok(await client.post(f"{API}/models/{model_id}/unpublish", json={"note": "a fix"}))
    await client.run_tasks()
    client.sign_out()
    assert await listed(client, "query=heron") == []
    for path in (f"{API}/models/{model_id}", f"{API}/model-versions/{version_id}", page,
                 f"/api/download/models/{version_id}", f"{API}/models/{model_id}/lineage"):  # fmt: skip
        assert (await client.get(path)).status_code == 404, path
    assert "Shy Heron" not in (await client.get(page, headers=HTML)).text
    await story.become(client, maker)
    ok(await client.post(f"{API}/models/{model_id}/publish"))
    await client.run_tasks()
    client.sign_out()
    assert await listed(client, "query=heron") == [model_id]


async def test_a_schedule_is_kept_to_the_minute(client: Client) -> None:
    await story.new_program(client)
    model_id, _ = await story.ready(client)
    noon = clock.now() + timedelta(hours=5)
    for wrong in (clock.now() + timedelta(minutes=10), clock.now() + timedelta(days=900)):
        refused = await client.post(f"{API}/models/{model_id}/publish", json={"publishAt": wrong.isoformat()})
        assert refused.status_code == 400 and refused.json()["fields"]["publishAt"]
    found = ok(await client.post(f"{API}/models/{model_id}/publish", json={"publishAt": noon.isoformat()}))
    assert found["status"] == "Scheduled" and found["scheduledAt"]
    client.sign_out()
    for minutes, shown in ((-1, False), (1, True)):
        with clock.held_at(noon + timedelta(minutes=minutes)):
            await catalog_tasks.publish_due(client.context)
            await client.run_tasks()
            assert await listed(client) == ([model_id] if shown else [])


async def test_a_download_counts_once_a_person_and_a_day(client: Client) -> None:
    maker = await story.new_program(client)
    model_id, version_id = await story.published(client)
    fan = await story.person(client)
    for who in (maker, fan, fan, None, None):
        await story.become(client, who)
        await story.download(client, version_id)
        assert (await client.head(f"/api/download/models/{version_id}")).status_code == 200
    await story.become(client, fan, by_key=False)
    await story.download(client, version_id)
    await story.a_minute_later(client)
    client.sign_out()
    assert (await stats(client, model_id))["downloadCount"] == 2
    with clock.held_at(clock.now() + timedelta(days=1)):
        await story.become(client, fan)
        await story.download(client, version_id)
        await story.a_minute_later(client)
        assert (await stats(client, model_id))["downloadCount"] == 3
    history = ok(await client.get(f"{API}/me/downloads"))["items"]
    assert {item["modelVersionId"] for item in history} == {version_id} and len(history) == 2


async def test_a_creator_may_ask_for_a_sign_in_or_withhold_downloads(client: Client) -> None:
    maker = await story.new_program(client)
    _, version_id = await story.published(client)
    path = f"/api/download/models/{version_id}"
    ok(await client.patch(f"{API}/model-versions/{version_id}", json={"requireAuth": True}))
    await client.run_tasks()
    client.sign_out()
    refused = await client.get(path, headers={"user-agent": "python-requests/2"})
    assert refused.status_code == 401 and refused.json()["code"] == "sign_in_needed"
    browser = await client.get(path, headers={"user-agent": "Mozilla/5.0"})
    assert browser.status_code == 307 and browser.headers["location"].startswith(
        "/login?returnUrl=%2Fapi%2Fdownload"
    )
    await story.new_program(client)
    assert (await client.get(path)).status_code == 307
    await story.become(client, maker)
    ok(await client.patch(f"{API}/model-versions/{version_id}", json={"usageControl": "Generation"}))
    await client.run_tasks()
    await story.new_program(client)
    refused = await client.get(path)
    assert refused.status_code == 401 and "disabled downloads" in refused.json()["error"]


async def test_a_fork_and_a_merge_name_where_they_come_from(client: Client) -> None:
    await story.new_program(client, username="first_maker")
    source, source_version = await story.published(client, name="Stone Song")
    closed, _ = await story.published(client, name="Closed", allowDerivatives=False)
    _, other_version = await story.published(client, name="River Song")
    await story.new_program(client, username="second_maker")
    refused = await client.post(f"{API}/models/{closed}/fork")
    assert refused.status_code == 403 and refused.json()["code"] == "no_derivatives"
    fork = ok(await client.post(f"{API}/models/{source}/fork", json={"name": "Stone Song, louder"}), 201)
    assert fork["forkedFromVersionId"] == source_version and fork["source"]["creator"] == "first_maker"
    (draft,) = fork["modelVersions"]
    recipe = {
        "derivedFrom": [{"versionId": other_version, "relation": "merged_from"},
                        {"versionId": source_version, "relation": "forked_from"}],
        "merge": {"steps": [{"type": "sum", "a": {"version": source_version}, "b": {"version": other_version},
                             "multiplier": 0.4},
                            {"type": "difference", "a": {"result": 0}, "b": {"version": other_version},
                             "c": {"name": "base"}, "multiplier": 1}]},
        "recommended": [{"versionId": source_version, "strength": 0.5}],
    }  # fmt: skip
    ok(await client.put(f"{API}/model-versions/{draft['id']}/lineage", json=recipe))
    await story.file(client, draft["id"])
    await story.picture(client, draft["id"])
    ok(await client.post(f"{API}/models/{fork['id']}/publish"))
    await client.run_tasks()
    client.sign_out()
    graph = ok(await client.get(f"{API}/models/{source}/lineage"))
    assert {node.get("modelId") for node in graph["nodes"]} >= {source, fork["id"]}
    origins = ok(await client.get(f"{API}/model-versions/{draft['id']}/lineage"))
    assert len(origins["merge"]) == 2 and len(origins["parents"]) == 2
    both = ok(
        await client.get(
            f"{API}/model-versions/compare", params={"left": source_version, "right": draft["id"]}
        )
    )
    assert both["left"]["modelName"] == "Stone Song" and both["right"]["modelName"] == "Stone Song, louder"


async def test_a_person_who_leaves_hands_their_models_over(client: Client) -> None:
    maker = await story.new_member(client, username="leaving_maker")
    content = story.weights()
    model_id, version_id = await story.published(client, content=content, name="Left Behind")
    draft = await story.draft(client, name="Never shown")
    key = await client.use_key(maker)
    del client.headers["authorization"]
    form = {"models": "keep", "images": "keep"}
    wrong = await client.submit("/account/data/delete", username="somebody", **form)
    assert wrong.status_code == 400
    left = await client.submit("/account/data/delete", username="leaving_maker", **form)
    assert left.status_code == 303, left.text
    client.sign_out()
    await client.run_tasks()
    found = ok(await client.get(f"{API}/models/{model_id}"))
    assert found["creator"]["username"] != "leaving_maker"
    assert found["modelVersions"][0]["images"]
    client.sign_out()
    assert await story.download(client, version_id) == content
    assert (await client.get(f"{API}/models/{draft['id']}")).status_code == 404
    dead = await client.get(f"{API}/me", headers={"authorization": f"Bearer {key}"})
    assert dead.status_code == 401 and dead.json()["code"] == "invalid_token"
    assert ok(await client.get(f"{API}/users?username=leaving_maker"))["items"] == []
    assert (await client.get("/user/leaving_maker")).status_code == 404


async def test_staff_take_down_and_the_owner_cannot_undo(client: Client) -> None:
    maker = await story.new_program(client)
    model_id, version_id = await story.published(client)
    await story.new_program(client, role=Role.MODERATOR.value)
    ok(await client.post(f"{API}/models/{model_id}/unpublish", json={"reason": "other", "note": "No."}))
    await client.run_tasks()
    await story.become(client, maker)
    for verb in ("publish", "restore"):
        refused = await client.post(f"{API}/models/{model_id}/{verb}")
        assert refused.status_code == 403, refused.text
    client.sign_out()
    assert (await client.get(f"/api/download/models/{version_id}")).status_code == 404


async def test_saying_a_thing_twice_is_saying_it_once(client: Client) -> None:
    """A client that lost an answer sends again; the second answer is as good as the first."""
    await story.new_program(client)
    model_id, version_id = await story.ready(client)
    steps: list[tuple[str, str]] = [
        ("POST", f"models/{model_id}/publish"), ("PUT", f"models/{model_id}/favorite"),
        ("DELETE", f"models/{model_id}/favorite"), ("PUT", f"models/{model_id}/hidden"),
        ("DELETE", f"models/{model_id}/hidden"), ("POST", f"models/{model_id}/archive"),
        ("POST", f"models/{model_id}/unarchive"), ("POST", f"model-versions/{version_id}/publish"),
        ("POST", f"models/{model_id}/unpublish"), ("DELETE", f"models/{model_id}"),
    ]  # fmt: skip
    for method, path in steps:
        answers: list[httpx.Response] = []
        for _ in range(2):
            answers.append(await client.request(method, f"{API}/{path}"))
            await client.run_tasks()
        assert {a.status_code for a in answers} <= {200, 204}, (path, [a.text for a in answers])
        first, second = (a.json() if a.content else {} for a in answers)
        assert first.get("status") == second.get("status") and first.get("mode") == second.get("mode")

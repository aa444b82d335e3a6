"""Files, pictures, the last step and what comes after it, as pages."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.factories.accounts import make_person
from tests.factories.catalog import make_file, make_model, make_preview, make_version
from tests.factories.http import HTML, HTMX, Client
from tests.flows import story

from civitas.domains.accounts.types import Role
from civitas.domains.blobs.tables import Upload
from civitas.domains.catalog.tables import FileHeader, Model, ModelFile, ModelVersion
from civitas.domains.gallery.tables import Image
from civitas.infra.imaging import png
from civitas.kit import clock


async def draft(client: Client, name: str = "maker") -> tuple[int, int, int]:
    """A person at this browser with a draft and a version."""
    person = await story.new_member(client, name)
    model = await story.draft(client)
    version = await story.version(client, model["id"])
    return person, model["id"], version["id"]


def steps(model_id: int, version_id: int, place: str) -> str:
    return f"/models/{model_id}/versions/{version_id}/{place}"


async def one(client: Client, table: type, **where: object) -> Any:
    async with client.house.database.reading() as session:
        query = select(table).filter_by(**where)
        return (await session.scalars(query)).one()


async def test_a_small_file_without_script(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    path = steps(model_id, version_id, "files")
    sent = await client.post(
        path, files={"upload": ("ink.safetensors", story.weights(), "application/octet-stream")}, headers=HTML
    )
    assert sent.status_code == 303, sent.text
    waiting = await client.page(sent.headers["location"])
    assert "Look again" in waiting.text
    await client.run_tasks()
    arrived = await client.page(sent.headers["location"])
    assert "Look again" not in arrived.text
    upload = await one(client, Upload)
    added = await client.submit(f"{path}/arrived", id=str(upload.id))
    assert added.headers["location"] == path
    listed = await client.page(path)
    assert "Being checked" in listed.text
    assert 'hx-trigger="load delay:1.0s"' in listed.text
    later = await client.get(path, params={"asked": 6}, headers=HTMX | {"hx-target": "file-list"})
    assert 'hx-trigger="load delay:7.5s"' in later.text
    assert "<html" not in later.text
    await client.run_tasks()
    assert "Scanned, clean" in (await client.page(path)).text


@pytest.mark.parametrize("files", [{}, {"upload": ("empty.safetensors", b"", "application/octet-stream")}])
async def test_nothing_chosen_is_told(client: Client, files: dict[str, object]) -> None:
    _, model_id, version_id = await draft(client)
    answer = await client.post(
        steps(model_id, version_id, "files"), data={"x": "1"}, files=files or None, headers=HTML
    )
    assert answer.status_code == 400
    assert "Choose a file first" in answer.text


async def test_a_held_file_is_explained_with_its_reasons(client: Client) -> None:
    person, model_id, version_id = await draft(client)
    async with client.house.database.unit() as session:
        file_id = await make_file(
            session, version_id, scan_status="dangerous", scan_message="It runs os.system."
        )
    page = await client.page(steps(model_id, version_id, "files"))
    assert "Loading it would run code" in page.text
    studio = await client.page("/studio")
    assert "It runs os.system." in studio.text
    again = await client.submit(f"{steps(model_id, version_id, 'files')}/{file_id}/rescan")
    assert again.status_code == 303
    assert person


async def test_files_are_named_chosen_and_removed(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    async with client.house.database.unit() as session:
        first = await make_file(session, version_id, name="a.safetensors")
        second = await make_file(session, version_id, name="b.safetensors")
    path = steps(model_id, version_id, "files")
    fields = {
        "name": "c.safetensors",
        "type": "Model",
        "format": "SafeTensor",
        "fp": "bf16",
        "size": "pruned",
    }
    await client.submit(f"{path}/{second}", **fields)
    await client.submit(f"{path}/{second}/primary")
    file = await one(client, ModelFile, id=second)
    assert (file.name, file.precision, file.is_primary) == ("c.safetensors", "bf16", True)
    partial = await client.post(f"{path}/{first}/remove", headers=HTMX | {"hx-target": "file-list"})
    assert "a.safetensors" not in partial.text
    assert "removed" in partial.headers["hx-trigger"]
    wrong = await client.post(
        f"{path}/{second}", data=fields | {"name": "c.exe"}, headers=HTMX | {"hx-target": "file-list"}
    )
    assert wrong.status_code == 200
    assert '"danger"' in wrong.headers["hx-trigger"]


async def test_what_the_file_says_is_taken_over_on_request(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    async with client.house.database.unit() as session:
        file_id = await make_file(session, version_id)
        session.add(
            FileHeader(
                file_id=file_id,
                architecture={
                    "baseModel": "SD 1.5",
                    "kind": "LoRA",
                    "confidence": 0.9,
                    "triggerWords": ["sumi"],
                },
                training={"steps": 900, "tags": [{"tag": "Ink Wash", "count": 3}]},
                metadata_={},
                tensors=[],
                tensor_count=1,
                parameter_count=1,
            )
        )
    page = await client.page(steps(model_id, version_id, "files"))
    assert "The file says" in page.text
    path = f"/models/{model_id}/versions/{version_id}/suggestions"
    for name in ("base_model", "trained_words", "steps", "tags"):
        assert (await client.submit(f"{path}/{name}")).status_code == 303
    version = await one(client, ModelVersion, id=version_id)
    assert (version.base_model, version.trained_words, version.steps) == ("SD 1.5", ["sumi"], 900)
    assert "ink wash" in (await client.page(f"/models/{model_id}/edit")).text
    refused = await client.submit(f"{path}/password")
    assert refused.status_code == 303


async def test_pictures_without_script_are_ordered_rated_and_removed(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    path = steps(model_id, version_id, "pictures")
    chosen = [("upload", (f"{n}.png", story.drawing(), "image/png")) for n in range(3)]
    sent = await client.post(path, files=chosen, headers=HTML)
    await client.run_tasks()
    ids = re.findall(r"id=([0-9a-f-]{36})", sent.headers["location"])
    await client.submit(f"{path}/arrived", id=ids)
    assert "Being read" in (await client.page(path)).text
    await client.run_tasks()
    async with client.house.database.reading() as session:
        images = list((await session.scalars(select(Image.id).order_by(Image.position))).all())
    page = await client.page(path)
    assert page.text.count('class="own-picture ready"') == 3
    await client.submit(f"{path}/order", earlier=str(images[2]))
    assert await order_of(client) == [images[0], images[2], images[1]]
    partial = {"hx-target": "picture-list"} | HTMX
    dragged = [str(images[1]), str(images[0]), str(images[2])]
    await client.post(f"{path}/order", data={"id": dragged}, headers=partial)
    assert await order_of(client) == [images[1], images[0], images[2]]
    rated = await client.post(f"{path}/{images[0]}/level", data={"level": "4"}, headers=partial)
    assert "Rated R" in rated.headers["hx-trigger"]
    await client.submit(f"{path}/{images[1]}/remove")
    assert await order_of(client) == [images[0], images[2]]
    wrong = await client.post(f"{path}/order", data={"id": ["1"]}, headers=partial)
    assert '"danger"' in wrong.headers["hx-trigger"]


async def order_of(client: Client) -> list[int]:
    async with client.house.database.reading() as session:
        query = select(Image.id).where(Image.deleted_at.is_(None)).order_by(Image.position)
        return list((await session.scalars(query)).all())


async def test_a_picture_of_another_version_is_not_touched(client: Client) -> None:
    _, model_id, version_id = await draft(client, "first")
    made = await story.picture(client, version_id)
    other = await story.version(client, model_id)
    path = steps(model_id, other["id"], "pictures")
    await client.submit(f"{path}/{made['id']}/remove")
    assert await order_of(client) == [made["id"]]


RECIPE = "a fox\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"


async def test_the_recipe_is_hidden_and_shown_again_on_the_page(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    made = await story.picture(client, version_id, png.embed_text(story.drawing(), RECIPE))
    path = steps(model_id, version_id, "pictures")
    assert "Recipe found" in (await client.page(path)).text
    partial = {"hx-target": "picture-list"} | HTMX
    hidden = await client.post(f"{path}/{made['id']}/recipe", data={"hidden": "true"}, headers=partial)
    assert "Recipe, hidden from others" in hidden.text and "a fox" in hidden.text
    assert (await one(client, Image, id=made["id"])).hide_meta
    await client.submit(f"{path}/{made['id']}/recipe")
    assert not (await one(client, Image, id=made["id"])).hide_meta
    assert "Recipe found" in (await client.page(path)).text


async def test_a_blocked_picture_is_explained_and_not_rated_by_its_owner(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    made = await story.picture(client, version_id)
    path = steps(model_id, version_id, "pictures")
    async with client.house.database.unit() as session:
        await session.execute(update(Image).where(Image.id == made["id"]).values(nsfw_level=32))
    page = await client.page(path)
    assert "Blocked by the moderators" in page.text and f'id="level-{made["id"]}"' not in page.text
    partial = {"hx-target": "picture-list"} | HTMX
    refused = await client.post(f"{path}/{made['id']}/level", data={"level": "1"}, headers=partial)
    assert '"danger"' in refused.headers["hx-trigger"]
    assert (await one(client, Image, id=made["id"])).nsfw_level == 32


async def test_the_checklist_leads_to_what_is_missing_and_publishing_waits_for_it(client: Client) -> None:
    _, model_id, version_id = await draft(client)
    page = await client.page(f"/models/{model_id}/review")
    assert f'href="{steps(model_id, version_id, "files")}"' in page.text
    assert f'href="{steps(model_id, version_id, "pictures")}"' in page.text
    refused = await client.submit(f"/models/{model_id}/publish", when="now")
    assert refused.status_code == 400
    assert "It was not published" in refused.text
    await story.file(client, version_id)
    await story.picture(client, version_id)
    done = await client.submit(f"/models/{model_id}/publish", when="now")
    assert done.status_code == 303, done.text
    assert done.headers["location"].startswith(f"/models/{model_id}/")
    assert (await one(client, Model, id=model_id)).status == "Published"
    assert "It is public" in (await client.page(f"/models/{model_id}/review")).text


async def test_publishing_at_a_time_in_ones_own_zone(client: Client) -> None:
    await story.new_member(client)
    model_id, _ = await story.ready(client)
    at = (clock.now() + timedelta(days=2)).replace(second=0, microsecond=0)
    local = at + timedelta(hours=2)
    fields = {"when": "later", "at": f"{local:%Y-%m-%dT%H:%M}", "offset": "120"}
    assert (await client.submit(f"/models/{model_id}/publish", **fields)).status_code == 303
    model = await one(client, Model, id=model_id)
    assert (model.status, model.scheduled_at) == ("Scheduled", at)
    soon = await client.submit(f"/models/{model_id}/publish", **(fields | {"at": "2020-01-01T10:00"}))
    assert soon.status_code == 400
    assert "at least 60 minutes" in soon.text
    odd = await client.submit(f"/models/{model_id}/publish", **(fields | {"at": "tomorrow"}))
    assert odd.status_code == 400


async def test_one_more_version_joins_a_public_model(client: Client) -> None:
    await story.new_member(client)
    model_id, _ = await story.published(client)
    version = await story.version(client, model_id)
    await story.file(client, version["id"])
    await story.picture(client, version["id"])
    assert "Publish this version" in (await client.page(f"/models/{model_id}/review")).text
    answer = await client.submit(f"/models/{model_id}/versions/{version['id']}/publish")
    assert f"modelVersionId={version['id']}" in answer.headers["location"]


async def test_versions_are_put_in_order_deleted_and_brought_back(client: Client) -> None:
    _, model_id, first = await draft(client)
    second = (await story.version(client, model_id))["id"]
    page = await client.page(f"/models/{model_id}/manage")
    assert page.text.index(f"/versions/{second}/edit") < page.text.index(f"/versions/{first}/edit")
    await client.submit(f"/models/{model_id}/versions/order", later=str(second))
    assert (await one(client, ModelVersion, id=first)).position == 0
    gone = await client.submit(f"/models/{model_id}/versions/{second}/do/delete")
    undo = await client.page(gone.headers["location"])
    assert f"/versions/{second}/do/restore" in undo.text
    await client.submit(f"/models/{model_id}/versions/{second}/do/restore")
    assert (await one(client, ModelVersion, id=second)).status == "Draft"


async def test_a_model_is_unpublished_archived_deleted_and_brought_back(client: Client) -> None:
    await story.new_member(client)
    model_id, _ = await story.published(client)
    for deed, status, mode in (
        ("archive", "Published", "Archived"),
        ("unarchive", "Published", None),
        ("unpublish", "Unpublished", None),
        ("restore", "Published", None),
    ):
        await client.submit(f"/models/{model_id}/do/{deed}")
        model = await one(client, Model, id=model_id)
        assert (model.status, model.mode) == (status, mode), deed
    gone = await client.submit(f"/models/{model_id}/do/delete")
    assert gone.headers["location"] == f"/studio?undo={model_id}"
    assert f'action="/models/{model_id}/do/restore"' in (await client.page(gone.headers["location"])).text
    assert "Bring it back" in (await client.page("/studio?status=Deleted")).text
    back = await client.submit(f"/models/{model_id}/do/restore", back="/studio")
    assert back.headers["location"] == "/studio"
    history = await client.page(f"/models/{model_id}/history")
    for words in ("Began the draft", "Made it public", "Took it from view", "Archived it", "Brought it back"):
        assert words in history.text
    assert (await client.submit(f"/models/{model_id}/do/explode")).status_code == 400


async def test_the_studio_lists_by_status_page_by_page(client: Client) -> None:
    person = await story.new_member(client)
    async with client.house.database.unit() as session:
        for number in range(26):
            await make_model(session, person, name=f"Draft {number}")
        public = await make_model(session, person, name="Shown", status="Published", published_at=clock.now())
        await make_preview(session, await make_version(session, public), person)
    page = await client.page("/studio?status=Draft")
    assert page.text.count("data-card=") == 24
    assert "Shown" not in page.text
    following = re.search(r'rel="next" href="([^"]+)"', page.text)
    assert following is not None
    rest = await client.page(following.group(1).replace("&amp;", "&"))
    assert rest.text.count("data-card=") == 2
    assert (await client.page("/studio?cursor=nonsense")).status_code == 400
    assert (await client.page("/me/models?status=Deleted")).headers["location"] == "/studio?status=Deleted"


async def test_unfinished_uploads_are_listed_and_cancelled(client: Client) -> None:
    await story.new_member(client)
    begun = await story.announce(client, b"x" * 10, "long.safetensors")
    assert "long.safetensors" in (await client.page("/studio")).text
    await client.submit(f"/studio/uploads/{begun['id']}/cancel")
    assert "long.safetensors" not in (await client.page("/studio")).text
    assert (await client.submit("/studio/uploads/nonsense/cancel")).status_code == 400


async def test_a_fork_names_its_source(client: Client) -> None:
    await story.new_member(client, "source")
    model_id, _ = await story.published(client, name="Source model")
    person = await story.new_member(client, "forker")
    assert "Fork Source model" in (await client.page(f"/models/{model_id}/fork")).text
    answer = await client.submit(f"/models/{model_id}/fork", name="Mine now")
    made = await one(client, Model, person_id=person)
    assert answer.headers["location"] == f"/models/{made.id}/edit"
    assert made.name == "Mine now"


async def test_what_one_downloaded_and_hiding_it(client: Client) -> None:
    await story.new_member(client, "source")
    model_id, version_id = await story.published(client, name="Taken model")
    await story.new_member(client, "taker")
    await story.download(client, version_id)
    page = await client.page("/account/downloads")
    assert "Taken model" in page.text
    await client.submit("/account/downloads/hide", version=str(version_id))
    assert "Nothing yet" in (await client.page("/account/downloads")).text
    assert model_id


async def test_only_administrators_hand_models_over(client: Client) -> None:
    person, model_id, _ = await draft(client)
    async with client.house.database.unit() as session:
        other = await make_person(session, "heir")
        admin = await make_person(session, "admin", role=Role.ADMIN.value)
    assert "transfer" not in (await client.page(f"/models/{model_id}/manage")).text
    refused = await client.submit(f"/models/{model_id}/transfer", to="heir", reason="mine")
    assert refused.status_code == 403
    client.sign_out()
    await client.sign_in(admin)
    done = await client.submit(f"/models/{model_id}/transfer", to="heir", reason="They asked for it.")
    assert done.status_code == 303
    assert (await one(client, Model, id=model_id)).person_id == other
    assert person != other

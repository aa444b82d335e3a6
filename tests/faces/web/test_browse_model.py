"""The model's page, its states, its files, the comparison and the lineage."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.faces.web.browse_shelf import Statements, driver_of, hang, look_into, publish
from tests.factories.accounts import make_actor, make_person
from tests.factories.catalog import make_model, make_published_version, make_version, set_status
from tests.factories.http import Client

from civitas.domains.accounts.types import Role
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion, RecommendedResource, VersionParent


async def change(client: Client, model: int, **columns: object) -> None:
    async with client.house.database.unit() as session:
        await session.execute(update(Model).where(Model.id == model).values(**columns))
    await hang(client, model)


async def change_version(client: Client, model: int, version: int, **columns: object) -> None:
    async with client.house.database.unit() as session:
        await session.execute(update(ModelVersion).where(ModelVersion.id == version).values(**columns))
    await hang(client, model)


async def main_file(client: Client, version: int) -> ModelFile:
    async with client.house.database.reading() as session:
        found = await session.scalar(select(ModelFile).where(ModelFile.version_id == version))
        assert found is not None
        return found


async def test_the_page_says_what_matters(client: Client) -> None:
    model, (version,) = await publish(
        client, name="Velvet Hours", description="Soft **light**.", version={"trained_words": ["velvet hour"]}
    )
    page = await client.page(f"/models/{model}/velvet-hours")
    assert page.status_code == 200
    assert "<strong>light</strong>" in page.text
    assert 'data-copy="velvet hour"' in page.text
    assert f'href="/api/download/models/{version}"' in page.text
    assert "You may sell this model" in page.text
    assert f"civitai:{model}@{version}" in page.text
    assert re.search(rf'rel="canonical"\s+href="[^"]+/models/{model}/velvet-hours"', page.text)


async def test_the_version_stands_in_the_address(client: Client) -> None:
    model, (first, second) = await publish(client, name="Velvet Hours", versions=2)
    page = await client.page(f"/models/{model}", modelVersionId=second)
    assert f'href="/api/download/models/{second}"' in page.text
    assert f'href="/api/download/models/{first}"' not in page.text
    lost = await client.page(f"/models/{model}", modelVersionId=987654)
    assert "That version is not here" in lost.text


async def test_machines_read_it_too(client: Client) -> None:
    model, (version,) = await publish(client, name='Odd </script><b>"name"')
    page = await client.page(f"/models/{model}")
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page.text, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert data["name"] == 'Odd </script><b>"name"'
    assert data["associatedMedia"][0]["contentUrl"].endswith(f"/api/download/models/{version}")
    assert '<b>"name"' not in page.text
    answer = await client.get(f"/models/{model}", headers={"accept": "application/json"})
    assert answer.json()["id"] == model
    assert 'property="og:image"' in page.text


async def test_snippets_check_what_they_fetch(client: Client) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    file = await main_file(client, version)
    page = await client.page(f"/models/{model}")
    assert "sha256sum -c -" in page.text
    assert f"civitas download @{version}" in page.text
    assert f"ComfyUI/models/loras/{file.name}" in page.text


async def test_a_file_that_was_not_cleared_is_held_back_and_explained(client: Client) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    file = await main_file(client, version)
    await look_into(client, file.id)
    async with client.house.database.unit() as session:
        await session.execute(
            update(ModelFile).where(ModelFile.id == file.id).values(scan_status="suspicious")
        )
    await hang(client, model)
    page = await client.page(f"/models/{model}")
    assert "It imports odd.thing." in page.text
    assert "odd.thing</code>" in page.text
    assert "picklescan 1.0.5" in page.text
    assert "Held back" in page.text
    assert f'href="/api/download/models/{version}"' not in page.text
    assert "sha256sum" not in page.text


async def test_a_header_is_shown_by_the_page(client: Client) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    file = await main_file(client, version)
    await look_into(client, file.id, [f"block.{at}.weight" for at in range(70)])
    page = await client.page(f"/models/{model}/files/{file.id}")
    assert page.status_code == 200
    assert page.text.count("<code translate") == 60
    assert "velvet" in page.text
    assert "Rank" in page.text
    more = await client.get(
        f"/models/{model}/files/{file.id}?page=2",
        headers={"HX-Request": "true", "HX-Target": "tensors", "accept": "text/html"},
    )
    assert more.text.count("<code translate") == 10
    narrowed = await client.page(f"/models/{model}/files/{file.id}?q=block.7.")
    assert narrowed.text.count("<code translate") == 1
    other, _ = await publish(client, name="Another")
    assert (await client.page(f"/models/{other}/files/{file.id}")).status_code == 404


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"usage_control": "Generation"}, "turned downloads of this version off"),
        ({"require_auth": True}, "asks you to sign in before you download"),
    ],
)
async def test_downloads_that_are_closed_say_why(
    client: Client, columns: dict[str, object], words: str
) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    await change_version(client, model, version, **columns)
    page = await client.page(f"/models/{model}")
    assert words in page.text
    assert f'href="/api/download/models/{version}"' not in page.text


async def test_an_archived_model_keeps_its_page(client: Client) -> None:
    model, _ = await publish(client, name="Velvet Hours")
    await change(client, model, mode="Archived")
    page = await client.page(f"/models/{model}")
    assert page.status_code == 200
    assert "no longer serves the files" in page.text


async def test_a_deleted_model_leaves_its_hashes(client: Client) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    file = await main_file(client, version)
    async with client.house.database.unit() as session:
        await set_status(session, model, "Deleted", unpublished_note="Its maker wished so.")
    await hang(client, model)
    page = await client.page(f"/models/{model}")
    assert page.status_code == 410
    assert file.name in page.text
    assert "SHA256" in page.text
    assert "Its maker wished so." in page.text


async def test_drafts_are_for_their_owner_and_the_staff(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        staff = await make_person(session, role=Role.MODERATOR.value)
        model = await make_model(session, owner, name="Not yet")
        await make_version(session, model, name="first try")
    assert (await client.page(f"/models/{model}")).status_code == 404
    await client.sign_in(owner)
    page = await client.page(f"/models/{model}")
    assert page.status_code == 200
    assert "Only you can see it" in page.text
    assert f'href="/models/{model}/edit"' in page.text
    assert page.headers["x-robots-tag"] == "noindex"
    client.sign_out()
    await client.sign_in(staff)
    assert (await client.page(f"/models/{model}")).status_code == 200


async def test_what_is_too_mature_is_not_in_the_page(client: Client) -> None:
    model, _ = await publish(client, name="Mature work", level=8, description="Very grown up")
    page = await client.page(f"/models/{model}")
    assert "rated X" in page.text
    assert "Mature work" not in page.text
    assert "Very grown up" not in page.text
    assert "/img/" not in page.text
    for part in ("compare", "lineage"):
        assert "Mature work" not in (await client.page(f"/models/{model}/{part}")).text
    async with client.house.database.unit() as session:
        viewer = await make_actor(session, mature=True)
    await client.sign_in(viewer.id or 0)
    shown = await client.page(f"/models/{model}")
    assert "Mature work" in shown.text
    assert "picture natural blurred" in shown.text
    assert 'property="og:image"' not in shown.text


async def test_favourite_and_hide(client: Client) -> None:
    model, _ = await publish(client, name="Velvet Hours")
    refused = await client.post(f"/models/{model}/favourite", data={"on": "true"})
    assert refused.status_code in (303, 401, 403)
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.sign_in(person)
    answer = await client.post(
        f"/models/{model}/favourite", data={"on": "true"}, headers={"HX-Request": "true"}
    )
    assert 'aria-pressed="true"' in answer.text
    assert 'aria-pressed="true"' in (await client.page(f"/models/{model}")).text
    assert "Velvet Hours" in (await client.page("/models?favorites=true")).text
    plain = await client.submit(f"/models/{model}/favourite", on="false")
    assert plain.status_code == 303
    hidden = await client.submit(f"/models/{model}/hide", on="true")
    assert hidden.headers["location"] == "/models"
    assert "Velvet Hours" not in (await client.page("/models")).text
    assert "You hide this model" in (await client.page(f"/models/{model}")).text
    await client.submit(f"/models/{model}/hide", on="false")
    assert "Velvet Hours" in (await client.page("/models")).text


async def test_a_forged_wish_is_refused(client: Client) -> None:
    model, _ = await publish(client, name="Velvet Hours")
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.sign_in(person)
    answer = await client.post(
        f"/models/{model}/hide", data={"on": "true"}, headers={"x-csrf-token": "forged"}
    )
    assert answer.status_code == 403


async def test_lineage_and_attribution(client: Client) -> None:
    source, (parent,) = await publish(client, name="The source")
    model, (child,) = await publish(client, name="The fork")
    async with client.house.database.unit() as session:
        session.add(VersionParent(version_id=child, parent_id=parent, relation="forked_from"))
        session.add(
            VersionParent(version_id=child, air="urn:air:sdxl:lora:elsewhere:9@8", relation="merged_from")
        )
    source_of = {"creator": "mira", "platform": "Elsewhere", "url": "https://elsewhere.example/9"}
    await change(client, model, forked_from_version_id=parent, source=source_of, origin="import")
    page = await client.page(f"/models/{model}")
    assert f'href="/models/{source}?modelVersionId={parent}"' in page.text
    assert "https://elsewhere.example/9" in page.text
    assert "urn:air:sdxl:lora:elsewhere:9@8" in page.text
    graph = await client.page(f"/models/{model}/lineage")
    assert graph.text.count("data-node=") == 3
    assert f'data-parents="v{parent} x0"' in graph.text or f'data-parents="x0 v{parent}"' in graph.text
    piece = await client.get(
        f"/models/{model}/lineage",
        headers={"HX-Request": "true", "HX-Target": "lineage-graph", "accept": "text/html"},
    )
    assert piece.text.lstrip().startswith('<div id="lineage-graph">')
    alone, _ = await publish(client, name="Alone")
    assert "Nothing is recorded" in (await client.page(f"/models/{alone}/lineage")).text


async def test_relatives_that_are_too_mature_are_not_named(client: Client) -> None:
    _, (parent,) = await publish(client, name="Mature work", level=8)
    model, (child,) = await publish(client, name="Velvet Hours")
    async with client.house.database.unit() as session:
        session.add(VersionParent(version_id=child, parent_id=parent, relation="trained_on"))
        session.add(RecommendedResource(version_id=child, resource_id=parent))
    await change(client, model, forked_from_version_id=parent)
    assert "Mature work" not in (await client.page(f"/models/{model}")).text
    async with client.house.database.unit() as session:
        viewer = await make_actor(session, mature=True)
    await client.sign_in(viewer.id or 0)
    assert (await client.page(f"/models/{model}")).text.count("Mature work") >= 3


async def test_two_versions_side_by_side(client: Client) -> None:
    model, (left, right) = await publish(client, name="Velvet Hours", versions=2)
    await change_version(client, model, left, steps=1000, description="better hands")
    await change_version(client, model, right, steps=2000, description="worse hands")
    page = await client.page(f"/models/{model}/compare", left=left, right=right)
    assert "1,000" in page.text
    assert "2,000" in page.text
    assert 'data-sign="+"' in page.text
    assert (await client.page(f"/models/{model}/compare")).status_code == 200
    other, (foreign,) = await publish(client, name="Another")
    across = await client.page(f"/models/{model}/compare", other=foreign, right=right)
    assert "Another" in across.text
    alone = await client.page(f"/models/{other}/compare")
    assert "Nothing to compare with" in alone.text
    assert (await client.page(f"/models/{model}/compare", left=999999, right=right)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/models/0", "/models/99999999999999999999", "/models/7", "/models/7/files/9"]
)
async def test_what_is_not_there(client: Client, path: str) -> None:
    page = await client.page(path)
    assert page.status_code in (400, 404)
    assert "<html" in page.text


async def test_the_page_keeps_to_its_statements(client: Client, connection: AsyncConnection) -> None:
    model, (_, version) = await publish(client, name="Velvet Hours", versions=2)
    async with client.house.database.unit() as session:
        for _ in range(6):
            await make_published_version(session, model)
    await hang(client, model)
    path = f"/models/{model}/x?modelVersionId={version}"
    await client.page(path)
    with Statements().counted(await driver_of(connection)) as texts:
        assert (await client.page(path)).status_code == 200
    assert len(texts) <= 3, texts

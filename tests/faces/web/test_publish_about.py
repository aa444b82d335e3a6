"""The first steps of publishing as pages: drafts, saving while one writes, versions, what is refused."""

from __future__ import annotations

import re

from sqlalchemy import select
from tests.factories.accounts import make_person
from tests.factories.catalog import make_model, make_version
from tests.factories.http import HTML, HTMX, Client

from civitas.domains.catalog.access_tables import VersionAccess
from civitas.domains.catalog.tables import Model, ModelVersion

ABOUT = {
    "name": "Ink & wash",
    "type": "LORA",
    "category": "style",
    "tags": "ink, landscape",
    "description": "# Calm\n\n**bold** <script>alert(1)</script>",
    "license_tier": "Creator",
    "availability": "Public",
}


async def member(client: Client, name: str = "maker", **columns: object) -> int:
    async with client.house.database.unit() as session:
        person_id = await make_person(session, name, **columns)
    await client.sign_in(person_id)
    return person_id


async def model_of(client: Client, person_id: int) -> Model:
    async with client.house.database.reading() as session:
        return (await session.scalars(select(Model).where(Model.person_id == person_id))).one()


def hidden(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found is not None, f"no field {name}"
    return found.group(1)


async def test_strangers_sign_in_first_and_come_back(client: Client) -> None:
    answer = await client.page("/models/create")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?returnUrl=%2Fmodels%2Fcreate"


async def test_who_has_not_finished_the_account_does_so_first(client: Client) -> None:
    await member(client, onboarding=1)
    answer = await client.page("/models/create")
    assert answer.headers["location"] == "/welcome?returnUrl=%2Fmodels%2Fcreate"


async def test_a_draft_is_begun_and_shown_again(client: Client) -> None:
    person = await member(client)
    assert (await client.page("/models/create")).status_code == 200
    answer = await client.submit("/models/create", **ABOUT)
    model = await model_of(client, person)
    assert answer.headers["location"] == f"/models/{model.id}/versions/new"
    assert (model.name, model.status, model.allow_no_credit) == ("Ink & wash", "Draft", False)
    page = await client.page(f"/models/{model.id}/edit")
    assert "Ink &amp; wash" in page.text
    assert "<strong>bold</strong>" in page.text
    assert "<script>alert" not in page.text
    assert "ink, landscape" in page.text


async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(client: Client) -> None:
    await member(client)
    answer = await client.submit("/models/create", **(ABOUT | {"name": " ", "category": "nonsense"}))
    assert answer.status_code == 400
    assert 'id="f-name-error"' in answer.text
    assert "ink, landscape" in answer.text


async def test_a_form_without_its_token_changes_nothing(client: Client) -> None:
    await member(client)
    client.headers.pop("x-csrf-token")
    assert (await client.submit("/models/create", **ABOUT)).status_code == 403


async def test_a_new_draft_is_saved_while_one_writes_and_only_once(client: Client) -> None:
    person = await member(client)
    first = await client.post("/models/create/autosave", data=ABOUT | {"name": ""}, headers=HTMX)
    assert "Draft saved" not in first.text
    saved = await client.post("/models/create/autosave", data=ABOUT, headers=HTMX)
    model = await model_of(client, person)
    assert saved.headers["hx-replace-url"] == f"/models/{model.id}/edit"
    known = {"draft": hidden(saved.text, "draft"), "seen": hidden(saved.text, "seen").replace("&#43;", "+")}
    again = await client.post(
        "/models/create/autosave", data=ABOUT | known | {"name": "Ink, washed"}, headers=HTMX
    )
    assert "Draft saved" in again.text
    known["seen"] = hidden(again.text, "seen").replace("&#43;", "+")
    await client.submit("/models/create", **(ABOUT | known | {"name": "Ink, washed twice"}))
    assert (await model_of(client, person)).name == "Ink, washed twice"


async def test_who_was_slower_is_told_and_can_save_over_it(client: Client) -> None:
    person = await member(client)
    await client.submit("/models/create", **ABOUT)
    model = await model_of(client, person)
    path = f"/models/{model.id}/edit"
    old = {"seen": "2020-01-01T00:00:00+00:00"}
    answer = await client.submit(path, **(ABOUT | old | {"name": "Mine"}))
    assert answer.status_code == 409
    assert "Save over it" in answer.text
    await client.submit(path, **(ABOUT | old | {"name": "Mine", "over": "true"}))
    assert (await model_of(client, person)).name == "Mine"


async def test_custom_permissions_in_plain_words(client: Client) -> None:
    person = await member(client)
    chosen = {"license_tier": "Custom", "allow_commercial_use": "Image", "allow_no_credit": "true"}
    await client.submit("/models/create", **(ABOUT | chosen))
    model = await model_of(client, person)
    assert model.allow_no_credit
    assert not model.allow_derivatives
    assert model.allow_commercial_use == ["Image"]


async def test_others_models_are_not_found(client: Client) -> None:
    async with client.house.database.unit() as session:
        other = await make_model(session)
        version = await make_version(session, other)
    await member(client)
    for path in (
        f"/models/{other}/edit",
        f"/models/{other}/review",
        f"/models/{other}/manage",
        f"/models/{other}/history",
        f"/models/{other}/versions/{version}/files",
        f"/models/{other}/versions/{version}/pictures",
        f"/models/{other}/versions/{version}/origins",
    ):
        assert (await client.page(path)).status_code == 404, path


async def test_a_version_of_another_model_is_not_taken_for_mine(client: Client) -> None:
    person = await member(client)
    async with client.house.database.unit() as session:
        mine = await make_model(session, person)
        second = await make_model(session, person)
        version = await make_version(session, second, name="other")
    answer = await client.submit(f"/models/{mine}/versions/{version}/edit", name="x", base_model="SDXL 1.0")
    assert answer.status_code == 404


async def test_the_preview_is_markdown_made_safe(client: Client) -> None:
    await member(client)
    answer = await client.post("/models/preview", data={"description": "*a* <img src=x onerror=y>"})
    assert "<em>a</em>" in answer.text
    assert "onerror" not in answer.text


VERSION = {
    "name": "v1.0",
    "base_model": "SDXL 1.0",
    "trained_words": "ink wash\nsumi, e",
    "strength": "0.8",
    "min_strength": "0.5",
    "max_strength": "1",
    "steps": "1200",
    "clip_skip": "2",
}


async def test_a_version_is_added_and_edited(client: Client) -> None:
    person = await member(client)
    async with client.house.database.unit() as session:
        model_id = await make_model(session, person)
    assert "SDXL 1.0" in (await client.page(f"/models/{model_id}/versions/new")).text
    answer = await client.submit(f"/models/{model_id}/versions/new", **VERSION)
    async with client.house.database.reading() as session:
        version = (await session.scalars(select(ModelVersion).where(ModelVersion.model_id == model_id))).one()
    assert answer.headers["location"] == f"/models/{model_id}/versions/{version.id}/files"
    # Who says that it is to earn is led on to its terms, here and when a draft is edited.
    edit = f"/models/{model_id}/versions/{version.id}/edit"
    await client.page(edit)
    asked = await client.submit(edit, **VERSION, terms="true")
    assert asked.headers["location"] == f"/models/{model_id}/versions/{version.id}/access"
    terms = await client.page(asked.headers["location"])
    assert "Early access" in terms.text and "Donation goal" in terms.text
    assert (await client.submit(edit, **VERSION)).headers["location"].endswith("/files")
    box = (await client.page(edit)).text.split('name="terms"')[1].split(">")[0]
    assert "checked" not in box
    async with client.house.database.unit() as session:
        session.add(
            VersionAccess(version_id=version.id, gate="timed", state="draft", days=3, download_price=400)
        )
    box = (await client.page(edit)).text.split('name="terms"')[1].split(">")[0]
    assert "checked" in box, "what was asked for stays asked for"
    assert version.trained_words == ["ink wash", "sumi, e"]
    assert (version.strength, version.steps, version.clip_skip) == (0.8, 1200, 2)
    page = await client.page(f"/models/{model_id}/versions/{version.id}/edit")
    assert 'value="0.8"' in page.text


async def test_a_strength_out_of_its_range_is_told_beside_the_field(client: Client) -> None:
    person = await member(client)
    async with client.house.database.unit() as session:
        model_id = await make_model(session, person)
    answer = await client.submit(f"/models/{model_id}/versions/new", **(VERSION | {"strength": "4"}))
    assert answer.status_code == 400
    assert 'id="f-strength-error"' in answer.text
    wrong = await client.submit(f"/models/{model_id}/versions/new", **(VERSION | {"steps": "many"}))
    assert 'id="f-steps-error"' in wrong.text


async def test_the_licence_of_a_base_model_is_told(client: Client) -> None:
    await member(client)
    answer = await client.get("/models/base-model", params={"base_model": "Flux.1 D"}, headers=HTML)
    assert "FLUX.1" in answer.text
    unknown = await client.get("/models/base-model", params={"base_model": "nonsense"}, headers=HTML)
    assert "Choose the model" in unknown.text


async def test_where_a_version_comes_from(client: Client) -> None:
    person = await member(client)
    async with client.house.database.unit() as session:
        model_id = await make_model(session, person, name="Mixture")
        base = await make_version(session, await make_model(session, person, name="Base"), name="one")
        version = await make_version(session, model_id)
    path = f"/models/{model_id}/versions/{version}/origins"
    assert (await client.page(path)).status_code == 200
    fields = {
        "parent": [str(base), ""],
        "relation": ["fine_tuned_from", "trained_on"],
        "parent_note": ["the style", ""],
        "kind": ["sum", "difference"],
        "a": [str(base), "step 1"],
        "b": ["Something old", "Something new"],
        "c": ["", "Something blue"],
        "multiplier": ["0.3", "1"],
        "recommended": [f"http://localhost:8000/models/1?modelVersionId={base}"],
        "strength": ["0.7"],
        "recommended_note": ["with it"],
    }
    answer = await client.submit(path, **fields)
    assert answer.status_code == 303, answer.text
    page = await client.page(path)
    assert 'value="step 1"' in page.text
    assert 'value="Something blue"' in page.text
    assert "Base · one" in page.text
    later = await client.submit(path, **(fields | {"a": ["step 2", "step 1"]}))
    assert later.status_code == 400
    assert "not made yet" in later.text


async def test_another_row_without_script(client: Client) -> None:
    person = await member(client)
    async with client.house.database.unit() as session:
        model_id = await make_model(session, person)
        version = await make_version(session, model_id)
    path = f"/models/{model_id}/versions/{version}/origins"
    fields = {"kind": ["sum"], "a": ["x"], "b": ["y"], "c": [""], "multiplier": ["0.5"], "more": "step"}
    answer = await client.submit(path, **fields)
    assert answer.status_code == 200
    assert answer.text.count('name="multiplier"') == 2


async def test_versions_are_suggested_by_the_name_of_their_model(client: Client) -> None:
    person = await member(client)
    async with client.house.database.unit() as session:
        version = await make_version(
            session, await make_model(session, person, name="Walnut ink"), name="two"
        )
    answer = await client.get("/models/versions/suggest", params={"a": "walnut"}, headers=HTMX)
    assert f'<option value="{version}">Walnut ink · two' in answer.text

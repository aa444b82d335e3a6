"""The front of a profile: shelves in the person's order, pins, and nothing that a stranger may not see."""

from __future__ import annotations

from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model
from tests.factories.collections import make_collection, make_posted
from tests.factories.http import Client

from civitas.domains.accounts import profiles
from civitas.domains.accounts.profiles import ProfileEdit
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import rebuilding
from civitas.domains.community.reviews import writing
from civitas.domains.gallery.collections import filling


async def _maker(client: Client) -> tuple[Actor, int, list[int], int]:
    async with client.house.database.unit() as session:
        ana = await make_actor(session, "maker_ana", mature=True)
        model, _ = await make_published_model(session, ana.require(), name="Harbour light")
        await rebuilding.rebuild(session, [model])
        post, images = await make_posted(session, ana.require(), levels=(1, 16), title="Two boats")
        made = await make_collection(session, ana, name="Nets and rope")
        await filling.add(session, ana, collection_id=made.id, subject_ids=images)
        return ana, model, images, post


async def test_a_stranger_sees_shelves_without_what_is_mature(client: Client) -> None:
    _, _, images, post = await _maker(client)
    page = (await client.page("/user/maker_ana")).text
    for words in ("Harbour light", "Recent pictures", "Nets and rope", "1 picture"):
        assert words in page
    assert f'data-card="image-{images[0]}"' in page
    assert f'data-card="image-{images[1]}"' not in page
    assert f'data-card="post-{post}"' in page
    assert page.index("front-models") < page.index("front-images") < page.index("front-collections")


async def test_one_chooses_shelves_their_order_and_pins(client: Client) -> None:
    ana, model, images, _ = await _maker(client)
    await client.sign_in(ana.require())
    form = await client.page("/account/front")
    assert f'value="model:{model}"' in form.text and f'value="image:{images[0]}"' in form.text
    sent = {
        "show": ["models", "images", "showcase"],
        "place-images": "1", "place-showcase": "2", "place-models": "3",
        "pin": [f"image:{images[0]}", f"image:{images[1]}", f"model:{model}", "image:0", "tool:1", "x"],
    }  # fmt: skip
    saved = await client.post("/account/front", data=sent, headers={"accept": "text/html"})
    assert saved.status_code == 303
    client.sign_out()
    page = (await client.page("/user/maker_ana")).text
    assert page.index("front-images") < page.index("front-showcase") < page.index("front-models")
    assert "front-collections" not in page
    shelf = page[page.index("front-showcase") : page.index("front-models")]
    assert f'data-card="image-{images[0]}"' in shelf and f'data-card="model-{model}"' in shelf
    assert f"image-{images[1]}" not in shelf


async def test_reviews_that_the_person_wrote(client: Client) -> None:
    ana, _, _, _ = await _maker(client)
    async with client.house.database.unit() as session:
        owner = await make_actor(session)
        for name, level, content in (
            ("Salt", 1, "Holds the *light*."),
            ("Embers", 16, "Hot."),
            ("Rope", 1, ""),
        ):
            _, (version, *_) = await make_published_model(session, owner.require(), name=name, level=level)
            await writing.review(session, ana, version_id=version, recommended=True, content=content)
    front = (await client.page("/user/maker_ana")).text
    shelf = front[front.index("front-reviews") :]
    assert "Salt" in shelf and "<em>light</em>" in shelf and "Rope" not in shelf and "Embers" not in front
    tab = (await client.page("/user/maker_ana/reviews")).text
    assert "Salt" in tab and "Rope" in tab and "Embers" not in tab


async def test_tabs_list_models_and_collections(client: Client) -> None:
    await _maker(client)
    assert "Harbour light" in (await client.page("/user/maker_ana/models?sort=downloads")).text
    assert "Nets and rope" in (await client.page("/user/maker_ana/collections")).text


async def test_pins_over_the_api(client: Client) -> None:
    ana, model, _, _ = await _maker(client)
    await client.use_key(ana.require())
    pins = [{"kind": "model", "id": model}]
    changed = await client.patch("/api/v1/me/profile", json={"showcase": pins, "sections": ["showcase"]})
    assert changed.json()["showcase"] == pins
    changed = await client.patch("/api/v1/me/profile", json={"bio": "Boats."})
    assert (changed.json()["showcase"], changed.json()["sections"]) == (pins, ["showcase"])
    for wrong in (
        [{"kind": "tool", "id": 1}],
        pins * 2,
        [{"kind": "image", "id": one} for one in range(1, 40)],
    ):
        assert (await client.patch("/api/v1/me/profile", json={"showcase": wrong})).status_code == 400


async def test_what_is_pinned_and_gone_is_not_shown(client: Client) -> None:
    ana, _, _, _ = await _maker(client)
    async with client.house.database.unit() as session:
        draft, images = await make_posted(session, ana.require(), published_at=None)
        await profiles.edit(
            session,
            ana,
            changes=ProfileEdit(showcase=[("post", draft), ("image", images[0]), ("model", 10**9)]),
        )
    page = (await client.page("/user/maker_ana")).text
    assert "front-showcase" not in page

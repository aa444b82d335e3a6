"""Saved searches: kept, found anew, told once, by notifications, a webhook and a private feed, within what one may see."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select
from starlette.datastructures import QueryParams
from tests.faces.web.browse_shelf import publish
from tests.factories.accounts import actor_for, make_person
from tests.factories.feeds import make_image
from tests.factories.http import Client

from civitas.domains.accounts.types import ALL_MASK, SAFE_MASK
from civitas.domains.community.searches import addresses, keeping, tasks
from civitas.domains.community.searches.addresses import Place
from civitas.domains.community.searches.keeping import Wish
from civitas.domains.community.searches.tables import SavedSearch
from civitas.domains.orchestration.callback_tables import CallbackChain, CallbackDelivery
from civitas.faces.web import image_filters, list_filters
from civitas.kit import clock

MINE = "/api/v1/me/searches"


async def person(client: Client, name: str, **columns: Any) -> int:
    async with client.house.database.unit() as session:
        return await make_person(session, name, **columns)


async def saved(client: Client, name: str, place: str, **filters: list[str]) -> dict[str, Any]:
    answer = await client.post(MINE, json={"name": name, "place": place, "filters": filters})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def told(client: Client) -> list[str]:
    await client.run_tasks()
    lines = (await client.get("/api/v1/notifications")).json()["items"]
    return [one["text"] for one in lines if one["kind"] == "saved-search"]


# Nothing that is still to come is in a feed, so all of it happened within the last hour.
BEGAN = timedelta(minutes=50)


def at(minutes: float) -> datetime:
    return clock.now() - BEGAN + timedelta(minutes=minutes)


async def subscribe(client: Client, search: dict[str, Any], **wish: Any) -> dict[str, Any]:
    async with client.house.database.unit() as session:
        person = await session.scalar(select(SavedSearch.person_id).where(SavedSearch.id == search["id"]))
        with clock.held_at(at(0)):
            wanted = Wish(**(wish or {"notify": True}))
            await keeping.change(session, actor_for(person or 0), search_id=search["id"], wish=wanted)
    (found,) = [one for one in (await client.get(MINE)).json() if one["id"] == search["id"]]
    return dict(found)


async def look(client: Client, minutes: float) -> None:
    with clock.held_at(at(minutes)):
        await tasks.look_for_matches(client.context)


async def test_a_search_is_kept_named_listed_and_forgotten(client: Client) -> None:
    ana, ben = await person(client, "ana_s"), await person(client, "ben_s")
    await client.sign_in(ana)
    made = await saved(
        client, " Sea  LoRAs ", "models", types=["LORA"], tag=["sea"], sort=["Most Downloaded"]
    )
    assert made["name"] == "Sea LoRAs" and not made["told"]
    assert urlsplit(made["url"]).path == "/models" and "types=LORA" in made["url"]
    again = await client.post(MINE, json={"name": "sea loras", "place": "images", "filters": {}})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    renamed = await client.patch(f"{MINE}/{made['id']}", json={"name": "Sea"})
    assert renamed.json()["name"] == "Sea" and renamed.json()["filters"] == made["filters"]
    suggested = (await client.get("/search/suggest", params={"q": "se"})).json()["groups"]
    assert [one["title"] for one in suggested[0]["items"]] == ["Sea"] and suggested[0][
        "label"
    ] == "Your searches"
    page = (await client.page("/searches")).text
    assert "Sea" in page and "LORA, #sea" in page
    await client.sign_in(ben)
    assert (await client.get(MINE)).json() == []
    assert (await client.patch(f"{MINE}/{made['id']}", json={"name": "x"})).status_code == 404
    assert (await client.delete(f"{MINE}/{made['id']}")).status_code == 404
    assert (await client.get(f"{MINE}/{made['id']}/matches")).status_code == 404
    await client.sign_in(ana)
    assert (await client.delete(f"{MINE}/{made['id']}")).status_code == 204
    assert (await client.get(MINE)).json() == []


@pytest.mark.parametrize(
    ("place", "filters"),
    [
        ("models", {"types": ["Nonsense"]}),
        ("models", {"unseen": ["1"]}),
        ("models", {"baseModels": ["No such"]}),
        ("images", {"types": ["LORA"]}),
        ("images", {"modelId": ["x"]}),
        ("images", {"q": ["words"]}),
        ("posts", {"tag": ["x" * 400]}),
        ("posts", {"tag": [str(n) for n in range(21)]}),
        ("articles", {}),
    ],
)
async def test_filters_that_the_list_does_not_have_are_refused(
    client: Client, place: str, filters: dict[str, list[str]]
) -> None:
    await client.sign_in(await person(client, "ana_x"))
    answer = await client.post(MINE, json={"name": "x", "place": place, "filters": filters})
    assert answer.status_code in (400, 422)


async def test_new_matches_are_told_once_and_counted_while_unread(client: Client) -> None:
    ana, maker = await person(client, "ana_m"), await person(client, "maker_m")
    await client.sign_in(ana)
    async with client.house.database.unit() as session:
        await make_image(session, maker, tags=("boat",), published_at=at(-1))
    made = await saved(client, "Boats", "images", tag=["boat"])
    assert (await subscribe(client, made))["told"]
    await look(client, 5)
    assert await told(client) == [], "what was there before is no news"
    async with client.house.database.unit() as session:
        later = at(6)
        for tag in ("boat", "boat", "tree"):
            await make_image(session, maker, tags=(tag,), published_at=later)
        await make_image(session, ana, tags=("boat",), published_at=later)
    await look(client, 10)
    assert await told(client) == ["New in Boats: 2"]
    await look(client, 15)
    assert await told(client) == ["New in Boats: 2"], "nothing is told twice, though the look overlaps"
    async with client.house.database.unit() as session:
        await make_image(session, maker, tags=("boat",), published_at=at(16))
    await look(client, 20)
    assert await told(client) == ["New in Boats: 3"]
    matches = (await client.get(f"{MINE}/{made['id']}/matches")).json()
    assert len(matches) == 5 and all(one["kind"] == "image" for one in matches)
    await client.patch(f"{MINE}/{made['id']}", json={"notify": False})
    async with client.house.database.unit() as session:
        await make_image(session, maker, tags=("boat",), published_at=at(21))
    await look(client, 25)
    assert await told(client) == ["New in Boats: 3"]


async def test_models_and_posts_are_found_as_their_person_may_see_them(client: Client) -> None:
    ana, adult = (
        await person(client, "ana_v"),
        await person(
            client, "adult_v", show_mature=True, adult_confirmed_at=clock.now(), browsing_level=ALL_MASK
        ),
    )
    maker = await person(client, "maker_v")
    for who in (ana, adult):
        await client.sign_in(who)
        for place in ("models", "posts"):
            await subscribe(client, await saved(client, place, place, tag=["sea"]))
    later = at(3)
    for level in (1, 8):
        when = {"last_version_at": later, "published_at": later}
        await publish(client, person_id=maker, tags=("sea",), level=level, **when)
        async with client.house.database.unit() as session:
            await make_image(session, maker, tags=("sea",), nsfw_level=level, published_at=later)
    await look(client, 6)
    await client.sign_in(ana)
    assert sorted(await told(client)) == ["New in models: 1", "New in posts: 1"]
    await client.sign_in(adult)
    assert sorted(await told(client)) == ["New in models: 2", "New in posts: 2"]
    # A block hides what the blocked one makes from then on.
    await client.sign_in(ana)
    assert (await client.put("/api/v1/users/maker_v/block")).status_code in (200, 204)
    assert (await client.get(f"{MINE}/{(await client.get(MINE)).json()[0]['id']}/matches")).json() == []


async def test_a_look_reads_what_is_new_and_never_everything(client: Client) -> None:
    ana = await person(client, "ana_w")
    await client.sign_in(ana)
    async with client.house.database.unit() as session:
        await make_image(session, ana, tags=("boat",), published_at=at(-1))
    await subscribe(client, await saved(client, "Boats", "images", tag=["boat"]))
    asked: list[Any] = []
    fetch = client.house.reads.fetch_planned

    async def watched(query: str, params: Any = None) -> Any:
        asked.append((query, params))
        return await fetch(query, params)

    client.house.reads.fetch_planned = watched  # type: ignore[method-assign]
    await look(client, 5)
    (query, params), *_ = [one for one in asked if "feed_images" in one[0]]
    assert "l.published_at >" in query
    subscribed = None
    async with client.house.database.reading() as session:
        subscribed = await session.scalar(select(SavedSearch.subscribed_at))
    assert subscribed in params.values(), "the mark, or the subscription where that is later, bounds the look"
    asked.clear()
    await look(client, 6)
    assert asked == [], "nobody is looked after twice within some minutes"


async def test_a_webhook_is_called_with_what_is_new_as_callbacks_are(client: Client) -> None:
    ana, maker = await person(client, "ana_h"), await person(client, "maker_h")
    await client.sign_in(ana)
    made = await saved(client, "Boats", "images", tag=["boat"])
    here = f"{MINE}/{made['id']}"
    for wrong in ("http://example.org/x", "https://localhost/x", "https://10.0.0.1/x", "nonsense"):
        answer = await client.patch(here, json={"webhookUrl": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_webhook")
    assert (await subscribe(client, made, webhook_url="https://hooks.example.org/x"))["told"]
    async with client.house.database.unit() as session:
        image = await make_image(session, maker, tags=("boat",), published_at=at(1))
    await look(client, 5)
    async with client.house.database.reading() as session:
        chain = (await session.scalars(select(CallbackChain))).one()
        sent = (await session.scalars(select(CallbackDelivery))).one()
    assert (chain.url, sent.event, chain.person_id) == ("https://hooks.example.org/x", "search:matched", ana)
    assert (sent.payload["count"], sent.payload["items"][0]["id"]) == (1, image)
    assert sent.payload["search"]["name"] == "Boats"
    log = (await client.get("/api/v1/callbacks/deliveries")).json()
    assert any(one["event"] == "search:matched" for one in log["items"])
    # Without a wish for notifications there are none.
    lines = (await client.get("/api/v1/notifications")).json()["items"]
    assert [one for one in lines if one["kind"] == "saved-search"] == []
    assert (await client.patch(here, json={"webhookUrl": ""})).json()["webhookUrl"] is None


async def test_the_feed_is_its_persons_until_they_make_another_link(client: Client) -> None:
    adult = await person(
        client, "adult_f", show_mature=True, adult_confirmed_at=clock.now(), browsing_level=ALL_MASK
    )
    maker = await person(client, "maker_f")
    async with client.house.database.unit() as session:
        await make_image(session, maker, tags=("boat",), meta={"prompt": "calm & <quiet>"})
        await make_image(session, maker, tags=("boat",), nsfw_level=8, meta={"prompt": "Zinnober"})
    await client.sign_in(adult)
    made = await saved(client, "Boats & more", "images", tag=["boat"])
    here = f"{MINE}/{made['id']}"
    link = (await client.patch(here, json={"feed": True})).json()["feedUrl"]
    client.sign_out()
    path = urlsplit(link).path
    found = await client.get(path)
    assert found.status_code == 200 and found.headers["content-type"].startswith("application/atom+xml")
    assert found.text.count("<entry>") == 2 and "Boats &amp; more" in found.text
    assert "private" in found.headers["cache-control"] and found.headers["x-robots-tag"] == "noindex"
    safe = await client.get(path, headers={"host": "green.localhost:8000"})
    assert safe.text.count("<entry>") == 1 and "Zinnober" not in safe.text
    for wrong in (
        path[:-1] + ("A" if path[-1] != "A" else "B"),
        path.replace(f"/{made['id']}.", "/999999."),
        f"{path}x",
    ):
        assert (await client.get(wrong)).status_code == 404
    await client.sign_in(adult)
    other = (await client.patch(here, json={"newFeedLink": True})).json()["feedUrl"]
    assert other != link and (await client.get(path)).status_code == 404
    assert (await client.get(urlsplit(other).path)).status_code == 200
    assert (await client.patch(here, json={"feed": False})).json()["feedUrl"] is None
    assert (await client.get(urlsplit(other).path)).status_code == 404


async def test_a_membership_says_how_many(client: Client) -> None:
    ana = await person(client, "ana_l")
    await client.sign_in(ana)
    ids = [(await saved(client, f"s{n}", "images", tag=[f"t{n}"]))["id"] for n in range(20)]
    full = await client.post(MINE, json={"name": "more", "place": "images", "filters": {}})
    assert (full.status_code, full.json()["code"]) == (409, "too_many_searches")
    for one in ids[:5]:
        assert (await client.patch(f"{MINE}/{one}", json={"notify": True})).status_code == 200
    more = await client.patch(f"{MINE}/{ids[5]}", json={"notify": True})
    assert (more.status_code, more.json()["code"]) == (409, "too_many_told")
    await client.delete(f"{MINE}/{ids[19]}")
    bare = await saved(client, "all", "images", sort=["Newest"])
    await client.patch(f"{MINE}/{ids[0]}", json={"notify": False})
    nothing = await client.patch(f"{MINE}/{bare['id']}", json={"notify": True})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_filtered")


async def test_from_a_list_to_the_page_of_searches_without_script(client: Client) -> None:
    await client.sign_in(await person(client, "ana_p"))
    listed = (await client.page("/models?types=LORA&tag=sea")).text
    assert "/searches/new?place=models&amp;types=LORA&amp;tag=sea" in listed
    assert "/searches/new" not in (await client.page("/models")).text
    assert "/searches/new?place=models&amp;tag=sea" in (await client.page("/tag/sea")).text
    assert "/searches/new?place=images&amp;tag=sea" in (await client.page("/images?tag=sea")).text
    form = (await client.page("/searches/new?place=models&types=LORA&tag=sea")).text
    assert "LORA, #sea" in form and "Tell me of new matches" in form
    done = await client.submit(
        "/searches/new", place="models", query="types=LORA&tag=sea", name="Sea", notify="true"
    )
    assert done.headers["location"] == "/models?types=LORA&tag=sea"
    taken = await client.submit("/searches/new", place="models", query="tag=sea", name="Sea")
    assert taken.status_code == 409 and "another search under this name" in taken.text
    assert (await client.page("/searches/new?place=nowhere")).status_code == 404
    (kept,) = (await client.get(MINE)).json()
    assert kept["told"]
    await client.page("/searches")
    here = f"/searches/{kept['id']}"
    await client.submit(here, name="Sea", feed="true", webhook="http://plain.example.org")
    assert (await client.get(MINE)).json()[0]["feedUrl"] is None, "what is refused changes nothing"
    await client.submit(here, name="Lake", feed="true", webhook="")
    page = (await client.page("/searches")).text
    assert "/searches/feed/" in page and "Lake" in page
    assert (await client.submit(f"{here}/forget")).status_code == 303
    assert "Nothing is kept yet" in (await client.page("/searches")).text


_TAGS = st.lists(st.sampled_from(["sea", "red car", "é"]), max_size=3, unique=True)


@given(
    tags=_TAGS,
    without=_TAGS,
    types=st.lists(st.sampled_from(["LORA", "Checkpoint"]), max_size=2, unique=True),
    words=st.sampled_from(["", "red car", "#sea -blue", "base:SDXL"]),
    early=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_what_is_kept_asks_the_list_for_the_same(
    tags: list[str], without: list[str], types: list[str], words: str, early: bool
) -> None:
    pairs = [("q", words)] + [("types", one) for one in types] + [("tag", one) for one in tags]
    pairs += [("withoutTag", one) for one in without] + ([("earlyAccess", "true")] if early else [])
    kept = addresses.read(Place.MODELS, pairs)
    asked = list_filters.read("/models", QueryParams(list(kept)))
    assert addresses.models(kept, mask=SAFE_MASK) == asked.filters(SAFE_MASK)
    assert addresses.href("models", asked.pairs) == asked.href()
    media = [("types", "image")] * bool(types) + [("tag", one) for one in tags] + [("remixes", "1")] * early
    for place in (Place.IMAGES, Place.VIDEOS, Place.POSTS):
        feed = addresses.read(place, media)
        shown = image_filters.read(f"/{place}", QueryParams(list(feed)))
        assert addresses.feed(place, feed, mask=SAFE_MASK) == shown.filters(SAFE_MASK)


async def test_a_crash_between_finding_and_telling_loses_and_repeats_nothing(client: Client) -> None:
    ana, maker = await person(client, "ana_c"), await person(client, "maker_c")
    await client.sign_in(ana)
    made = await saved(client, "Boats", "images", tag=["boat"])
    await subscribe(client, made)
    async with client.house.database.unit() as session:
        await make_image(session, maker, tags=("boat",), published_at=at(1))

    class Killed(Exception):
        pass

    def kill(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "saved_search_hits" in statement:
            raise Killed

    async with client.house.database.reading() as session:
        engine = (await session.connection()).sync_connection
    event.listen(engine, "after_cursor_execute", kill)
    with pytest.raises(Killed):
        await look(client, 5)
    event.remove(engine, "after_cursor_execute", kill)
    assert await told(client) == []
    await look(client, 6)
    assert await told(client) == ["New in Boats: 1"]
    async with client.house.database.reading() as session:
        assert await keeping.heard_of(session, actor_for(ana).require()) == {made["id"]}

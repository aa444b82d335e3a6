"""Home, lists, search, tags, creators: what is shown, what is not, and by how many statements."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.faces.web.browse_shelf import Statements, driver_of, hang, publish
from tests.factories.accounts import make_actor, make_person
from tests.factories.catalog import make_published_model
from tests.factories.http import Client


def cards(text: str) -> list[str]:
    """The names of the cards on a page, in order."""
    return re.findall(r'class="card-link" href="[^"]*">([^<]*)<', text)


async def many(client: Client, count: int, **columns: object) -> list[int]:
    async with client.house.database.unit() as session:
        owner = await make_person(session)
        made = [
            (await make_published_model(session, owner, name=f"Work {at}", **columns))[0]  # type: ignore[arg-type]
            for at in range(count)
        ]
    await hang(client, *made)
    return made


async def test_home_without_anything_says_what_to_do(client: Client) -> None:
    page = await client.page("/")
    assert page.status_code == 200
    assert "The walls are still bare" in page.text
    assert 'href="/models/create"' in page.text


async def test_home_greets_strangers_and_not_members(client: Client) -> None:
    await publish(client, name="Velvet Hours")
    stranger = await client.page("/")
    assert "A home for models and their makers" in stranger.text
    assert "Velvet Hours" in cards(stranger.text)
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.sign_in(person)
    member = await client.page("/")
    assert "A home for models and their makers" not in member.text
    assert "Velvet Hours" in cards(member.text)


async def test_pages_are_chained_by_a_link_and_each_model_comes_once(client: Client) -> None:
    await many(client, 53)
    first = await client.page("/models")
    following = re.search(r'rel="next"\s+href="([^"]+)"', first.text)
    assert following is not None
    second = await client.page(following[1].replace("&amp;", "&"))
    names = cards(first.text) + cards(second.text)
    assert len(names) == len(set(names)) == 53
    assert "That is everything" in second.text


async def test_a_fragment_for_the_next_page_is_the_results_alone(client: Client) -> None:
    await publish(client, name="Velvet Hours")
    found = await client.get(
        "/models", headers={"HX-Request": "true", "HX-Target": "results", "accept": "text/html"}
    )
    assert found.text.lstrip().startswith('<div id="results"')
    assert "HX-Target" in found.headers["vary"]


async def test_filters_stand_in_the_address_and_can_each_be_taken_away(client: Client) -> None:
    await publish(client, name="A lora", type="LORA", tags=("style", "sea"))
    await publish(client, name="A checkpoint", type="Checkpoint", tags=("sea",))
    page = await client.page("/models?types=LORA&tag=sea&withoutTag=night&sort=Oldest")
    assert cards(page.text) == ["A lora"]
    assert 'href="/models?tag=sea&amp;withoutTag=night&amp;sort=Oldest"' in page.text
    assert 'href="/models?types=LORA&amp;withoutTag=night&amp;sort=Oldest"' in page.text
    without = await client.page("/models?withoutTag=style")
    assert cards(without.text) == ["A checkpoint"]


async def test_unknown_words_in_an_address_are_passed_over(client: Client) -> None:
    await publish(client, name="A lora", type="LORA")
    page = await client.page(
        "/models?types=Nonsense&sort=Backwards&period=Aeon&baseModels=None&fileFormats=x"
    )
    assert page.status_code == 200
    assert cards(page.text) == ["A lora"]


@pytest.mark.parametrize("path", ["/models?cursor=nonsense", "/creators?cursor=W10"])
async def test_a_made_up_cursor_is_told_plainly(client: Client, path: str) -> None:
    page = await client.page(path)
    assert page.status_code == 400
    assert "cursor" in page.text


async def test_filters_that_find_nothing_offer_a_way_out(client: Client) -> None:
    page = await client.page("/models?types=VAE&tag=nothing")
    assert "Nothing hangs here yet" in page.text
    assert "Clear the filters" in page.text


async def test_the_filter_form_works_without_script(client: Client) -> None:
    page = await client.page("/models?panel=filters&types=LORA")
    assert page.text.count('class="filter-form"') == 2
    assert re.search(r'name="types"\s+value="LORA"\s+checked', page.text)


async def test_empty_fields_of_the_form_leave_the_address(client: Client) -> None:
    page = await client.page("/models?types=LORA&period=AllTime&checkpointType=&tag=&withoutTag=")
    assert page.status_code == 303
    assert page.headers["location"] == "/models?types=LORA"


async def test_search_finds_words_and_says_what_it_corrected(client: Client) -> None:
    await publish(client, name="Velvet Hours")
    await publish(client, name="Copper Fields")
    found = await client.page("/search?q=velvet")
    assert cards(found.text) == ["Velvet Hours"]
    assert "spelt" not in found.text
    typo = await client.page("/search?q=velvat")
    assert cards(typo.text) == ["Velvet Hours"]
    assert 'href="/search?q=velvet"' in typo.text
    nothing = await client.page("/search?q=zzzzqqqq")
    assert "Nothing was found" in nothing.text


async def test_search_by_an_air_or_an_address_goes_straight_there(client: Client) -> None:
    model, (version,) = await publish(client, name="Velvet Hours")
    for asked in (f"civitai:{model}@{version}", f"https://models.example.org/models/{model}"):
        page = await client.page("/search", q=asked)
        assert page.status_code == 303
        assert page.headers["location"] == f"/models/{model}/velvet-hours"


async def test_hostile_words_are_shown_as_words(client: Client) -> None:
    page = await client.page("/search", q='"><script>alert(1)</script>')
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    long = await client.page("/search", q="x" * 5000)
    assert long.status_code == 200


async def test_a_tag_and_a_base_model_have_pages_of_their_own(client: Client) -> None:
    await publish(client, name="Velvet Hours", tags=("soft light",))
    tag = await client.page("/tag/soft%20light")
    assert cards(tag.text) == ["Velvet Hours"]
    assert "#soft light" in tag.text
    base = await client.page("/base-models/sdxl%201.0")
    assert cards(base.text) == ["Velvet Hours"]
    assert "Open RAIL" in base.text
    assert (await client.page("/base-models/nothing-like-it")).status_code == 404


async def test_strangers_never_get_mature_pictures_or_models(client: Client) -> None:
    await publish(client, name="Mature work", level=8)
    for path in ("/", "/models", "/search?q=mature", "/tag/style"):
        assert "Mature work" not in (await client.page(path)).text
    async with client.house.database.unit() as session:
        viewer = await make_actor(session, mature=True)
    await client.sign_in(viewer.id or 0)
    page = await client.page("/models")
    assert cards(page.text) == ["Mature work"]
    assert "data-reveal" in page.text


async def test_own_lists_need_somebody_signed_in(client: Client) -> None:
    page = await client.page("/models?favorites=true")
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login?returnUrl=%2Fmodels%3Ffavorites%3Dtrue")


async def test_creators_and_tags_are_listed(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner = await make_person(session, "mira")
        model, _ = await make_published_model(session, owner, tags=("style", "soft light"))
    await hang(client, model)
    creators = await client.page("/creators")
    assert 'href="/user/mira"' in creators.text
    assert "Nobody by that name" in (await client.page("/creators?q=nobody")).text
    tags = await client.page("/tags")
    assert 'href="/tag/soft%20light"' in tags.text
    assert 'href="/tag/style"' in tags.text
    assert "No such tag" in (await client.page("/tags?q=zzz")).text


@pytest.mark.parametrize(
    ("path", "most"),
    [("/", 6), ("/models", 1), ("/models?types=LORA&tag=style", 1), ("/search?q=work", 3),
     ("/creators", 2), ("/tags", 2), ("/tag/style", 1), ("/search/suggest?q=wor", 3)],
)  # fmt: skip
async def test_lists_keep_to_their_statements(
    client: Client, connection: AsyncConnection, path: str, most: int
) -> None:
    await many(client, 12)
    await client.page(path)
    with Statements().counted(await driver_of(connection)) as texts:
        page = await client.page(path)
    assert page.status_code == 200
    assert len(texts) <= most, texts

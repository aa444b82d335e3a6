"""Adverts of the house: off by default, words and never markup, for people without a membership, counted once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.factories.memberships import make_membership

from civitas.domains.buzz.earning import house_adverts
from civitas.domains.buzz.earning.tables import AdImpression
from civitas.kit import clock
from civitas.kit.errors import Invalid

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
FILE = """
[[adverts]]
key = "lamps"
title = "Lamps & <b>more</b>"
text = "Bright ones."
link = "https://lamps.example.org/?a=1&b=2"
picture = "lamp.png"
alt = "A lamp"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "lamp.png").write_bytes(PNG)
    (tmp_path / "adverts.toml").write_text(FILE)
    return tmp_path / "adverts.toml"


@pytest.fixture
def on(file: Path) -> Iterator[None]:
    with house_adverts.using(house_adverts.load(file)):
        yield


async def member(client: Client, tier: str | None = None) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session)
        if tier is not None:
            await make_membership(session, person, tier)
    await client.sign_in(person)
    return person


def ticket_in(page: str) -> str:
    return page.split('data-advert="')[1].split('"')[0]


async def test_there_are_none_unless_an_operator_has_some(client: Client) -> None:
    await member(client)
    assert "data-advert" not in (await client.page("/models")).text
    asked = await client.post("/api/v1/buzz/adverts/tickets", json={"slot": "lamps"})
    assert (asked.status_code, asked.json()["code"]) == (409, "no_advert")


@pytest.mark.usefixtures("on")
async def test_lists_show_one_to_people_without_a_membership(client: Client) -> None:
    page = (await client.page("/models")).text
    assert "Lamps &amp; &lt;b&gt;more&lt;/b&gt;" in page and "<b>more" not in page
    assert 'href="https://lamps.example.org/?a=1&amp;b=2"' in page and 'rel="sponsored noopener"' in page
    assert ticket_in(page) == "", "a stranger earns nothing"
    source = page.split('class="house-advert-picture"')[1].split('src="')[1].split('"')[0]
    picture = await client.get(source)
    assert (picture.content, picture.headers["content-type"]) == (PNG, "image/png")
    assert (await client.get("/house-adverts/nothing")).status_code == 404
    await member(client)
    assert ticket_in((await client.page("/models")).text)
    assert "data-advert" not in (await client.page("/account")).text
    await member(client, "bronze")
    assert "data-advert" not in (await client.page("/models")).text
    asked = await client.post("/api/v1/buzz/adverts/tickets", json={"slot": "lamps"})
    assert asked.json()["code"] == "no_advert"


@pytest.mark.usefixtures("on")
async def test_a_ticket_counts_once_for_its_owner_after_a_moment(client: Client) -> None:
    begun = clock.now()
    ana = await member(client)
    with clock.held_at(begun):
        ticket = ticket_in((await client.page("/models")).text)

        async def seen(signed: str) -> bool:
            answer = await client.post("/api/v1/buzz/adverts/seen", json={"ticket": signed})
            return bool(answer.json()["counted"])

        assert not await seen(ticket), "it was on the screen for no time at all"
    with clock.held_at(begun + timedelta(seconds=5)):
        assert await seen(ticket)
        assert not await seen(ticket)
        assert not await seen(ticket[:-2] + "xx")
    with clock.held_at(begun + timedelta(hours=1)):
        assert not await seen(ticket)
    ben = await member(client)
    with clock.held_at(begun + timedelta(seconds=6)):
        assert not await seen(ticket), "it is somebody else's"
    async with client.house.database.reading() as session:
        rows = (
            await session.execute(
                select(AdImpression.person_id, func.count()).group_by(AdImpression.person_id)
            )
        ).all()
    assert [tuple(row) for row in rows] == [(ana, 1)] and ben != ana


def test_days_bound_when_it_runs(file: Path) -> None:
    today = clock.now().date()
    for start, until, runs in (
        (today, today, True),
        (today + timedelta(days=1), None, False),
        (None, today - timedelta(days=1), False),
    ):
        (advert,) = house_adverts.load(file)
        row = advert.row.model_copy(update={"start": start, "until": until})
        with house_adverts.using([house_adverts.HouseAdvert(row, None)]):
            assert bool(house_adverts.running()) is runs
            assert (house_adverts.pick() is not None) is runs


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"https://lamps.example.org/?a=1&b=2"', '"javascript:alert(1)"'),
        ('"https://lamps.example.org/?a=1&b=2"', '"http://lamps.example.org"'),
        ('"https://lamps.example.org/?a=1&b=2"', '"//lamps.example.org"'),
        ('"lamps"', '"Lamps!"'),
        ('"lamp.png"', '"../lamp.png"'),
        ('"lamp.png"', '"missing.png"'),
        ('alt = "A lamp"', 'html = "<b>"'),
        ('title = "Lamps & <b>more</b>"', ""),
        ("[[adverts]]", "[[adverts"),
    ],
)
def test_a_file_that_is_wrong_says_where(file: Path, before: str, after: str) -> None:
    file.write_text(FILE.replace(before, after))
    with pytest.raises(Invalid):
        house_adverts.load(file)


def test_a_picture_is_one_and_is_small(file: Path) -> None:
    picture = file.parent / "lamp.png"
    for body in (b"<svg onload=alert(1)>", PNG + b"\0" * house_adverts.LARGEST_PICTURE, b"RIFF1234WAVE"):
        picture.write_bytes(body)
        with pytest.raises(Invalid):
            house_adverts.load(file)

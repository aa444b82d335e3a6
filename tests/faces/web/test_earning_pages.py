"""Pages of earning: rewards and the claim, the tip's form, invitations."""

from __future__ import annotations

import re
from datetime import timedelta

from sqlalchemy import select
from tests.domains.buzz.ledger.test_posting import give
from tests.factories.accounts import actor_for, make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_model
from tests.factories.community import make_article, make_writer
from tests.factories.feeds import make_image, make_post
from tests.factories.http import Client

from civitas.contracts.subjects import Subject
from civitas.domains.buzz.earning import compensation, referrals, tips
from civitas.domains.buzz.earning.compensation import Resource
from civitas.domains.buzz.earning.tables import Referral
from civitas.domains.buzz.types import Currency
from civitas.kit import clock
from civitas.kit.money import buzz


async def test_the_day_is_claimed_without_script_and_with_it(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session), await make_person(session)
    await client.sign_in(ana)
    page = await client.get("/buzz/earn")
    assert page.status_code == 200 and "Follow up to three people a day" in page.text
    assert (await client.post("/buzz/earn/daily")).status_code == 303
    assert "Claimed for today" in (await client.get("/buzz/earn")).text
    await client.sign_in(ben)
    asked = {"HX-Request": "true", "HX-Target": "daily-claim"}
    answer = await client.post("/buzz/earn/daily", headers=asked)
    assert answer.text.strip().startswith('<section class="purses" id="daily-claim"')
    assert "is yours" in answer.headers["hx-trigger"]
    again = await client.post("/buzz/earn/daily", headers=asked)
    assert "already" in again.headers["hx-trigger"]


async def test_a_tip_by_form_is_given_once_and_errors_come_back(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session), await make_person(session, "ben")
        model = await make_model(session, ben, status="Published", name="Lantern")
        await give(session, ana, Currency.GREEN, buzz(100))
    await client.sign_in(ana)
    page = await client.get(f"/tip?kind=model&id={model}")
    assert page.status_code == 200 and "Lantern" in page.text
    key = re.search(r'name="key" value="(\w+)"', page.text)
    assert key is not None
    form = {"kind": "model", "id": model, "amount": "50", "colour": "green", "key": key[1], "back": "//evil"}
    for _ in range(2):
        sent = await client.post("/tip", data=form)
        assert (sent.status_code, sent.headers["location"]) == (303, "/buzz")
    for wrong, told in (
        ({"custom": "7"}, "A tip is 50 to"),
        ({"custom": "1e9"}, "Give an amount of Buzz"),
        ({"colour": "blue"}, "cannot be given"),
        ({"colour": ""}, "Choose a colour"),
        ({"custom": "60"}, "than you have"),
    ):
        refused = await client.post("/tip", data=form | {"key": "other"} | wrong)
        assert refused.status_code == 400 and told in refused.text, wrong
    async with client.house.database.reading() as session:
        assert len((await tips.listed(session, actor_for(ben), way="received")).items) == 1
    await client.sign_in(ben)
    assert (await client.get(f"/tip?kind=model&id={model}")).status_code == 400
    assert (await client.get("/tip?kind=model&id=99999999")).status_code == 404


async def test_whatever_people_made_has_a_way_to_tip_for_it(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session), await make_person(session, "ben")
        writer = await make_writer(session, "cleo")
        post = await make_post(session, ben)
        picture = await make_image(session, ben, post_id=post)
        article = await make_article(session, writer)
        await give(session, ana, Currency.GREEN, buzz(1000))
    things = (
        ("image", picture, f"/images/{picture}", ben),
        ("post", post, f"/posts/{post}", ben),
        ("article", article.id, f"/articles/{article.id}/on-light", writer.require()),
    )
    for kind, number, path, owner in things:
        await client.sign_in(ana)
        page = (await client.page(path)).text
        assert f'href="/tip?kind={kind}&amp;id={number}"' in page and 'id="tip-dialog"' in page, kind
        sent = {"kind": kind, "id": number, "amount": "50", "colour": "green", "key": kind}
        assert (await client.post("/tip", data=sent)).status_code == 303
        await client.sign_in(owner)
        assert "/tip?kind" not in (await client.page(path)).text, "nobody tips themselves"
    client.sign_out()
    assert "/tip?kind" not in (await client.page(f"/images/{picture}")).text
    async with client.house.database.reading() as session:
        received = (await tips.listed(session, actor_for(ben), way="received")).items
    assert [(one.subject.kind, one.amount) for one in received] == [("post", buzz(50)), ("image", buzz(50))]


async def test_who_comes_by_a_link_is_noted_once_they_have_an_account(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session, created_at=clock.now() - timedelta(days=8))
        code = await referrals.make_code(session, actor_for(ana))
        ben = await make_person(session, created_at=clock.now())
    first = await client.get(f"/join?ref={code}")
    assert f"civitas_ref={code}" in first.headers["set-cookie"]
    assert "civitas_ref" not in (await client.get("/join?ref=%3Cscript%3E")).headers.get("set-cookie", "")
    await client.sign_in(ben)
    client.cookies.set("civitas_ref", code)
    await client.get("/buzz/earn")
    async with client.house.database.reading() as session:
        assert await session.scalar(select(Referral.referrer_id).where(Referral.referee_id == ben)) == ana
    await client.sign_in(ana)
    page = await client.get("/buzz/referrals")
    assert f"/join?ref={code}" in page.text
    refused = await client.post("/buzz/referrals/shop", data={"offer": "bronze-14"})
    assert refused.status_code == 400 and "tokens and you have 0" in refused.text


async def test_staff_declare_and_end_a_bonus_event(client: Client) -> None:
    async with client.house.database.unit() as session:
        staff, ana = await make_person(session, role="moderator"), await make_person(session)
    await client.sign_in(ana)
    assert (await client.get("/staff/rewards")).status_code == 403
    await client.sign_in(staff)
    times = {"starts": "2020-01-01T00:00", "ends": "2099-01-01T00:00", "reason": "Spring"}
    for wrong in ("6", "1", "NaN", "x"):
        refused = await client.post("/staff/rewards", data=times | {"title": "Spring", "multiplier": wrong})
        assert refused.status_code == 400, wrong
    sent = await client.post("/staff/rewards", data=times | {"title": "Spring", "multiplier": "2"})
    assert sent.status_code == 303
    assert "everything counts 2 times" in (await client.get("/buzz/earn")).text
    page = await client.get("/staff/rewards")
    number = re.search(r"/staff/rewards/(\d+)/end", page.text)
    assert number is not None
    assert (await client.post(number[0], data={"reason": "over"})).status_code == 303
    assert "everything counts" not in (await client.get("/buzz/earn")).text


async def test_tips_of_both_ways_and_compensation_are_on_a_page(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session, "ana"), await make_person(session, "ben")
        model = await make_model(session, ben, status="Published", name="Lantern")
        await give(session, ana, Currency.GREEN, buzz(200))
        for kind, number in (("model", model), ("user", ben)):
            await tips.give(
                session, actor_for(ana, "ana"), subject=Subject(kind, number), amount=buzz(60), colour=Currency.GREEN,
                message="For the light",
            )  # fmt: skip
        await compensation.accrue(
            session, job_key="j", cost={Currency.GREEN: buzz(400)}, resources=[Resource(1, ben, base=True)]
        )
        await compensation.fold(session)
    await client.sign_in(ben)
    page = (await client.page("/buzz/tips")).text
    assert (
        page.count("For the light") == 2 and ">Lantern</a>" in page and "100 Buzz earned in 30 days" in page
    )
    assert "wait for theirs" in page and "No tips yet" in (await client.page("/buzz/tips?way=given")).text
    await client.sign_in(ana)
    page = (await client.page("/buzz/tips?way=given")).text
    assert page.count('href="/user/ben"') == 2 and "Compensation" not in page
    assert (await client.page("/buzz/tips?way=sideways")).status_code == 400


async def test_the_statement_is_searched_by_words(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session, "ana")
        for words in ("A 100% linen print", "A 100 year print", "Under_score"):
            await give_buzz(session, ana, 10, description=words)
    await client.sign_in(ana)

    async def found(words: str) -> list[str]:
        page = (await client.page("/buzz/statement", words=words)).text
        api = (await client.get("/api/v1/buzz/transactions", params={"query": words})).json()["items"]
        every = ("A 100% linen print", "A 100 year print", "Under_score")
        shown = [one for one in every if f">{one}" in page or one in page.split("movements-list")[1]]
        assert sorted(item["description"] for item in api) == sorted(shown)
        return shown

    assert await found("LINEN") == ["A 100% linen print"]
    assert await found("100%") == ["A 100% linen print"]
    assert await found("r_s") == ["Under_score"]
    assert await found("\\") == [] and len(await found(" ")) == 3

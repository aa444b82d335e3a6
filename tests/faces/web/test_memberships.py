"""The page that compares memberships."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client, make_settings, serving
from tests.factories.memberships import make_membership

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import provider_facts
from civitas.domains.buzz.memberships.provider_facts import Payment
from civitas.domains.buzz.memberships.types import Billing, Reason
from civitas.faces.http.paying import take_in
from civitas.infra.db.database import BoundDatabase
from civitas.infra.settings import SiteSettings
from civitas.kit import clock, money


async def test_everybody_can_compare_the_tiers_on_offer(client: Client) -> None:
    monthly = (await client.page("/memberships")).text
    yearly = (await client.page("/memberships?period=year")).text
    for tier in economy.current().tiers:
        if tier.offered:
            assert f'data-tier="{tier.key}"' in monthly and tier.label in monthly
            assert f"<span>{money.dollars(tier.price_cents)}</span>" in monthly
            assert f"<span>{money.dollars(tier.yearly_cents)}</span>" in yearly
    # What the rules give a tier is what the page says of it.
    cards = dict(re.findall(r'data-tier="(\w+)">(.*?)</dl>', monthly, re.DOTALL))
    for tier in economy.current().tiers:
        if not tier.offered:
            continue
        told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", cards[tier.key]))
        member = tier.key != "free"
        assert told["Rewards"] == f"× {tier.reward_multiplier.normalize():f}"
        assert told["Steps of an image"] == str(tier.max_steps)
        assert told["Models in an image"] == str(tier.resources_per_request)
        assert told["To be made soon"] == ("free" if member else "for Buzz")
        assert told["Creator programme"] == ("open to you" if member else "not open")


async def test_a_member_orders_pays_cancels_and_keeps_it(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session, "ana")
        await give_buzz(session, ana, 50_000)
    await client.sign_in(ana)
    page = await client.page("/memberships/choose/bronze")
    assert "$10.00 now" in page.text
    assert (await client.page("/memberships/choose/nonsense")).status_code == 400
    dear = (await client.page("/memberships/choose/gold")).text
    assert "There is not enough to pay for this" in dear and "Pay with Buzz" not in dear
    refused = await client.submit("/memberships/perks/gold", key="k")
    assert refused.status_code == 303
    assert "Yours" not in (await client.page("/memberships")).text
    told = re.sub(r"<[^>]+>|\s+", " ", page.text)
    assert re.search(r"It costs\s+12,500\s.*Left afterwards.*37,500", told), (
        "which colours pay, and what is left"
    )
    bought = await client.submit("/memberships/perks/bronze", key="k")
    assert bought.headers["location"] == "/memberships"
    page = await client.page("/memberships")
    assert "Yours" in page.text and "until" in page.text
    async with client.house.database.unit() as session:
        ben = await make_person(session, "ben")
        await provider_facts.paid(
            session,
            Payment(
                provider="pretend", reference="p1", person_id=ben, tier="bronze", billing=Billing.MONTHLY,
                colour="green", cents=1000, months=1, reason=Reason.START, subscription="s1",
            ),
        )  # fmt: skip
    await client.sign_in(ben)
    page = await client.page("/memberships")
    assert "$10.00 on" in page.text
    run = page.text.split('action="/memberships/')[1].split("/")[0]
    await client.submit(f"/memberships/{run}/cancel", reason="", comment="Too dear")
    assert "Keep it" in (await client.page("/memberships")).text
    await client.submit(f"/memberships/{run}/resume")
    assert "Keep it" not in (await client.page("/memberships")).text
    later = await client.page("/memberships/choose/bronze?billing=annual")
    assert later.status_code == 200
    await client.sign_in(ana)
    assert (await client.submit(f"/memberships/{run}/cancel")).status_code == 404


async def test_a_gift_and_months_in_advance_are_ordered_on_pages(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path, site=SiteSettings(development=True))
    async with serving(units, connection, settings) as client:
        async with client.house.database.unit() as session:
            ana, ben = await make_person(session, "ana"), await make_person(session, "ben")
        await client.sign_in(ana)
        page = (await client.page("/memberships/gift?to=ben")).text
        assert 'value="ben"' in page and "$30.00" in page
        for wrong in (
            {"to": "nobody_here"},
            {"to": "ana"},
            {"choice": "gold:2"},
            {"choice": ""},
            {"way": "no"},
        ):
            fields = {"to": "ben", "choice": "gold:3", "note": "For you"} | wrong
            answer = await client.submit("/memberships/gift", **fields)
            assert answer.status_code == 400 and "Pay $" not in answer.text, wrong
        ordered = await client.submit("/memberships/gift", to="ben", choice="gold:3", note="For you")
        assert "Pay $150.00" in ordered.text
        own = await client.submit("/memberships/advance", choice="bronze:3")
        assert "Pay $30.00" in own.text
        provider: Any = client.state.payments.get("development")
        for answer in (ordered, own):
            reference = answer.text.split("/dev/checkout/")[1].split('"')[0]
            headers, body = await provider.act(reference, "pay")
            await take_in(client.state, "development", headers, body)
        await client.run_tasks()
        assert "Begun" in (await client.page("/memberships/gift")).text
        assert "Bronze member" in (await client.page("/user/ana")).text
        await client.sign_in(ben)
        assert "from <a" in (await client.page("/memberships/gift")).text
        page = (await client.page("/memberships")).text
        month = page.split('action="/memberships/months/')[1].split("/")[0]
        assert (await client.submit(f"/memberships/months/{month}/claim")).status_code == 303
        assert "/memberships/months/" not in (await client.page("/memberships")).text


async def test_staff_see_who_has_what_give_and_end(client: Client) -> None:
    async with client.house.database.unit() as session:
        judge = await make_person(session, "judge", role="moderator")
        ben = await make_person(session, "ben")
        run = await make_membership(session, ben, "silver", provider="stripe", refused="No such price",
                                    refused_at=clock.now())  # fmt: skip
    await client.sign_in(ben)
    assert (await client.page("/staff/memberships")).status_code in {403, 404}
    await client.sign_in(judge)
    page = (await client.page("/staff/memberships")).text
    assert "No such price" in page and "1 renew" in page
    assert "Nobody of this name" in (await client.page("/staff/memberships?about=nobody_here")).text
    here = "/staff/memberships"
    wrong = await client.submit(here, about="ben", tier="gold", months="many", reason="Contest")
    assert wrong.status_code == 400 and "How long" in wrong.text
    for _ in range(2):
        assert (
            await client.submit(here, about="ben", tier="gold", months="1", reason="Contest")
        ).status_code == 303
    page = (await client.page("/staff/memberships?about=ben")).text
    assert page.count("End now") == 2 and page.count("Take away") == 1
    grant = page.split("/staff/memberships/grants/")[1].split("/")[0]
    assert (await client.submit(f"{here}/grants/{grant}/revoke", about="ben", reason="")).status_code == 400
    await client.submit(f"{here}/grants/{grant}/revoke", about="ben", reason="A mistake")
    await client.submit(f"{here}/{run}/end", about="ben", reason="Asked for it")
    page = (await client.page("/staff/memberships?about=ben")).text
    assert page.count("End now") == 1 and "Take away" not in page and "Ended by staff" in page

"""Early and paid access over the API and in downloads, checks, documents and lists."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_published_model
from tests.factories.http import Client
from tests.flows import story

from civitas.domains.accounts.tables import Person
from civitas.domains.buzz.ledger import auditing
from civitas.domains.buzz.types import Currency
from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.faces.http import csrf

API = "/api/v1"
PROGRAM = {"User-Agent": "python-requests/2.31"}


async def offered(client: Client, terms: dict[str, Any]) -> tuple[int, int, int]:
    """A seller's version, set up and published over the API: (seller, model, version)."""
    async with client.house.database.unit() as session:
        seller = await make_person(session, score=300_000, score_parts={"models": 300_000})
        model, (version,) = await make_published_model(session, seller, name="Lanterns")
        await session.execute(
            update(Model).where(Model.id == model).values(status="Draft", published_at=None)
        )
        await session.execute(
            update(ModelVersion).where(ModelVersion.id == version).values(status="Draft", published_at=None)
        )
        await rebuilding.rebuild(session, [model])
    await story.become(client, seller)
    story.ok(await client.put(f"{API}/model-versions/{version}/access/terms", json=terms))
    story.ok(await client.post(f"{API}/models/{model}/publish"))
    await client.run_tasks()
    return seller, model, version


async def rich(client: Client, buzz: int = 2000, colour: Currency = Currency.YELLOW) -> int:
    """Somebody with Buzz, by key."""
    person = await story.new_program(client)
    async with client.house.database.unit() as session:
        await give_buzz(session, person, buzz, colour)
    return person


TIMED = {"gate": "timed", "days": 7, "downloadPrice": 500, "generationPrice": 50.25, "trialGenerations": 5}


async def test_downloads_open_for_buyers_and_for_nobody_else(client: Client) -> None:
    seller, _, version = await offered(client, TIMED)
    url = f"/api/download/models/{version}"
    assert (await client.get(url, headers=PROGRAM)).status_code == 307
    client.sign_out()
    shut = await client.get(url, headers=PROGRAM)
    assert shut.status_code == 403
    assert shut.json()["error"] == "Early Access" and shut.json()["deadline"] and shut.json()["message"]
    await rich(client)
    assert (await client.get(url, headers=PROGRAM)).status_code == 403
    generating = {"permission": "Generate", "price": 50.25}
    story.ok(await client.post(f"{API}/model-versions/{version}/access/purchase", json=generating))
    assert (await client.get(url, headers=PROGRAM)).status_code == 403
    bought = story.ok(
        await client.post(
            f"{API}/model-versions/{version}/access/purchase",
            json={"permission": "Download", "price": 500},
            headers={"Idempotency-Key": "once"},
        )
    )
    assert bought["parts"] == {"yellow": 500} and bought["permission"] == "Download"
    assert (await client.get(url, headers=PROGRAM)).status_code == 307
    again = await client.post(
        f"{API}/model-versions/{version}/access/purchase", json={}, headers={"Idempotency-Key": "once"}
    )
    assert story.ok(again)["replayed"]
    other = await client.post(
        f"{API}/model-versions/{version}/access/donate",
        json={"amount": 1},
        headers={"Idempotency-Key": "once"},
    )
    assert other.status_code == 409 and other.json()["code"] == "idempotency_key_reused"
    mine = story.ok(await client.get(f"{API}/me/access/purchases"))["items"]
    assert [(line["permission"], line["status"]) for line in mine] == [
        ("Download", "kept"),
        ("Generate", "kept"),
    ]
    await story.become(client, seller)
    sold = story.ok(await client.get(f"{API}/me/access/sales", params={"versionId": version}))["items"]
    assert sum(line["amount"] for line in sold) == 550.25
    async with client.house.database.reading() as session:
        assert (await auditing.audit(session)).sound


async def test_paid_versions_say_so(client: Client) -> None:
    _, _, version = await offered(client, {"gate": "permanent", "downloadPrice": 300})
    client.sign_out()
    shut = await client.get(f"/api/download/models/{version}", headers=PROGRAM)
    assert shut.status_code == 403 and shut.json()["code"] == "paid_access"
    assert shut.json()["deadline"] is None and shut.json()["message"]


async def test_checks_and_documents_tell_of_the_gate(client: Client) -> None:
    _, model, version = await offered(client, TIMED | {"donationGoal": 5000})
    client.sign_out()
    document = story.ok(await client.get(f"{API}/model-versions/{version}"))
    assert document["availability"] == "EarlyAccess"
    assert document["earlyAccessEndsAt"] and document["earlyAccessTimeFrame"] == 7
    config = document["earlyAccessConfig"]
    assert (config["timeframe"], config["downloadPrice"], config["generationPrice"]) == (7, 500, 50.25)
    assert config["donationGoal"] == 5000 and config["generationTrialLimit"] == 5
    mini = story.ok(await client.get(f"{API}/model-versions/mini/{version}"))
    assert mini["checkPermission"] and mini["freeTrialLimit"] == 5 and mini["earlyAccessEndsAt"]
    listed = story.ok(await client.get(f"{API}/models", params={"earlyAccess": "true"}))["items"]
    assert [one["id"] for one in listed] == [model]

    async def may(permission: str) -> bool:
        asked = {"entityType": "ModelVersion", "entityIds": str(version), "permission": permission}
        found: bool = story.ok(await client.get(f"{API}/permissions/check", params=asked))[str(version)]
        return found

    assert not await may("Generate") and not await may("Download")
    await rich(client)
    story.ok(
        await client.post(f"{API}/model-versions/{version}/access/purchase", json={"permission": "Generate"})
    )
    assert await may("Generate") and not await may("Download")
    terms = story.ok(await client.get(f"{API}/model-versions/{version}/access"))
    assert terms["canGenerate"] and not terms["canDownload"] and terms["goal"] == {
        "amount": 5000, "raised": 50.25, "reachedAt": None,
    }  # fmt: skip
    # The goal is reached: everybody may, and nothing is said of a gate any more.
    await rich(client, 10_000, Currency.GREEN)
    story.ok(await client.post(f"{API}/model-versions/{version}/access/donate", json={"amount": 4949.75}))
    assert (await client.get(f"/api/download/models/{version}", headers=PROGRAM)).status_code == 307
    await client.run_tasks()
    client.sign_out()
    document = story.ok(await client.get(f"{API}/model-versions/{version}"))
    assert document["availability"] == "Public" and document["earlyAccessConfig"] is None
    assert story.ok(await client.get(f"{API}/models", params={"earlyAccess": "true"}))["items"] == []
    assert await may("Download") and await may("Generate")


async def test_given_access_over_the_api(client: Client) -> None:
    seller, _, version = await offered(client, TIMED)
    guest = await story.person(client, "the_guest")
    path = f"{API}/model-versions/{version}/access/people"
    await story.become(client, seller)
    assert (await client.put(f"{path}/The_Guest", json={"permission": "Download"})).status_code == 204
    people = story.ok(await client.get(path))["items"]
    assert people == [{"username": "the_guest", "permission": "Download"}]
    await story.become(client, guest)
    assert (await client.get(f"/api/download/models/{version}", headers=PROGRAM)).status_code == 307
    await story.become(client, seller)
    assert (await client.delete(f"{path}/the_guest")).status_code == 204
    await story.become(client, guest)
    assert (await client.get(f"/api/download/models/{version}", headers=PROGRAM)).status_code == 403


async def test_wrong_amounts_are_told(client: Client) -> None:
    _, _, version = await offered(client, TIMED | {"donationGoal": 5000})
    await rich(client)
    for amount in (-1, 0, 0.1, "1e9", 10**14, None, True, [1]):
        answer = await client.post(f"{API}/model-versions/{version}/access/donate", json={"amount": amount})
        assert answer.status_code == 400, (amount, answer.text)
    short = await client.post(f"{API}/model-versions/{version}/access/donate", json={"amount": 2001})
    assert short.status_code == 402 and short.json()["code"] == "insufficient_funds"


async def test_buying_on_the_page_without_script(client: Client) -> None:
    seller, model, version = await offered(client, TIMED | {"donationGoal": 5000})
    await story.new_member(client)
    page = (await client.page(f"/models/{model}")).text
    assert "Early access" in page and f"/model-versions/{version}/access" in page and "Donation goal" in page
    poor = await client.page(f"/model-versions/{version}/access")
    assert "You need 500 Buzz more" in poor.text and "Get Buzz" in poor.text
    client.sign_out()
    buyer = await story.new_member(client)
    async with client.house.database.unit() as session:
        await give_buzz(session, buyer, 800)
    page = (await client.page(f"/model-versions/{version}/access")).text
    assert "Pay 500 Buzz" in page and "300 left after" in page
    form = {"permission": "Download", "price": "500.0", "key": "k", csrf.FIELD: client.headers[csrf.HEADER]}
    answer = await client.post(f"/model-versions/{version}/access/buy", data=form)
    assert answer.status_code == 303 and answer.headers["location"].startswith(f"/models/{model}")
    page = (await client.page(f"/models/{model}")).text
    assert "You have access" in page and "Not available" not in page
    wrong = await client.post(
        f"/model-versions/{version}/access/buy", data=form | {"key": "other", "price": "1"}
    )
    assert wrong.status_code in (400, 409) and "Nothing was charged" in wrong.text
    assert "Lanterns" in (await client.page("/buzz/access")).text
    await story.become(client, seller, by_key=False)
    sales = (await client.page("/buzz/sales")).text
    assert "Lanterns" in sales and "In escrow" in sales


async def test_the_step_of_the_wizard(client: Client) -> None:
    async with client.house.database.unit() as session:
        seller = await make_person(session)
        model, (version,) = await make_published_model(session, seller)
        await session.execute(
            update(ModelVersion).where(ModelVersion.id == version).values(status="Draft", published_at=None)
        )
    await story.become(client, seller, by_key=False)
    here = f"/models/{model}/versions/{version}/access"
    assert "Access and price" in (await client.page(here)).text
    token = {csrf.FIELD: client.headers[csrf.HEADER]}
    form = token | {"gate": "timed", "days": "7", "download_price": "500", "trial_generations": "10"}
    told = (await client.post(f"{here}/hints", data=form)).text
    assert "Your models score 0." in told and "not enough" in told
    refused = await client.post(here, data=form)
    assert refused.status_code == 400 and "needs a score of 40,000" in refused.text
    async with client.house.database.unit() as session:
        await session.execute(
            update(Person).where(Person.id == seller).values(score_parts={"models": 90_000})
        )
    assert "These terms can be saved." in (await client.post(f"{here}/hints", data=form)).text
    assert (await client.post(here, data=form)).status_code == 303
    page = (await client.page(here)).text
    assert 'value="500"' in page
    guest = await story.person(client, "helper_one")
    given = await client.post(f"{here}/people", data=token | {"username": "helper_one"})
    assert given.status_code == 303 and guest
    assert "helper_one" in (await client.page(here)).text

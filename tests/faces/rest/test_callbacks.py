"""Callbacks over the API: secrets that are shown once, the log, and telling it again."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from standardwebhooks.webhooks import Webhook
from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.factories.media import make_delivery
from tests.factories.receivers import HOST, callback_ports, receiving

from civitas.domains.accounts.types import Scope
from civitas.domains.orchestration.callback_tables import CallbackChain
from civitas.domains.orchestration.delivering.messages import DeliverCallbacks
from civitas.domains.orchestration.delivering.tasks import deliver_callbacks
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock

API = "/api/v1/callbacks"


async def somebody(client: Client, note: str = "") -> tuple[int, int]:
    async with client.house.database.unit() as session:
        person = await make_person(session)
        _, delivery = await make_delivery(session, person, note)
    await client.sign_in(person)
    return person, delivery


async def test_a_secret_is_shown_once_replaced_with_an_overlap_and_revoked(client: Client) -> None:
    await somebody(client)
    made = await client.post(f"{API}/secrets")
    assert made.status_code == 201 and made.json()["secret"].startswith("whsec_")
    listed = (await client.get(f"{API}/secrets")).json()
    assert len(listed) == 2 and listed[0]["expiresAt"] is None and listed[1]["expiresAt"] is not None
    assert listed[0]["hint"] == made.json()["secret"][-4:] and "secret" not in listed[0]
    again = await client.post(f"{API}/secrets")
    assert [one["id"] for one in (await client.get(f"{API}/secrets")).json()] == [
        again.json()["id"], made.json()["id"],
    ]  # fmt: skip
    with clock.held_at(clock.now() + timedelta(hours=25)):
        assert len((await client.get(f"{API}/secrets")).json()) == 1
    gone = f"{API}/secrets/{again.json()['id']}"
    assert (await client.delete(gone)).status_code == 204
    assert (await client.delete(gone)).status_code == 404


async def test_the_log_and_its_bodies_are_ones_own(client: Client) -> None:
    _, delivery = await somebody(client, "mine")
    page = (await client.get(f"{API}/deliveries", params={"state": "delivered"})).json()
    assert [(one["id"], one["state"], one["answer"]) for one in page["items"]] == [
        (delivery, "delivered", 200)
    ]
    assert page["nextCursor"] is None
    whole = (await client.get(f"{API}/deliveries/{delivery}")).json()
    assert whole["payload"]["details"]["metadata"] == {"note": "mine"}
    workflow = whole["workflowId"]
    found = (await client.get(f"{API}/deliveries", params={"workflowId": workflow, "limit": 1})).json()
    assert len(found["items"]) == 1
    await somebody(client)
    assert (await client.get(f"{API}/deliveries/{delivery}")).status_code == 404
    assert (await client.post(f"{API}/deliveries/{delivery}/redeliver")).status_code == 404
    assert (await client.get(f"{API}/deliveries", params={"state": "lost"})).status_code == 400
    assert (await client.get(f"{API}/deliveries", params={"cursor": "?"})).status_code == 400


async def test_a_delivery_is_sent_again_and_its_signature_holds(client: Client) -> None:
    person, delivery = await somebody(client)
    secret = (await client.post(f"{API}/secrets")).json()["secret"]
    async with receiving() as receiver:
        row = (await client.get(f"{API}/deliveries/{delivery}")).json()
        async with client.house.database.unit() as session:
            await session.execute(
                update(CallbackChain)
                .where(CallbackChain.person_id == person)
                .values(url=receiver.url(), host=f"{HOST}:{receiver.port}")
            )
        sent = await client.post(f"{API}/deliveries/{delivery}/redeliver")
        assert sent.status_code == 202 and sent.json()["messageId"] == row["messageId"]
        assert (await client.post(f"{API}/deliveries/{delivery}/redeliver")).status_code == 409
        await deliver_callbacks(DeliverCallbacks(), TaskContext(client.house.database, callback_ports()))
        (heard,) = receiver.heard
    assert heard.headers["webhook-id"] == row["messageId"]
    assert Webhook(secret).verify(heard.raw, heard.headers)["status"] == "succeeded"


async def test_a_key_needs_the_scope(client: Client) -> None:
    person, _ = await somebody(client)
    client.sign_out()
    await client.use_key(person, scopes=Scope.USER_READ)
    assert (await client.get(f"{API}/deliveries")).status_code == 403
    await client.use_key(person, scopes=Scope.AI_SERVICES_READ)
    assert (await client.get(f"{API}/deliveries")).status_code == 200
    assert (await client.post(f"{API}/secrets")).status_code == 403

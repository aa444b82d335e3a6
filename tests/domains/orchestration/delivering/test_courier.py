"""Callbacks on their way: in order, signed, one at a time for each chain, never to private places, whatever answers."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook
from tests.factories.accounts import actor_for, make_person
from tests.factories.media import make_blob, make_step, make_workflow
from tests.factories.receivers import HOST, SECRET, Heard, Receiver, callback_ports, loopback, receiving

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import blobs, callbacks
from civitas.domains.orchestration.callback_tables import CallbackChain, CallbackDelivery
from civitas.domains.orchestration.delivering import addresses, chains, delivery_log, signing_secrets
from civitas.domains.orchestration.delivering.messages import DeliverCallbacks
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.delivering.tasks import (
    Courier,
    Lines,
    deliver_callbacks,
    forget_deliveries,
    look_for_callbacks,
)
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.types import Level, Status
from civitas.infra.db.database import Database
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock
from civitas.kit.errors import Conflict, NotFound

KEY = CallbackKey(SECRET)


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[TaskContext]:
    """A database of one's own: couriers write while others note."""
    database = Database(own_dsn)
    with addresses.using({HOST, "slow.test", "gone.test"}):
        yield TaskContext(database, callback_ports())
    await database.close()


def giving(context: TaskContext, *more: Any, **settings: Any) -> TaskContext:
    return replace(context, ports=callback_ports(*more, **settings))


async def listening(context: TaskContext, *urls: str, **more: Any) -> tuple[Workflow, Actor]:
    wanted = [{"url": url, "type": ["workflow:*"], **more} for url in urls]
    async with context.unit() as session:
        person = await make_person(session)
        workflow = await make_workflow(session, person, callbacks=addresses.checked(wanted))
    return workflow, actor_for(person)


async def note(context: TaskContext, workflow: Workflow, *statuses: Status) -> None:
    for status in statuses:
        async with context.unit() as session:
            await callbacks.note(session, workflow=workflow, scope="workflow", status=status, at=clock.now())


async def rows(context: TaskContext) -> list[CallbackDelivery]:
    async with context.reading() as session:
        return list(await session.scalars(select(CallbackDelivery).order_by(CallbackDelivery.id)))


async def deliver(context: TaskContext) -> None:
    await deliver_callbacks(DeliverCallbacks(), context)


def statuses(receiver: Receiver) -> list[str]:
    return [heard.body["status"] for heard in receiver.heard]


async def test_what_was_noted_arrives_in_order_and_once(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.PREPARING, Status.PROCESSING, Status.SUCCEEDED)
        await deliver(own)
        await deliver(own)
    assert statuses(receiver) == ["preparing", "processing", "succeeded"]
    assert receiver.heard[0].headers["host"] == f"{HOST}:{receiver.port}"
    assert [row.state for row in await rows(own)] == ["delivered"] * 3
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 3
    assert "webhook-signature" not in receiver.heard[0].headers


async def test_foreign_code_verifies_both_signatures_while_a_secret_is_replaced(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, actor = await listening(own, receiver.url())
        issued = []
        for _ in range(2):
            async with own.unit() as session:
                issued.append(
                    await signing_secrets.issue(session, actor, key=KEY, overlap=timedelta(hours=1))
                )
        await note(own, workflow, Status.SUCCEEDED)
        await deliver(own)
    (heard,) = receiver.heard
    for one in issued:
        assert Webhook(one.secret).verify(heard.raw, heard.headers)["status"] == "succeeded"
    assert len(heard.headers["webhook-signature"].split()) == 2
    with pytest.raises(Exception, match="No matching signature"):
        Webhook("whsec_" + "A" * 44).verify(heard.raw, heard.headers)


async def test_blobs_in_details_have_links_when_they_are_sent(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, _ = await listening(own, receiver.url(), detailed=True)
        async with own.unit() as session:
            blob_id = await make_blob(session, workflow)
            await make_step(session, workflow, output={"images": [{"$blob": blob_id}, {"$blob": "gone"}]})
        await note(own, workflow, Status.SUCCEEDED)
        await deliver(own)
    shown, gone = receiver.heard[0].body["details"]["steps"][0]["output"]["images"]
    assert (shown["id"], shown["available"], shown["nsfwLevel"]) == (blob_id, True, "na")
    assert shown["url"].startswith(f"https://hub.example.org/v2/consumer/blobs/{blob_id}?sig=")
    assert gone["available"] is False and "url" not in gone


async def test_mature_output_that_is_withheld_comes_without_a_link(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, _ = await listening(own, receiver.url(), detailed=True)
        async with own.unit() as session:
            mature, safe = await make_blob(session, workflow), await make_blob(session, workflow)
            await blobs.examined(session, blob_id=mature, phash=None, level=Level.X)
            await make_step(session, workflow, output={"images": [{"$blob": mature}, {"$blob": safe}]})
            await session.execute(update(Workflow).where(Workflow.id == workflow.id).values(withheld=True))
        await note(own, workflow, Status.SUCCEEDED)
        await deliver(own)
    hidden, shown = receiver.heard[0].body["details"]["steps"][0]["output"]["images"]
    assert hidden["nsfwLevel"] == "x" and "url" not in hidden and "url" in shown


async def test_a_failing_receiver_holds_back_what_comes_after(own: TaskContext) -> None:
    answers = iter([500, 503, 204, 204])

    async def answering(heard: Heard) -> int:
        return next(answers)

    async with receiving(answering) as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.PROCESSING, Status.SUCCEEDED)
        await deliver(own)
        assert statuses(receiver) == ["processing"] * 2
        with clock.held_at(clock.now() + timedelta(seconds=10)):
            await deliver(own)
    assert statuses(receiver) == ["processing", "processing", "processing", "succeeded"]
    assert len({heard.headers["webhook-id"] for heard in receiver.heard}) == 2
    assert [(row.state, row.attempts) for row in await rows(own)] == [("delivered", 3), ("delivered", 1)]


async def test_three_days_of_failures_and_the_next_has_its_turn(own: TaskContext) -> None:
    async def answering(heard: Heard) -> int:
        return 204 if heard.body["status"] == "succeeded" else 500

    async with receiving(answering) as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.PROCESSING)
        start, tries = clock.now(), 0
        for hours in (0, 4, 8.1, 30, 60, 73):
            with clock.held_at(start + timedelta(hours=hours)):
                if hours == 73:
                    await note(own, workflow, Status.SUCCEEDED)
                await deliver(own)
            tries = len(receiver.heard)
        (first, second) = await rows(own)
    assert tries == 7 and (first.state, first.attempts, first.answer) == ("given_up", 6, 500)
    assert "500" in (first.trouble or "") and second.state == "delivered"


async def test_410_ends_the_workflows_callbacks_there(own: TaskContext) -> None:
    async def answering(heard: Heard) -> int:
        return 410 if heard.path == "/gone" else 204

    async with receiving(answering) as receiver:
        workflow, _ = await listening(own, receiver.url("/gone"), receiver.url("/stays"))
        await note(own, workflow, Status.PREPARING, Status.PROCESSING)
        await deliver(own)
        await note(own, workflow, Status.SUCCEEDED)
        await deliver(own)
    assert sorted(heard.path for heard in receiver.heard) == ["/gone", "/stays", "/stays", "/stays"]
    assert sorted(row.state for row in await rows(own)) == [
        "delivered", "delivered", "delivered", "given_up", "skipped",
    ]  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_redirects_are_not_followed(own: TaskContext, status: int) -> None:
    async def answering(heard: Heard) -> int:
        return status

    async with receiving(answering) as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.SUCCEEDED)
        await asyncio.wait_for(Courier(giving(own, give_up_days=1e-9)).run(), 10)
    (row,) = await rows(own)
    assert row.state == "given_up" and "redirect" in (row.trouble or "") and len(receiver.heard) == 1


async def test_a_name_that_turns_private_is_refused_when_it_is_called(own: TaskContext) -> None:
    meanings = [["93.184.216.34"], ["127.0.0.1"], ["::ffff:127.0.0.1"], ["93.184.216.34", "10.0.0.7"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return meanings[min(len(asked), 3)]

    async with receiving() as receiver:
        url = f"https://rebinding.example.org:{receiver.port}/hook"
        workflow, _ = await listening(own, url)
        await note(own, workflow, Status.SUCCEEDED)
        for later in (0, 2, 10):
            with clock.held_at(clock.now() + timedelta(seconds=later)):
                await deliver(giving(own, rebinding))
        assert receiver.heard == []
    (row,) = await rows(own)
    assert row.state == "waiting" and row.attempts >= 3 and "private network" in (row.trouble or "")
    assert set(asked) == {"rebinding.example.org"}


async def test_one_slow_receiver_does_not_delay_others(own: TaskContext) -> None:
    async def answering(heard: Heard) -> int:
        if heard.headers["host"].startswith("slow"):
            await asyncio.sleep(30)
        return 204

    context = giving(own, loopback, "slow.test", timeout_s=20, at_once_per_host=2)
    async with receiving(answering) as receiver:
        for _ in range(20):
            slow, _ = await listening(own, receiver.url(host="slow.test"))
            await note(own, slow, Status.PROCESSING)
        for _ in range(10):
            fast, _ = await listening(own, receiver.url())
            await note(own, fast, Status.PROCESSING, Status.SUCCEEDED)
        running = asyncio.create_task(deliver(context))
        began = asyncio.get_running_loop().time()
        while len([h for h in receiver.heard if h.answer == 204]) < 20:
            await asyncio.sleep(0.02)
            assert asyncio.get_running_loop().time() - began < 15
        assert len([h for h in receiver.heard if h.headers["host"].startswith("slow")]) == 2
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_order_holds_while_a_fifth_of_the_answers_fail(own: TaskContext) -> None:
    chance = random.Random(4)

    async def answering(heard: Heard) -> int:
        await asyncio.sleep(chance.random() * 0.01)
        return 500 if chance.random() < 0.2 else 204

    async with receiving(answering) as receiver:
        made = [(await listening(own, receiver.url(f"/{number}")))[0] for number in range(6)]

        async def noting(workflow: Workflow) -> None:
            for number in range(8):
                async with own.unit() as session:
                    await callbacks.note(
                        session,
                        workflow=workflow,
                        scope="workflow",
                        status=Status.PROCESSING,
                        at=clock.now() + timedelta(seconds=number),
                    )

        delivering = asyncio.create_task(deliver(own))
        await asyncio.gather(*(noting(workflow) for workflow in made))
        await delivering
        for later in range(1, 40):
            if {row.state for row in await rows(own)} == {"delivered"}:
                break
            with clock.held_at(clock.now() + timedelta(minutes=30 * later)):
                await deliver(own)
    firsts: dict[str, list[str]] = defaultdict(list)
    ended: dict[str, list[str]] = defaultdict(list)
    for heard in receiver.heard:
        if heard.body["timestamp"] not in firsts[heard.path]:
            firsts[heard.path].append(heard.body["timestamp"])
        if heard.answer == 204:
            ended[heard.path].append(heard.body["timestamp"])
    assert len(ended) == 6
    for path, moments in ended.items():
        assert len(moments) == 8 and moments == sorted(moments) == firsts[path]
    assert {row.state for row in await rows(own)} == {"delivered"}


async def test_killed_between_answer_and_record_only_repeats_under_the_same_id(own: TaskContext) -> None:
    answered = asyncio.Event()

    async def answering(heard: Heard) -> int:
        answered.set()
        return 204

    async with receiving(answering) as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.PROCESSING, Status.SUCCEEDED)
        async with own.unit() as session:
            (due,) = await chains.take(session, most=10, most_per_host=10, flying={})
        courier = Courier(own)
        lines = Lines(courier._client)
        due, headers, body = courier._sealed(due, {}, {})
        await courier._send(lines, due, headers, body)
        await lines.aclose()
        assert answered.is_set()
        # Nobody wrote it down. Before the lease ends nothing goes out; after it, the same event again, then the next.
        await deliver(own)
        assert len(receiver.heard) == 1
        with clock.held_at(clock.now() + chains.LEASE + timedelta(seconds=1)):
            await look_for_callbacks(own)
            await deliver(own)
        # What the killed one has to say comes too late.
        async with own.unit() as session:
            end = chains.end_of(due, chains.Heard(500, 1), give_up=timedelta(days=3), pauses_s=[1])
            assert await chains.record(session, [end]) == 0
    assert statuses(receiver) == ["processing", "processing", "succeeded"]
    assert receiver.heard[0].headers["webhook-id"] == receiver.heard[1].headers["webhook-id"]
    assert [row.state for row in await rows(own)] == ["delivered", "delivered"]


async def test_two_couriers_never_have_one_chain_at_once(own: TaskContext) -> None:
    async def answering(heard: Heard) -> int:
        await asyncio.sleep(0.02)
        return 204

    async with receiving(answering) as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, *[Status.PROCESSING] * 10, Status.SUCCEEDED)
        await asyncio.gather(Courier(own).run(), Courier(own).run())
    assert receiver.most_at_once == 1
    assert len(receiver.heard) == 11 and statuses(receiver)[-1] == "succeeded"


async def test_a_workflow_may_be_forgotten_before_its_end_was_told(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.SUCCEEDED)
        async with own.unit() as session:
            await session.delete(await session.get_one(Workflow, workflow.id))
        await deliver(own)
    assert statuses(receiver) == ["succeeded"]


async def test_the_log_is_paged_and_what_was_told_is_told_again(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, actor = await listening(own, receiver.url())
        await note(own, workflow, Status.PREPARING, Status.PROCESSING, Status.SUCCEEDED)
        await deliver(own)
        async with own.reading() as session:
            first = await delivery_log.page(session, actor, limit=2)
            rest = await delivery_log.page(session, actor, limit=2, cursor=first.next_cursor)
            assert await delivery_log.page(session, actor_for(actor.require() + 1)) == replace(
                rest, items=[], next_cursor=None
            )
        assert [item.event for item in [*first.items, *rest.items]] == [
            "workflow:succeeded", "workflow:processing", "workflow:preparing",
        ]  # fmt: skip
        assert rest.next_cursor is None and first.items[0].answer == 204
        async with own.unit() as session:
            await delivery_log.again(session, actor, delivery_id=first.items[0].id)
            with pytest.raises(Conflict):
                await delivery_log.again(session, actor, delivery_id=first.items[0].id)
            with pytest.raises(NotFound):
                await delivery_log.again(
                    session, actor_for(actor.require() + 1), delivery_id=first.items[0].id
                )
        await deliver(own)
    assert statuses(receiver)[-1] == "succeeded"
    assert receiver.heard[-1].headers["webhook-id"] == receiver.heard[-2].headers["webhook-id"]


async def test_the_log_is_forgotten_after_a_while(own: TaskContext) -> None:
    async with receiving() as receiver:
        workflow, _ = await listening(own, receiver.url())
        await note(own, workflow, Status.SUCCEEDED)
        await deliver(own)
    with clock.held_at(clock.now() + timedelta(days=29)):
        await forget_deliveries(own)
    assert len(await rows(own)) == 1
    with clock.held_at(clock.now() + timedelta(days=31)):
        await forget_deliveries(own)
    assert await rows(own) == []
    async with own.reading() as session:
        assert list(await session.scalars(select(CallbackChain))) == []

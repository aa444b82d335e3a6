"""Pushing: what reaches a browser and what it may say, and what the answers of push services mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_person
from tests.factories.catalog import make_published_model
from tests.factories.push_service import HOST, Browser, PushService, push_service
from tests.factories.receivers import loopback

from civitas.contracts.site import SiteInfo
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import sessions
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog.tables import Model
from civitas.domains.community.notifications import delivering, push_devices, reading, tasks
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.messages import FanOut
from civitas.domains.community.notifications.push_devices import MOST, Subscription
from civitas.domains.community.notifications.tables import PushDevice, PushMessage
from civitas.infra.db.database import BoundDatabase
from civitas.infra.outbound.guard import OutboundSettings, PushClient
from civitas.infra.outbound.settings import PushSettings
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.webpush import MOST_TEXT, VapidKey

OWN = frozenset({HOST})
KEY = VapidKey.derived(b"a secret of thirty-two bytes....")


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with push_service() as found:
        yield found


@pytest.fixture
def context(units: BoundDatabase) -> TaskContext:
    return TaskContext(
        units,
        {
            SiteInfo: SiteInfo("Civitas", "https://hub.example.org"),
            PushSettings: PushSettings(contact="mailto:ops@example.org", timeout_s=2),
            PushClient: PushClient(OutboundSettings(OWN), loopback),
            VapidKey: KEY,
        },
    )


async def told(session: AsyncSession, who: Actor, browser: Browser, *, safe: bool = False) -> int:
    return await push_devices.register(
        session, who, subscription=browser.subscription, name="A phone", safe=safe, own_hosts=OWN
    )


async def tip(
    session: AsyncSession, who: Actor, key: str = "x", giver: int | None = None, **more: Any
) -> None:
    data = {"title": "Lanterns", "quarters": 40, "path": "/buzz/tips"}
    await delivering.tell(session, Note("tip", [who.require()], key, actor_id=giver, data=data, **more))


async def test_a_line_reaches_the_browser_and_only_it_can_read_it(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    giver, ana, ben = (
        await make_person(session, "giver_p"),
        await make_actor(session),
        await make_actor(session),
    )
    model, _ = await make_published_model(session, ana.require(), name="Lanterns")
    browser = service.browser()
    await told(session, ana, browser)
    for who in (ana, ben):
        await delivering.tell(
            session,
            Note(
                "new-comment",
                [who.require()],
                "k",
                Subject("model", model),
                giver,
                {"title": "Lanterns", "path": f"/models/{model}#comments"},
            ),
        )
    await drain(context)
    (sent,) = service.sent
    found = service.opened(browser)
    assert found["body"] == "Giver_p commented on Lanterns"
    assert (found["title"], found["path"]) == ("Civitas", f"/models/{model}#comments")
    assert (sent.headers["content-encoding"], sent.headers["urgency"], sent.headers["ttl"]) == (
        "aes128gcm",
        "high",
        "86400",
    )
    assert 1 <= len(sent.headers["topic"]) <= 32
    assert (
        sent.headers["authorization"].startswith("vapid t=") and KEY.public in sent.headers["authorization"]
    )
    await drain(context)
    await tasks.look_for_pushes(context)
    assert len(service.sent) == 1, "what arrived is not sent again"
    (device,) = await push_devices.mine(session, ana)
    assert device.last_sent_at is not None and device.service == f"{HOST}:{service.port}"


async def test_nothing_mature_is_said_and_the_safe_twin_hears_none_of_it(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    giver, ana = await make_person(session, "giver_q"), await make_actor(session)
    model, _ = await make_published_model(session, ana.require(), name="Unspeakable")
    await session.execute(update(Model).where(Model.id == model).values(nsfw=True))
    await session.flush()
    main, safe = service.browser("main"), service.browser("safe")
    await told(session, ana, main)
    await told(session, ana, safe, safe=True)
    note = Note(
        "new-comment",
        [ana.require()],
        "k",
        Subject("model", model),
        giver,
        {"title": "Unspeakable", "path": f"/models/{model}"},
    )
    await delivering.tell(session, note)
    await drain(context)
    assert [one.path for one in service.sent] == ["/send/main"]
    assert service.opened(main)["body"] == "Giver_q commented on something"
    # What is not known to be safe is not named either, and house words may be.
    await tip(session, ana, giver=giver)
    await push_devices.want(session, ana, kinds={"announcement": True})
    await delivering.tell(
        session, Note("announcement", [ana.require()], "n", data={"title": "We move", "path": "/"}, once=True)
    )
    await drain(context)
    bodies = {
        service.opened(main, at)["body"] for at, one in enumerate(service.sent) if one.path == "/send/main"
    }
    assert "Giver_q tipped you 10 Buzz for something" in bodies and "We move" in bodies
    assert not any("Unspeakable" in body or "Lanterns" in body for body in bodies)


async def test_only_kinds_that_were_chosen_are_pushed(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    assert (await push_devices.wanted(session, ana))["tip"] is True
    await told(session, ana, service.browser())
    assert not (await push_devices.wanted(session, ana))["forked"]
    await push_devices.want(session, ana, kinds={"tip": False, "forked": True})
    await tip(session, ana)
    await delivering.tell(session, Note("forked", [ana.require()], "f", data={"title": "x", "path": "/m"}))
    # Off on the site is off everywhere.
    await reading.want(session, ana, kinds={"forked": False})
    await delivering.tell(session, Note("forked", [ana.require()], "g", data={"title": "x", "path": "/m"}))
    await drain(context)
    assert len(service.sent) == 1
    with pytest.raises(Invalid):
        await push_devices.want(session, ana, kinds={"no-such": True})
    # Registering anew keeps what was chosen.
    await told(session, ana, service.browser("two"))
    assert not (await push_devices.wanted(session, ana))["tip"]


async def test_what_grows_is_pushed_again_after_a_while_and_what_was_read_is_not(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    givers = [await make_person(session, f"giver_{n}") for n in range(4)]
    ana = await make_actor(session)
    browser = service.browser()
    await told(session, ana, browser)
    for giver in givers[:3]:
        await tip(session, ana, giver=giver)
        await drain(context)
    assert len(service.sent) == 1, "a storm is one push"
    with clock.held_at(clock.now() + timedelta(minutes=11)):
        await tasks.look_for_pushes(context)
    assert len(service.sent) == 2
    assert "and 2 others" in service.opened(browser)["body"]
    assert service.sent[0].headers["topic"] == service.sent[1].headers["topic"], (
        "the service keeps the newest"
    )
    await tip(session, ana, giver=givers[3])
    await reading.mark_read(session, ana)
    with clock.held_at(clock.now() + timedelta(minutes=30)):
        await tasks.look_for_pushes(context)
    assert len(service.sent) == 2


@pytest.mark.parametrize("status", [404, 410])
async def test_who_is_gone_is_forgotten(
    session: AsyncSession, context: TaskContext, service: PushService, status: int
) -> None:
    ana = await make_actor(session)
    await told(session, ana, service.browser())
    service.status = status
    await tip(session, ana)
    await drain(context)
    assert await push_devices.mine(session, ana) == []
    assert await session.scalar(select(func.count()).select_from(PushMessage)) == 0


async def test_a_service_that_asks_for_patience_gets_it(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    await told(session, ana, service.browser())
    service.status, service.extra = 429, {"retry-after": "3600"}
    await tip(session, ana)
    await drain(context)
    assert len(service.sent) == 1
    service.status, service.extra = 201, {}
    # Nothing else goes to that device meanwhile, and nothing is lost.
    await tip(session, ana, "another", once=True)
    with clock.held_at(clock.now() + timedelta(minutes=50)):
        await tasks.look_for_pushes(context)
    assert len(service.sent) == 1
    with clock.held_at(clock.now() + timedelta(minutes=61)):
        await tasks.look_for_pushes(context)
    assert len(service.sent) == 3
    assert (await push_devices.mine(session, ana))[0].last_sent_at is not None


async def test_a_date_in_retry_after_counts_too(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    device = await told(session, ana, service.browser())
    later = clock.now() + timedelta(hours=2)
    service.status, service.extra = 503, {"retry-after": later.strftime("%a, %d %b %Y %H:%M:%S GMT")}
    await tip(session, ana)
    await drain(context)
    paused = await session.scalar(select(PushDevice.paused_until).where(PushDevice.id == device))
    assert paused is not None and abs((paused - later).total_seconds()) < 5


async def test_failures_are_tried_again_and_then_given_up(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    await told(session, ana, service.browser())
    service.status = 500
    await tip(session, ana)
    await drain(context)
    moment = clock.now()
    for _ in range(12):
        moment += timedelta(hours=1, minutes=1)
        with clock.held_at(moment):
            await tasks.look_for_pushes(context)
    assert len(service.sent) == 6
    assert len(await push_devices.mine(session, ana)) == 1, "trouble of the service is not the device's"


async def test_a_device_that_is_refused_again_and_again_goes(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    await told(session, ana, service.browser())
    service.status = 403
    for number in range(5):
        assert len(await push_devices.mine(session, ana)) == 1
        await tip(session, ana, str(number), once=True)
        await drain(context)
    assert await push_devices.mine(session, ana) == []


async def test_the_guard_keeps_pushes_out_of_the_private_network(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    for endpoint in (
        "http://push.example.org/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "https://user:word@push.example.org/x",
        "https://push.example.org/" + "x" * 2100,
        "ftp://push.example.org/x",
        "https://",
        "",
    ):
        with pytest.raises(Invalid):
            given = Browser(endpoint).subscription
            await push_devices.register(session, ana, subscription=given, name="x", safe=False, own_hosts=OWN)
    good = service.browser().subscription
    for p256dh, auth in (("", good.auth), (good.p256dh, ""), (good.auth, good.p256dh)):
        with pytest.raises(Invalid):
            await push_devices.register(
                session,
                ana,
                subscription=Subscription(good.endpoint, p256dh, auth),
                name="x",
                safe=False,
                own_hosts=OWN,
            )
    # A public name that turns out to lead inside is not called.
    outside = Browser(f"https://push.example.org:{service.port}/x")
    await told(session, ana, outside)
    await tip(session, ana)
    await drain(context)
    assert service.sent == []


async def test_devices_are_their_persons_and_go_with_their_session(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    signed = await sessions.open_session(session, ana.require(), method="password")
    browser = service.browser()
    device = await told(session, signed.actor, browser)
    await push_devices.rename(session, ana, device_id=device, name="  My   phone ")
    assert await told(session, signed.actor, browser) == device
    (line,) = await push_devices.mine(session, signed.actor)
    assert (line.name, line.current) == ("My phone", True)
    for deed in (
        push_devices.rename(session, ben, device_id=device, name="x"),
        push_devices.revoke(session, ben, device_id=device),
        push_devices.try_out(session, ben, device_id=device),
    ):
        with pytest.raises(NotFound):
            await deed
    # Whoever signs in on the same browser later is told there, and nobody else.
    await told(session, ben, browser)
    assert await push_devices.mine(session, ana) == []
    assert [one.name for one in await push_devices.mine(session, ben)] == ["A phone"]
    await told(session, signed.actor, browser)
    await sessions.end(session, signed.actor)
    session.expire_all()
    await tip(session, ana)
    await drain(context)
    assert service.sent == [] and await push_devices.mine(session, ana) == []


async def test_there_are_so_many_devices_and_no_more(session: AsyncSession, service: PushService) -> None:
    ana = await make_actor(session)
    for number in range(MOST):
        await told(session, ana, service.browser(str(number)))
    with pytest.raises(Conflict):
        await told(session, ana, service.browser("more"))
    await told(session, ana, service.browser("3"))


async def test_an_audience_is_pushed_to_in_its_own_statement_and_a_trial_arrives(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    browser = service.browser()
    device = await told(session, ana, browser)
    await push_devices.want(session, ana, kinds={"announcement": True})
    wish = FanOut(
        "everybody", 0, "announcement", "7", None, None, None, {"title": "T" * 900, "path": "//evil"}
    )
    await delivering.tell_many(session, wish)
    await drain(context)
    found = service.opened(browser)
    assert len(found["body"]) == 180 and found["path"] == "/notifications"
    assert len(service.sent[0].body) < MOST_TEXT
    await push_devices.try_out(session, ana, device_id=device)
    await drain(context)
    assert service.opened(browser)["body"] == "Notifications arrive on A phone."


async def test_two_tasks_at_once_send_nothing_twice(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    ana = await make_actor(session)
    for number in range(5):
        await told(session, ana, service.browser(str(number)))
    await tip(session, ana)
    await asyncio.gather(tasks.look_for_pushes(context), tasks.look_for_pushes(context))
    assert sorted(one.path for one in service.sent) == [f"/send/{number}" for number in range(5)]


async def test_who_is_banned_is_told_nothing(
    session: AsyncSession, context: TaskContext, service: PushService
) -> None:
    from civitas.domains.accounts.tables import Person

    ana = await make_actor(session)
    await told(session, ana, service.browser())
    await tip(session, ana)
    await session.execute(update(Person).where(Person.id == ana.id).values(status="banned"))
    await drain(context)
    assert service.sent == [] and actor_for(ana.require())

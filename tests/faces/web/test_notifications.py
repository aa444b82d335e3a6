"""The bell, the page behind it, and what one wants to hear."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.http import HTMX, Client

from civitas.domains.community.notifications import delivering
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.digest_letters import UNSUBSCRIBE
from civitas.domains.community.notifications.digests import DigestKey
from civitas.domains.community.notifications.tables import NotificationDigest


async def test_the_bell_the_lines_and_the_wishes(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session), await make_person(session, "ben_l")
        for number in range(3):
            note = Note(
                "tip",
                [ana],
                str(number),
                None,
                ben,
                {"title": "Lanterns", "quarters": 40, "path": "/buzz/tips"},
            )
            await delivering.tell(session, note)
    await client.sign_in(ana)
    page = (await client.page("/notifications")).text
    assert page.count("ben_l tipped you 10 Buzz for Lanterns") == 3
    assert 'aria-label="Notifications, 3 unread"' in page
    line = page.split('action="/notifications/')[2].split("/open")[0]
    opened = await client.submit(f"/notifications/{line}/open")
    assert (opened.status_code, opened.headers["location"]) == (303, "/buzz/tips")
    assert "Nothing here" in (await client.page("/notifications", category="comment")).text
    part = await client.get("/notifications", headers={**HTMX, "hx-target": "lines"})
    assert "<html" not in part.text
    assert (await client.submit("/notifications/read", category="buzz")).status_code == 303
    assert "unread" not in (await client.page("/")).text.split("data-bell")[1].split(">")[0]
    settings = (await client.page("/account/notifications")).text
    assert 'value="tip"' in settings
    assert (
        await client.submit("/account/notifications", kind=["new-comment", "generation"])
    ).status_code == 303
    settings = (await client.page("/account/notifications")).text
    boxes = [one.split(">")[0] for one in settings.split('name="kind"')[1:]]
    assert sum(" checked" in one for one in boxes) == 2
    assert (await client.submit("/notifications/7777777/open")).status_code == 404
    client.sign_out()
    assert (await client.page("/notifications")).status_code == 303


async def test_the_mail_of_the_day_is_asked_for_and_stopped_by_its_link(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    await client.page("/account/notifications")
    assert (await client.submit("/account/notifications", kind=["tip"], digest="true")).status_code == 303
    page = (await client.page("/account/notifications")).text
    assert page.split('name="digest"')[1].split(">")[0].count("checked") == 1
    client.sign_out()
    link = f"{UNSUBSCRIBE}?token={DigestKey.derived(client.house.secret).token(ana)}"
    asked = await client.page(link)
    assert (asked.status_code, "Stop this mail" in asked.text) == (200, True)
    assert (await client.page(f"{link}x")).status_code == 400

    async def wanted() -> bool:
        async with client.house.database.reading() as session:
            return await session.get(NotificationDigest, ana) is not None

    assert await wanted(), "looking changes nothing"
    # As mail programs do it: no cookie, no token of a form.
    done = await client.post(link, data={"List-Unsubscribe": "One-Click"})
    assert (done.status_code, "No such mail any more" in done.text) == (200, True)
    assert not await wanted()
    assert (await client.post(link)).status_code == 200
    assert (await client.post(f"{UNSUBSCRIBE}?token=1.abc")).status_code == 400

"""Owners are told by mail what happens to their models by itself, unless they mind."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from tests.factories.http import Client
from tests.flows import story
from tests.flows.story import API, ok

from civitas.domains.accounts import notices
from civitas.domains.accounts.preferences import Preferences
from civitas.domains.catalog import aging, publishing
from civitas.domains.catalog.tables import Model
from civitas.faces.web.preference_pages import MAILS
from civitas.kit import clock


async def forgotten(client: Client, name: str) -> int:
    """A draft untouched for a month, warned of."""
    model = await story.draft(client, name=name)
    async with client.house.database.unit() as session:
        old = clock.now() - timedelta(days=31)
        await session.execute(update(Model).where(Model.id == model["id"]).values(updated_at=old))
    async with client.house.database.unit() as session:
        assert await aging.warn(session) == 1
    await client.run_tasks()
    return int(model["id"])


async def missed(client: Client) -> int:
    """A model whose file was taken away after it was planned, at the time when it was due."""
    model_id, version_id = await story.ready(client, name="Planned")
    at = clock.now() + timedelta(hours=2)
    ok(await client.post(f"{API}/models/{model_id}/publish", json={"publishAt": clock.rfc3339(at)}))
    for image in ok(await client.get(f"{API}/model-versions/{version_id}/images")):
        ok(await client.delete(f"{API}/images/{image['id']}"), 204)
    with clock.held_at(at + timedelta(minutes=1)):
        async with client.house.database.unit() as session:
            await publishing.publish_due(session, model_id=model_id)
        await client.run_tasks()
    assert ok(await client.get(f"{API}/me/models/{model_id}"))["status"] == "Draft"
    return model_id


async def test_a_forgotten_draft_is_told_of_once(client: Client) -> None:
    await story.new_program(client, username="keeper")
    model_id = await forgotten(client, "Half a <fox>")
    (mail,) = client.mails
    assert mail.to == "keeper@example.org" and "Half a <fox>" in mail.subject
    assert f"/models/{model_id}/manage" in mail.text and "/account/preferences#mails" in mail.text
    assert f"{clock.now() + aging.NOTICE:%B %Y}" in mail.text and "Half a &lt;fox&gt;" in mail.html
    async with client.house.database.unit() as session:
        assert await aging.warn(session) == 0
    await client.run_tasks()
    assert len(client.mails) == 1


async def test_a_missed_date_is_told_with_what_is_missing(client: Client) -> None:
    await story.new_program(client, username="planner")
    model_id = await missed(client)
    (mail,) = client.mails
    assert mail.to == "planner@example.org" and mail.subject.startswith("Planned")
    assert "a picture" in mail.text and f"/models/{model_id}/review" in mail.text
    assert (await client.page(f"/models/{model_id}/review")).status_code == 200


async def test_mails_are_turned_off_on_the_page_and_on_again(client: Client) -> None:
    await story.new_member(client)
    here = "/account/preferences/mails"
    await client.submit(here, **{"mail-schedule-failed": "true", "mail-collaboration": "true"})
    assert ok(await client.get(f"{API}/me/preferences"))["muted_notifications"] == ["draft-aging"]
    await forgotten(client, "Quiet")
    assert client.mails == []
    await missed(client)
    assert len(client.mails) == 1
    await client.submit(here, **{f"mail-{kind}": "true" for kind in notices.OPTIONAL})
    assert ok(await client.get(f"{API}/me/preferences"))["muted_notifications"] == []
    await forgotten(client, "Loud")
    assert [mail.subject for mail in client.mails[1:]] == ["Your draft Loud will be removed"]


async def test_other_muted_words_are_kept(client: Client) -> None:
    await story.new_member(client)
    ok(await client.patch(f"{API}/me/preferences", json={"muted_notifications": ["new-follower"]}))
    await client.submit("/account/preferences/mails")
    muted = ok(await client.get(f"{API}/me/preferences"))["muted_notifications"]
    assert sorted(muted) == ["collaboration", "draft-aging", "new-follower", "schedule-failed"]


def test_every_optional_mail_has_a_switch() -> None:
    assert [kind for kind, _, _ in MAILS] == list(notices.OPTIONAL)
    assert Preferences().muted_notifications == []

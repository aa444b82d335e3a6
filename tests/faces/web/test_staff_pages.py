"""The staff's pages: who may, what they show, that every ruling is logged."""

from __future__ import annotations

from sqlalchemy import select, text
from tests.factories.accounts import make_person
from tests.factories.catalog import make_file, make_model, make_version
from tests.factories.http import Client
from tests.flows import story

from civitas.domains.accounts.tables import BlocklistEntry, Person, StaffAction
from civitas.domains.catalog.tables import FileScan, Model
from civitas.kit import clock

PAGES = (
    "/staff",
    "/staff/files",
    "/staff/models",
    "/staff/people",
    "/staff/blocklists",
    "/staff/tasks",
    "/staff/log",
)


async def staff(client: Client, role: str = "moderator", name: str = "mod") -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, name, role=role)
    client.sign_out()
    await client.sign_in(person)
    return person


async def deeds(client: Client) -> list[str]:
    async with client.house.database.reading() as session:
        return list((await session.scalars(select(StaffAction.action).order_by(StaffAction.id))).all())


async def test_only_staff_come_in(client: Client) -> None:
    for path in PAGES:
        assert (await client.page(path)).status_code == 303
    await story.new_member(client)
    for path in PAGES:
        assert (await client.page(path)).status_code == 403
    await staff(client)
    for path in PAGES:
        assert (await client.page(path)).status_code == 200, path


async def test_members_cannot_rule(client: Client) -> None:
    person = await story.new_member(client)
    for path in (
        "/staff/people/1/ban",
        "/staff/models/1/approve",
        "/staff/files/1/rescan",
        "/staff/tasks/1/retry",
    ):
        assert (await client.submit(path, reason="because")).status_code == 403, path
    await staff(client)
    assert (await client.submit("/staff/tasks/1/retry")).status_code == 403
    client.headers.pop("x-csrf-token")
    assert (await client.submit(f"/staff/people/{person}/mute", reason="x")).status_code == 403


async def test_held_files_with_reasons_and_another_scan(client: Client) -> None:
    async with client.house.database.unit() as session:
        version = await make_version(session, await make_model(session, name="Odd one"))
        file_id = await make_file(session, version, name="odd.ckpt", scan_status="suspicious")
        await make_file(session, version, name="fine.safetensors")
        session.add(
            FileScan(
                file_id=file_id, verdict="suspicious", duration_s=0.1, scanners={},
                checks=[{"name": "pickle", "verdict": "suspicious", "reason": "It asks for numpy.oddity."}],
                imports=[{"name": "numpy.oddity", "judgement": "suspicious"}],
            )
        )  # fmt: skip
    await staff(client)
    page = await client.page("/staff/files")
    assert "odd.ckpt" in page.text
    assert "fine.safetensors" not in page.text
    assert "It asks for numpy.oddity." in page.text
    assert "odd.ckpt" not in (await client.page("/staff/files?state=dangerous")).text
    await client.submit(f"/staff/files/{file_id}/rescan")
    assert await deeds(client) == ["file.rescan"]


async def test_a_model_is_taken_from_view_reviewed_and_put_back(client: Client) -> None:
    owner = await story.new_member(client, "owner")
    model_id, _ = await story.published(client, name="Debated")
    moderator = await staff(client)
    await client.submit(f"/models/{model_id}/do/unpublish", reason="duplicate", note="of another")
    client.sign_out()
    await client.sign_in(owner)
    page = await client.page(f"/models/{model_id}/manage")
    assert "duplicate" in page.text
    await client.submit(f"/models/{model_id}/do/review", note="It is my own work.")
    client.sign_out()
    await client.sign_in(moderator)
    waiting = await client.page("/staff/models")
    assert "It is my own work." in waiting.text
    lacking = await client.submit(f"/staff/models/{model_id}/decline", reason="")
    assert lacking.status_code == 303
    assert await deeds(client) == ["model.unpublish"]
    await client.submit(f"/staff/models/{model_id}/decline", reason="The hashes say otherwise.")
    assert "Debated" not in (await client.page("/staff/models")).text
    assert "Debated" in (await client.page("/staff/models?all=true")).text
    assert "The hashes say otherwise." in (await client.page(f"/models/{model_id}/history")).text
    await client.submit(f"/staff/models/{model_id}/approve", reason="We were wrong.")
    async with client.house.database.reading() as session:
        assert await session.scalar(select(Model.status).where(Model.id == model_id)) == "Published"
    assert await deeds(client) == ["model.unpublish", "model.decline_review", "model.restore"]
    log = await client.page("/staff/log")
    assert "We were wrong." in log.text
    assert "We were wrong." not in (await client.page("/staff/log?action=ban")).text


async def test_people_are_found_muted_and_banned(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session, "noisy", email="noisy@example.org")
        await make_person(session, "quiet")
    await staff(client)
    assert "noisy" in (await client.page("/staff/people?q=noi")).text
    found = await client.page("/staff/people", q="noisy@example.org")
    assert "noisy" in found.text
    assert "quiet" not in found.text
    path = f"/staff/people/{person}"
    assert (await client.page(path)).status_code == 200
    lacking = await client.submit(f"{path}/mute", days="7", reason="")
    assert lacking.status_code == 400
    await client.submit(f"{path}/mute", days="7", reason="Shouting.")
    await client.submit(f"{path}/unmute", reason="Better now.")
    wrong = await client.submit(f"{path}/ban", code="Nonsense", reason="x")
    assert wrong.status_code == 400
    await client.submit(f"{path}/ban", code="Harassment", reason="Again.")
    async with client.house.database.reading() as session:
        assert await session.scalar(select(Person.status).where(Person.id == person)) == "banned"
    await client.submit(f"{path}/unban", reason="Appeal.")
    assert await deeds(client) == ["mute", "unmute", "ban", "unban"]
    assert (await client.submit(f"{path}/role", role="moderator", reason="x")).status_code == 403
    assert (await client.submit(f"{path}/nonsense", reason="x")).status_code == 400
    assert (await client.page("/staff/people/999999")).status_code == 404


async def test_administrators_give_roles(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session, "helpful")
    await staff(client, "admin", "admin")
    answer = await client.submit(f"/staff/people/{person}/role", role="moderator", reason="Helps a lot.")
    assert answer.status_code == 303, answer.text
    async with client.house.database.reading() as session:
        assert await session.scalar(select(Person.role).where(Person.id == person)) == "moderator"
    odd = await client.submit(f"/staff/people/{person}/role", role="emperor", reason="x")
    assert odd.status_code == 400


async def test_blocklists_grow_and_shrink(client: Client) -> None:
    await staff(client)
    path = "/staff/blocklists/email_domain"
    await client.submit(f"{path}/add", values="mail.example\nother.example", note="Throw-away mail")
    page = await client.page("/staff/blocklists?name=email_domain")
    assert "mail.example" in page.text
    wrong = await client.submit(f"{path}/add", values="not a domain")
    assert wrong.status_code == 400
    assert "not a domain" in wrong.text
    await client.submit(f"{path}/remove", value="mail.example")
    async with client.house.database.reading() as session:
        assert list((await session.scalars(select(BlocklistEntry.value))).all()) == ["other.example"]
    assert await deeds(client) == ["blocklist.add", "blocklist.remove"]
    assert (await client.submit("/staff/blocklists/nonsense/add", values="x")).status_code == 400


async def test_failed_tasks_are_tried_again_or_forgotten_by_administrators(client: Client) -> None:
    async with client.house.database.unit() as session:
        ids = []
        for number in range(2):
            made = await session.execute(
                text(
                    "INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args, status) "
                    "VALUES ('default', 'civitas.nothing', '{}', 'failed') RETURNING id"
                )
            )
            ids.append(made.scalar_one())
            await session.execute(
                text(
                    "INSERT INTO task_failures (task_id, name, error, attempts, final, arguments, failed_at) "
                    "VALUES (:id, 'a.task', :error, 6, true, '{\"n\": 1}', :now)"
                ),
                {"id": ids[-1], "error": f"Broken {number}", "now": clock.now()},
            )
    await staff(client, "admin", "admin")
    page = await client.page("/staff/tasks")
    assert "Broken 0" in page.text
    await client.submit(f"/staff/tasks/{ids[0]}/retry", name="a.task")
    await client.submit(f"/staff/tasks/{ids[1]}/discard", name="a.task")
    assert "Nothing failed" in (await client.page("/staff/tasks")).text
    assert await deeds(client) == ["task.retry", "task.discard"]
    assert (await client.submit(f"/staff/tasks/{ids[1]}/retry")).status_code == 404

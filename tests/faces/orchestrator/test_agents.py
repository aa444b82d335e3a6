"""The protocol of agents over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import select, text, update
from tests.factories.http import Client
from tests.factories.orchestration import MadeAgent, make_agent, make_job, make_step, make_workflow
from tests.factories.workflows import draw, look, purse, run, step, submitter

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.buzz.ledger.tables import Hold
from civitas.domains.orchestration.agent_tables import AgentRate, ClaimUpload
from civitas.domains.orchestration.dispatch import agents, reporting, tasks, tending
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, JobClaim, Workflow
from civitas.domains.orchestration.types import Status
from civitas.faces.orchestrator.polling import Polling
from civitas.kit import clock

PNG = b"\x89PNG\r\n\x1a\n" + bytes(5000)
SHA256 = hashlib.sha256(PNG).hexdigest()


def bearer(agent: MadeAgent) -> dict[str, str]:
    return {"authorization": f"Bearer {agent.token}"}


async def made(client: Client, *capabilities: str, slots: int = 4) -> MadeAgent:
    async with client.house.database.unit() as session:
        return await make_agent(session, *capabilities, slots=slots)


async def job_made(client: Client, capability: str = "convertImage", **columns: Any) -> str:
    async with client.house.database.unit() as session:
        return await make_job(session, capability, **columns)


async def column(client: Client, what: Any, job: str) -> Any:
    async with client.house.database.reading() as session:
        return await session.scalar(select(what).where(Job.id == job))


async def claim(client: Client, agent: MadeAgent, free: int = 1, wait_s: float = 0) -> list[dict[str, Any]]:
    answer = await client.post(
        "/v2/agents/claims", headers=bearer(agent), json={"free": free, "waitS": wait_s}
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["jobs"])


def polling(client: Client) -> Polling:
    found: Polling = client.app.state.polling
    return found


async def post(client: Client, agent: MadeAgent, path: str, **words: Any) -> httpx.Response:
    return await client.post(f"/v2/agents/{path}", headers=bearer(agent), json=words)


def succeeded(**words: Any) -> dict[str, Any]:
    return {"outcome": "succeeded", "output": {}, "seconds": 0.5, **words}


async def put(
    client: Client, agent: MadeAgent, claim: int, slot: int = 0, body: Any = PNG, **headers: str
) -> httpx.Response:
    return await client.put(
        f"/v2/agents/claims/{claim}/blobs/{slot}",
        headers=bearer(agent) | {"content-type": "image/png"} | headers,
        content=body,
    )


async def with_slot(client: Client) -> tuple[str, str]:
    """A job with one slot for a picture, and the id of the blob."""
    async with client.house.database.unit() as session:
        workflow = await make_workflow(session)
        step = await make_step(session, workflow, "convertImage")
        person = await session.scalar(select(Workflow.person_id).where(Workflow.id == workflow))
        blob = f"blob_{workflow[3:]}"
        job = await make_job(session, person=person, workflow=workflow, step=step, slots=[blob])
        session.add(
            MediaBlob(
                id=blob,
                person_id=person,
                workflow_id=workflow,
                job_id=job,
                kind="image",
                created_at=clock.now(),
            )
        )
        return job, blob


@pytest.mark.parametrize("path", ["register", "heartbeat", "claims", "claims/1/progress", "claims/1/result"])
async def test_without_a_token_there_is_nothing(client: Client, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer civa_nothing"}, {"authorization": "Basic x"}):
        answer = await client.post(f"/v2/agents/{path}", headers=headers, json={})
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "bad_agent_token" and answer.json()["status"] == 401


async def test_a_persons_key_is_no_agents_token(client: Client) -> None:
    from tests.factories.accounts import make_person

    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.use_key(person)
    assert (await client.post("/v2/agents/heartbeat", json={"claims": []})).status_code == 401


async def test_registering_and_heartbeats(client: Client) -> None:
    async with client.house.database.unit() as session:
        number, token = await agents.make(session, SYSTEM, name="box")
    agent = MadeAgent(number, token)
    early = await post(client, agent, "claims", free=1, waitS=0)
    assert (early.status_code, early.json()["code"]) == (409, "not_registered")
    said = await post(
        client, agent, "register", name="box", capabilities=["convertImage"], slots=2, newer="field"
    )
    assert said.json() == {"agentId": number, "heartbeatS": 10.0, "leaseS": 45.0}
    beat = await post(client, agent, "heartbeat", claims=[7])
    assert beat.json() == {"wish": "work", "lost": [7]}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"free": 0}', b'{"free": 1, "waitS": 61}', b'{"free": "many"}', b"\xff\xfe"]
)
async def test_bad_messages_are_told(client: Client, body: bytes) -> None:
    agent = await made(client)
    answer = await client.post("/v2/agents/claims", headers=bearer(agent), content=body)
    assert answer.status_code == 400 and answer.json()["code"] == "bad_message" and answer.json()["errors"]


async def test_messages_are_bounded(client: Client) -> None:
    agent = await made(client)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(2**20)

    answer = await client.post("/v2/agents/claims", headers=bearer(agent), content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    answer = await client.post(
        "/v2/agents/claims", headers=bearer(agent) | {"content-length": str(2**40)}, content=b"{}"
    )
    assert answer.status_code == 413


async def test_a_whole_job(client: Client) -> None:
    agent = await made(client)
    job, blob = await with_slot(client)
    (got,) = await claim(client, agent)
    number = got["claim"]
    assert (got["id"], got["capability"], got["slots"], got["attempt"]) == (job, "convertImage", 1, 1)
    for phase, fraction in (("preparing", 0.5), ("processing", 0.1), ("processing", 0.6)):
        said = await post(
            client, agent, f"claims/{number}/progress", phase=phase, fraction=fraction, note=f"now {phase}"
        )
        assert said.status_code == 204, said.text
        assert await column(client, Job.note, job) == f"now {phase}"
        assert await column(client, Job.status, job) == phase
        assert await column(client, Job.progress, job) == fraction
    seen = await client.put(
        f"/v2/agents/claims/{number}/preview",
        headers=bearer(agent) | {"content-type": "image/png"},
        content=PNG,
    )
    assert seen.status_code == 204
    key = await column(client, Job.preview, job)
    assert await client.store.read_range(key, 0, 8) == PNG[:8]
    uploaded = await put(client, agent, number, **{"x-content-sha256": SHA256})
    assert uploaded.json() == {"slot": 0, "size": len(PNG), "sha256": SHA256}
    done = await post(
        client,
        agent,
        f"claims/{number}/result",
        result=succeeded(
            output={"blob": {"$blob": 0}},
            delivered=[
                {"slot": 0, "kind": "image", "mediaType": "image/png", "size": len(PNG), "sha256": SHA256}
            ],
        ),
    )
    assert done.status_code == 204, done.text
    assert await column(client, Job.status, job) == "succeeded"
    assert await column(client, Job.output, job) == {"blob": {"$blob": blob}}
    async with client.house.database.reading() as session:
        found = (await session.scalars(select(MediaBlob).where(MediaBlob.id == blob))).one()
        assert found.size == len(PNG) and found.available_at is not None
        assert await client.store.read_range(str(found.storage_key), 0, 8) == PNG[:8]
        (state,) = await session.scalars(select(JobClaim.state).where(JobClaim.job_id == job))
        assert state == "won"
        rate = (await session.scalars(select(AgentRate).where(AgentRate.agent_id == agent.id))).one()
        assert rate.succeeded == 1 and rate.speed is not None and rate.failure == 0
        assert not list(await session.scalars(select(ClaimUpload)))


async def test_a_claim_that_is_over_has_no_say(client: Client) -> None:
    agent, other = await made(client), await made(client)
    job, _ = await with_slot(client)
    (got,) = await claim(client, agent)
    number = got["claim"]

    async def everything(who: MadeAgent) -> set[int]:
        answers = [
            await post(client, who, f"claims/{number}/progress", fraction=0.5),
            await post(client, who, f"claims/{number}/result", result=succeeded()),
            await post(client, who, f"claims/{number}/result", result={"outcome": "failed", "reason": "x"}),
            await post(client, who, f"claims/{number}/result", result={"outcome": "rejected", "reason": "x"}),
            await put(client, who, number),
            await client.put(
                f"/v2/agents/claims/{number}/preview",
                headers=bearer(who) | {"content-type": "image/png"},
                content=PNG,
            ),
        ]
        assert {answer.json()["code"] for answer in answers} == {"claim_ended"}
        return {answer.status_code for answer in answers}

    # Another agent's claim is as good as none.
    assert await everything(other) == {410}
    assert await column(client, Job.status, job) == "scheduled"
    async with client.house.database.unit() as session:
        await session.execute(
            update(JobClaim)
            .where(JobClaim.id == number)
            .values(leased_until=clock.now() - timedelta(seconds=1))
        )
    await tending.lapsed(client.house.database)
    assert await column(client, Job.status, job) == "unassigned"
    (again,) = await claim(client, other)
    assert again["id"] == job and again["claim"] != number
    assert await everything(agent) == {410}
    beat = await post(client, agent, "heartbeat", claims=[number])
    assert beat.json()["lost"] == [number]
    assert await column(client, Job.agent_id, job) == other.id
    done = await post(client, other, f"claims/{again['claim']}/result", result=succeeded())
    assert done.status_code == 204
    assert (
        await post(client, other, f"claims/{again['claim']}/result", result=succeeded())
    ).status_code == 410


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"size": 1}, {}),
        ({"sha256": "0" * 64}, {}),
        ({"slot": 1}, {}),
        ({"slot": 7}, {}),
        ({"kind": "video"}, {}),
        ({}, {"output": {"$blob": 3}}),
        ({}, {"output": {"$blob": True}}),
        ({}, {"output": {"text": "a\x00b"}}),
        ({}, {"output": {"again": {"again": {}}}, "delivered": []}),
    ],
)
async def test_lies_about_results_change_nothing(
    client: Client, lie: dict[str, Any], words: dict[str, Any]
) -> None:
    agent = await made(client)
    job, _ = await with_slot(client)
    (got,) = await claim(client, agent)
    await put(client, agent, got["claim"])
    true = {"slot": 0, "kind": "image", "mediaType": "image/png", "size": len(PNG), "sha256": SHA256}
    if words.get("delivered") == []:
        words = {"output": {"blob": {"$blob": 0}}, "delivered": []}
    said = succeeded(**({"output": {"blob": {"$blob": 0}}, "delivered": [true | lie]} | words))
    answer = await post(client, agent, f"claims/{got['claim']}/result", result=said)
    assert answer.status_code == 400, answer.text
    assert await column(client, Job.status, job) == "scheduled"
    honest = succeeded(output={"blob": {"$blob": 0}}, delivered=[true])
    assert (await post(client, agent, f"claims/{got['claim']}/result", result=honest)).status_code == 204


async def test_uploads_that_are_not_what_was_said(client: Client) -> None:
    agent = await made(client)
    await with_slot(client)
    (got,) = await claim(client, agent)
    number = got["claim"]
    for answer, code in (
        (await put(client, agent, number, **{"x-content-sha256": "0" * 64}), "bad_upload"),
        (await put(client, agent, number, body=b""), "bad_upload"),
        (await put(client, agent, number, slot=1), "no_such_slot"),
        (await put(client, agent, number, **{"content-length": str(2**42)}), "too_large"),
    ):
        assert answer.json()["code"] == code
    assert [key async for key in client.store.list_prefix("orchestration")] == []
    first, second = b"first" * 100, b"second" * 100
    for body in (first, second):
        assert (await put(client, agent, number, body=body)).status_code == 200
    sha256 = hashlib.sha256(second).hexdigest()
    one = {"slot": 0, "kind": "image", "mediaType": "image/png", "size": len(second), "sha256": sha256}
    said = succeeded(output={"blob": {"$blob": 0}}, delivered=[one])
    assert (await post(client, agent, f"claims/{number}/result", result=said)).status_code == 204
    async with client.house.database.unit() as session:
        await session.execute(text("UPDATE claim_uploads SET created_at = created_at - interval '1 day'"))
    await tasks.sweep_uploads(client.context)
    kept = [found.key async for found in client.store.list_prefix("orchestration")]
    assert len(kept) == 1 and await client.store.read_range(kept[0], 0, 100) == second[:100]


async def test_failures_and_rejections(client: Client) -> None:
    one, two = await made(client), await made(client)
    job = await job_made(client)
    (got,) = await claim(client, one)
    said = {"outcome": "rejected", "reason": "not today"}
    assert (await post(client, one, f"claims/{got['claim']}/result", result=said)).status_code == 204
    assert await claim(client, one) == []
    (again,) = await claim(client, two)
    said = {"outcome": "failed", "reason": "the picture is broken", "seconds": 0.1}
    assert (await post(client, two, f"claims/{again['claim']}/result", result=said)).status_code == 204
    assert await column(client, Job.status, job) == "failed"
    async with client.house.database.reading() as session:
        rates = {rate.agent_id: rate for rate in await session.scalars(select(AgentRate))}
        # A rejection counts for nothing.
        assert set(rates) == {two.id} and rates[two.id].failed == 1


async def test_of_racers_the_first_wins(client: Client) -> None:
    agents = [await made(client) for _ in range(3)]
    job = await job_made(client, racers=3)
    claims = [(await claim(client, agent))[0]["claim"] for agent in agents]
    fails = {"outcome": "failed", "reason": "slipped"}
    assert (await post(client, agents[0], f"claims/{claims[0]}/result", result=fails)).status_code == 204
    assert await column(client, Job.status, job) != "failed"
    won = await post(client, agents[1], f"claims/{claims[1]}/result", result=succeeded(output={"by": 1}))
    assert won.status_code == 204
    late = await post(client, agents[2], f"claims/{claims[2]}/result", result=succeeded(output={"by": 2}))
    assert late.status_code == 410
    assert await column(client, Job.output, job) == {"by": 1}
    assert (await post(client, agents[2], "heartbeat", claims=[claims[2]])).json()["lost"] == [claims[2]]


async def test_whoever_waits_gets_what_comes(client: Client) -> None:
    agent = await made(client)
    began = asyncio.get_running_loop().time()
    waits = asyncio.create_task(claim(client, agent, wait_s=20))
    await asyncio.sleep(0.3)
    assert polling(client).waiting == 1
    job = await job_made(client)
    assert [one["id"] for one in await waits] == [job]
    assert asyncio.get_running_loop().time() - began < 5
    assert await claim(client, agent, wait_s=0.2) == []
    assert polling(client).waiting == 0


async def test_wishes_reach_those_who_wait(client: Client) -> None:
    agent = await made(client)
    waits = asyncio.create_task(post(client, agent, "claims", free=1, waitS=20))
    await asyncio.sleep(0.3)
    async with client.house.database.unit() as session:
        await agents.want(session, SYSTEM, agent_id=agent.id, wish=agents.wire.Wish.DRAIN)
    assert (await asyncio.wait_for(waits, 10)).json() == {"wish": "drain", "jobs": []}


async def test_what_came_for_one_who_left_goes_to_others(client: Client) -> None:
    agent = await made(client)
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asks = asyncio.create_task(polling(client).ask(agent.id, free=1, wait_s=20, gone=gone))
    await asyncio.sleep(0.2)
    gone.set_result(None)
    assert not (await asks).jobs and polling(client).waiting == 0
    job = await job_made(client)
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left.set_result(None)
    await polling(client).ask(agent.id, free=1, wait_s=20, gone=left)
    (got,) = await claim(client, agent, wait_s=5)
    assert got["id"] == job


async def test_no_provider(client: Client) -> None:
    await made(client, "convertImage")
    served, alone = await job_made(client), await job_made(client, "videoGen/none")
    rules = AgentRules(no_provider_s=60)
    assert await tending.unserved(client.house.database, rules) == 0
    with clock.held_at(clock.now() + timedelta(seconds=30)):
        assert await tending.unserved(client.house.database, rules) == 0
    helper = await made(client, "videoGen/*")
    with clock.held_at(clock.now() + timedelta(seconds=40)):
        # Somebody came; the time begins anew when they are gone.
        assert await tending.unserved(client.house.database, rules) == 0
        assert await column(client, Job.unserved_since, alone) is None
    async with client.house.database.unit() as session:
        await agents.revoke(session, SYSTEM, agent_id=helper.id)
    with clock.held_at(clock.now() + timedelta(seconds=41)):
        assert await tending.unserved(client.house.database, rules) == 0
    async with client.house.database.unit() as session:
        await session.execute(text("UPDATE agents SET seen_at = now() + interval '200 s'"))
    with clock.held_at(clock.now() + timedelta(seconds=120)):
        assert await tending.unserved(client.house.database, rules) == 1
    assert await column(client, Job.status, alone) == "failed"
    assert await column(client, Job.reason, alone) == "no_provider_available"
    assert await column(client, Job.status, served) == "unassigned"


async def test_a_job_that_agents_fall_silent_over_ends(client: Client) -> None:
    job = await job_made(client)
    for _ in range(5):
        agent = await made(client)
        (got,) = await claim(client, agent)
        assert got["id"] == job
        async with client.house.database.unit() as session:
            await session.execute(
                text("UPDATE job_claims SET leased_until = now() - interval '1 s' WHERE state = 'open'")
            )
        await tending.lapsed(client.house.database)
    assert await column(client, Job.status, job) == "failed"
    assert await column(client, Job.reason, job) == "timeout"


async def test_files_and_media_come_with_links(client: Client) -> None:
    agent = await made(client, "textToImage/*")
    async with client.house.database.unit() as session:
        actor = await submitter(session, yellow=1000)
        template = await draw(session)
        await run(session, actor, template)
    (got,) = await claim(client, agent)
    (resource,) = got["resources"]
    assert resource["air"] == template.input["model"] and resource["type"] == "Checkpoint"
    assert (
        len(resource["sha256"]) == 64 and resource["sha256"].isupper() and resource["url"].startswith("http")
    )
    assert "fileId" not in resource and got["slots"] == 1 and got["mostBytes"] > 0


async def test_a_job_whose_file_is_gone_ends(client: Client) -> None:
    agent = await made(client, "textToImage/*")
    async with client.house.database.unit() as session:
        actor = await submitter(session, yellow=1000)
        workflow = await run(session, actor, await draw(session))
        before = await purse(session, actor)
        await session.execute(text("UPDATE model_files SET removed_at = now()"))
    assert await claim(client, agent) == []
    async with client.house.database.unit() as session:
        found = await look(session, actor, workflow)
        assert found.status is Status.FAILED and found.steps[0].reason == "invalid_input"
        assert (await purse(session, actor))["yellow"] > before["yellow"]


async def test_a_look_that_fails_is_repeated(client: Client) -> None:
    agent = await made(client)
    job = await job_made(client)
    real = polling(client)
    fails = [RuntimeError("a mistake of ours"), OSError("the database is away")]

    class Failing:
        def unit(self) -> Any:
            if fails:
                raise fails.pop()
            return client.house.database.unit()

    mine = Polling(cast(Any, Failing()), real.reads, real.settings)
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer = await asyncio.wait_for(mine.ask(agent.id, free=1, wait_s=20, gone=never), 15)
    assert [one.job_id for one in answer.jobs] == [job] and not fails
    await mine.closed()


def _ok(claim: int) -> dict[str, Any]:
    return {"claim": claim, "result": {"outcome": "succeeded", "output": {"text": "done"}, "seconds": 0.1}}


async def test_results_that_are_told_together_are_taken_one_by_one(client: Client) -> None:
    agent, other = await made(client, "mediaCaptioning", slots=8), await made(client, "mediaCaptioning")
    jobs = [await job_made(client, "mediaCaptioning") for _ in range(4)]
    held = {job["id"]: job["claim"] for job in await claim(client, agent, free=3)}
    (foreign,) = await claim(client, other)
    first, second, third = (held[job] for job in jobs if job in held)
    said = [
        _ok(third),
        _ok(foreign["claim"]),
        {
            "claim": second,
            "result": {"outcome": "succeeded", "output": {"image": {"$blob": 3}}, "seconds": 0.1},
        },
        {"claim": first, "result": {"outcome": "rejected", "reason": "not now"}},
        _ok(10**9),
    ]
    answer = await client.post("/v2/agents/results", headers=bearer(agent), json={"results": said})
    assert answer.status_code == 200, answer.text
    heard = answer.json()["results"]
    assert [one["claim"] for one in heard] == [one["claim"] for one in said]
    assert [(one["status"], one["code"]) for one in heard] == [
        (204, None),
        (410, "claim_ended"),
        (400, "bad_result"),
        (204, None),
        (410, "claim_ended"),
    ]
    by_claim = {claim: job for job, claim in held.items()}
    assert await column(client, Job.status, by_claim[third]) == "succeeded"
    assert await column(client, Job.status, by_claim[second]) == "scheduled"
    assert await column(client, Job.status, by_claim[first]) == "unassigned"
    assert await column(client, Job.status, foreign["id"]) == "scheduled"
    # Told again, it is known to be over; what was refused may be told rightly.
    again = await client.post(
        "/v2/agents/results", headers=bearer(agent), json={"results": [_ok(third), _ok(second)]}
    )
    assert [one["status"] for one in again.json()["results"]] == [410, 204]


async def test_a_claim_stands_once_among_results(client: Client) -> None:
    agent = await made(client, "mediaCaptioning")
    await job_made(client, "mediaCaptioning")
    (job,) = await claim(client, agent)
    answer = await client.post(
        "/v2/agents/results", headers=bearer(agent), json={"results": [_ok(job["claim"]), _ok(job["claim"])]}
    )
    assert answer.status_code == 400 and answer.json()["code"] == "bad_message"
    assert await column(client, Job.status, job["id"]) == "scheduled"


async def test_what_ends_together_is_paid_each_for_itself(client: Client) -> None:
    agent = await made(client, "promptEnhancement", "promptEnhancement/*", slots=8)
    words = [step("promptEnhancement", {"ecosystem": "sd1", "prompt": f"a cat {n}"}) for n in range(2)]
    async with client.house.database.unit() as session:
        people = [await submitter(session) for _ in range(3)]
        before = [await purse(session, one) for one in people]
        # The second has two jobs that end in the same call.
        ids = [await run(session, one, *words[: 1 + (n == 1)]) for n, one in enumerate(people)]
        # What the third one's hold held went back before its work was done.
        await session.execute(
            update(Hold).where(Hold.person_id == people[2].id).values(expires_at=clock.now())
        )
    held = await claim(client, agent, free=8)
    output = {"enhancedPrompt": "a cat, sharp", "issues": [], "recommendations": []}
    said = [{"claim": job["claim"], "result": succeeded(output=output)} for job in held]
    answer = await client.post("/v2/agents/results", headers=bearer(agent), json={"results": said})
    assert [one["status"] for one in answer.json()["results"]] == [204] * 4
    async with client.house.database.reading() as session:
        found = [await look(session, one, id) for one, id in zip(people, ids, strict=True)]
        spent = [
            sum(was.values()) - sum((await purse(session, one)).values())
            for was, one in zip(before[:2], people[:2], strict=True)
        ]
        rate = (
            await session.execute(
                select(AgentRate.succeeded, AgentRate.speed).where(AgentRate.agent_id == agent.id)
            )
        ).one()
    assert {one.status for one in found} == {Status.SUCCEEDED}
    price = found[0].steps[0].price
    assert [one.captured for one in found] == [price, 2 * price, 0] and spent == [price / 4, price / 2]
    assert rate.succeeded == 4 and rate.speed > 0
    again = await client.post("/v2/agents/results", headers=bearer(agent), json={"results": said})
    assert [one["status"] for one in again.json()["results"]] == [410] * 4


def test_what_is_measured_together_counts_as_if_it_came_one_by_one() -> None:
    speed = 4.0
    for one in (1.0, 2.0, 9.0):
        speed += 0.2 * (one - speed)
    kept = 0.8**3
    assert kept * 4.0 + (1 - kept) * reporting.mean([1.0, 2.0, 9.0]) == pytest.approx(speed)

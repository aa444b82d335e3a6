"""The life of an agent, against a small orchestrator."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.engines.agent.conftest import Start, TestBench
from tests.engines.agent.site import Site, sha256, until

from civitas.contracts.wire.jobs import Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.agent.loop import Agent, Habits
from civitas.kit.errors import Unauthorised, Unavailable


async def echo(job: Job, desk: Desk) -> Succeeded:
    return desk.done({"said": job.input})


async def test_a_job_comes_and_its_result_goes(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        source = await desk.media(job.input["image"])
        weights = await desk.resource("urn:air:x")
        await desk.progress(0.5, "half")
        await desk.preview(b"small")
        made = source.read_bytes()[::-1] + weights.read_bytes()
        desk.warn("It was turned round.")
        blob = await desk.deliver(0, made, kind=MediaKind.IMAGE, media_type="image/png", width=2, height=3)
        await asyncio.sleep(0.05)
        return desk.done({"blob": blob})

    claim = site.submit(
        "task",
        {"image": "media:0"},
        media=[site.media(b"abc" * 1000, "image/png")],
        resources=[site.resource("urn:air:x", b"weights")],
    )
    async with start(TestBench(work), name="box", hardware={"gpu": "none"}):
        result = await until(lambda: claim.result)
    made = (b"abc" * 1000)[::-1] + b"weights"
    assert claim.blobs == {0: made}
    assert result["outcome"] == "succeeded"
    assert result["output"] == {"blob": {"$blob": 0}}
    assert result["warnings"] == ["It was turned round."]
    assert result["delivered"] == [
        {
            "slot": 0,
            "kind": "image",
            "mediaType": "image/png",
            "size": len(made),
            "sha256": sha256(made),
            "width": 2,
            "height": 3,
            "durationS": None,
        }
    ]
    assert claim.previews == [b"small"]
    assert claim.progress[-1]["fraction"] == 0.5
    assert site.registrations[0]["name"] == "box"
    assert site.registrations[0]["capabilities"] == ["task"]
    assert site.registrations[0]["hardware"]["gpu"] == "none"


async def test_as_many_jobs_run_at_once_as_there_are_slots(site: Site, start: Start) -> None:
    running = most = 0

    async def work(job: Job, desk: Desk) -> Succeeded:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return desk.done({})

    claims = [site.submit("task", {"n": number}) for number in range(20)]
    async with start(TestBench(work), slots=3) as agent:
        await until(lambda: all(claim.result for claim in claims))
    assert most == 3
    # What ended while another result was being told was told with its like.
    assert all(2 <= count <= 3 for count in site.together)
    assert agent.board.outcomes == {"succeeded": 20}
    assert agent.board.free == 3


@pytest.mark.parametrize(
    ("raised", "outcome", "transient"),
    [
        (JobFailed("The picture is broken."), "failed", False),
        (JobFailed("Later.", transient=True), "failed", True),
        (JobRejected("Not with this card."), "rejected", None),
        (MemoryError(), "failed", True),
        (ValueError("an engine's own mistake"), "failed", True),
        (TimeoutError(), "failed", True),
        (RecursionError(), "failed", True),
    ],
)
async def test_one_bad_job_harms_no_other(
    site: Site, start: Start, raised: Exception, outcome: str, transient: bool | None
) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        if job.input["bad"]:
            raise raised
        return desk.done({})

    bad, good = site.submit("task", {"bad": True}), site.submit("task", {"bad": False})
    async with start(TestBench(work)):
        await until(lambda: good.result)
    assert bad.result is not None and good.result is not None
    assert bad.result["outcome"] == outcome
    assert bad.result.get("transient") == transient
    assert good.result["outcome"] == "succeeded"


async def test_a_lost_claim_stops_the_work_at_once(site: Site, start: Start) -> None:
    began, stopped, thread_saw = asyncio.Event(), asyncio.Event(), threading.Event()

    async def work(job: Job, desk: Desk) -> Succeeded:
        if job.input:
            return desk.done({})

        def grind() -> None:
            while not desk.stopped:
                pass
            thread_saw.set()

        grinding = asyncio.create_task(asyncio.to_thread(grind))
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise
        finally:
            del grinding
        return desk.done({})

    lost = site.submit("task", {})
    async with start(TestBench(work)) as agent:
        await began.wait()
        lost.lost = True
        async with asyncio.timeout(2):
            await stopped.wait()
        following = site.submit("task", {"quick": True})
        await until(lambda: following.result)
        assert await until(thread_saw.is_set)
    assert lost.result is None
    assert agent.board.outcomes == {"lost": 1, "succeeded": 1}


async def test_progress_that_is_gone_stops_the_work_too(site: Site, start: Start) -> None:
    site.heartbeat_s = 60
    stopped = asyncio.Event()

    async def work(job: Job, desk: Desk) -> Succeeded:
        claim.lost = True
        try:
            await desk.progress(0.1)
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return desk.done({})

    claim = site.submit("task", {})
    async with start(TestBench(work)):
        async with asyncio.timeout(2):
            await stopped.wait()


async def test_a_result_that_nobody_wants_is_let_go(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        if job.input:
            claim.lost = True
            await desk.deliver(0, b"x", kind=MediaKind.FILE, media_type="text/plain")
        return desk.done({})

    claim = site.submit("task", {"late": True})
    following = site.submit("task", {})
    async with start(TestBench(work)) as agent:
        await until(lambda: following.result)
    assert agent.board.outcomes == {"lost": 1, "succeeded": 1}
    assert claim.blobs == {}


async def test_it_comes_back_when_the_server_does(site: Site, start: Start) -> None:
    site.away = True
    async with start(TestBench(echo)) as agent:
        await until(lambda: agent.board.trouble)
        assert agent.board.state == "connecting"
        site.away = False
        first = site.submit("task", {"n": 1})
        await until(lambda: first.result)
        site.away = True
        await until(lambda: agent.board.state == "connecting")
        site.away = False
        second = site.submit("task", {"n": 2})
        await until(lambda: second.result)
    assert len(site.registrations) == 1


async def test_a_result_waits_for_the_server(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        site.away = True
        return desk.done({"kept": True})

    claim = site.submit("task", {})
    async with start(TestBench(work)):
        await until(lambda: site.away)
        await asyncio.sleep(0.2)
        assert claim.result is None
        site.away = False
        result = await until(lambda: claim.result)
    assert result["output"] == {"kept": True}


async def test_an_upload_is_tried_again(site: Site, start: Start, tmp_path: Path) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        made = desk.folder / "made.bin"
        made.write_bytes(b"y" * 100_000)
        blob = await desk.deliver(0, made, kind=MediaKind.FILE, media_type="application/octet-stream")
        return desk.done({"file": blob})

    site.refuse_uploads = 1
    claim = site.submit("task", {})
    async with start(TestBench(work)):
        await until(lambda: claim.result)
    assert claim.blobs[0] == b"y" * 100_000


async def test_whoever_is_forgotten_registers_again(site: Site, start: Start) -> None:
    async with start(TestBench(echo)):
        await until(lambda: site.heartbeats)
        site.known = False
        await until(lambda: len(site.registrations) == 2)
        claim = site.submit("task", {})
        await until(lambda: claim.result)


async def test_a_wish_to_pause_is_followed(site: Site, start: Start) -> None:
    async with start(TestBench(echo)) as agent:
        first = site.submit("task", {})
        site.wish = "pause"
        await until(lambda: agent.board.state == "paused")
        # Claimed in the answer that brought the wish, or waiting.
        second = site.submit("task", {})
        await asyncio.sleep(0.2)
        assert second.result is None
        site.wish = "work"
        await until(lambda: second.result and first.result)


async def test_a_wish_to_drain_ends_it(site: Site, tmp_path: Path) -> None:
    site.wish = "drain"
    agent = _agent(site, tmp_path, TestBench(echo))
    async with asyncio.timeout(5):
        await agent.run()
    assert agent.board.state == "draining"


async def test_draining_finishes_what_is_claimed(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        await asyncio.sleep(0.2)
        return desk.done({})

    claims = [site.submit("task", {}) for _ in range(2)]
    async with start(TestBench(work)) as agent:
        await until(lambda: agent.board.running)
    assert claims[0].result is not None and claims[0].result["outcome"] == "succeeded"
    assert claims[1].result is None and len(site.queue) == 1


async def test_what_is_not_done_in_time_goes_back(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        await asyncio.sleep(60)
        return desk.done({})

    claim = site.submit("task", {})
    engine = TestBench(work)
    async with start(engine, drain_s=0.1) as agent:
        await until(lambda: agent.board.running)
    assert claim.result is None and claim.lost
    assert len(site.registrations) == 2
    assert engine.closed == 1


async def test_what_it_cannot_run_it_hands_back(site: Site, start: Start) -> None:
    claim = site.submit("other", {})
    fits = site.submit("task/deep", {}, capability="task/deep")
    async with start(TestBench(echo, "task/*")):
        await until(lambda: fits.result)
    assert claim.result is not None and claim.result["outcome"] == "rejected"
    assert fits.result is not None and fits.result["outcome"] == "succeeded"


async def test_a_job_whose_time_is_over_fails(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        await asyncio.sleep(60)
        return desk.done({})

    claim = site.submit("task", {}, expires_at="2020-01-01T00:00:00Z")
    async with start(TestBench(work)):
        result = await until(lambda: claim.result)
    assert (result["outcome"], result["transient"]) == ("failed", False)


async def test_several_engines_work_side_by_side(site: Site, start: Start) -> None:
    async def other(job: Job, desk: Desk) -> Succeeded:
        return desk.done({"by": "the other"})

    mine, theirs = site.submit("task", {"n": 1}), site.submit("draw", {}, capability="draw/sdxl")
    async with start(TestBench(echo), TestBench(other, "draw/*"), slots=2):
        await until(lambda: mine.result and theirs.result)
    assert site.registrations[0]["capabilities"] == ["draw/*", "task"]
    assert mine.result is not None and mine.result["output"] == {"said": {"n": 1}}
    assert theirs.result is not None and theirs.result["output"] == {"by": "the other"}


async def test_resources_are_reported_as_they_come(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        with pytest.raises(JobFailed, match="does not come"):
            await desk.resource("urn:air:y")
        return desk.done({"size": (await desk.resource("urn:air:x")).stat().st_size})

    link = site.resource("urn:air:x", b"weights")
    first = site.submit("task", {}, resources=[link])
    async with start(TestBench(work)):
        await until(lambda: first.result)
        told = await until(lambda: [beat["resources"] for beat in site.heartbeats if beat["resources"]])
        silent = len(site.heartbeats)
        await until(lambda: len(site.heartbeats) > silent + 2)
    assert told == [[link.sha256]]
    assert site.heartbeats[-1]["resources"] is None
    again = site.submit("task", {}, resources=[link])
    async with start(TestBench(work)):
        await until(lambda: again.result)
    assert site.registrations[1]["resources"] == [link.sha256]
    assert len(site.downloads) == 1


async def test_a_digest_that_is_none_names_no_file(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        await desk.resource("urn:air:x")
        return desk.done({})

    link = site.resource("urn:air:x", b"weights").model_copy(update={"sha256": "../../" + "x" * 58})
    claim = site.submit("task", {}, resources=[link])
    async with start(TestBench(work)):
        result = await until(lambda: claim.result)
    assert result["outcome"] == "failed" and "digest" in result["reason"]


async def test_slots_are_checked(site: Site, start: Start) -> None:
    async def work(job: Job, desk: Desk) -> Succeeded:
        size = job.input["size"]
        await desk.deliver(job.input["slot"], b"z" * size, kind=MediaKind.FILE, media_type="text/plain")
        return desk.done({})

    beyond = site.submit("task", {"slot": 1, "size": 1})
    large = site.submit("task", {"slot": 0, "size": 101}, most_bytes=100)
    async with start(TestBench(work)):
        await until(lambda: large.result)
    for claim in (beyond, large):
        assert claim.result is not None and claim.result["outcome"] == "failed"
        assert claim.blobs == {}


async def test_a_token_that_does_not_hold_is_said(site: Site, tmp_path: Path) -> None:
    site.token = "another"
    with pytest.raises(Unauthorised, match="token"):
        await _agent(site, tmp_path, TestBench(echo)).run()


async def test_engines_that_cannot_work_are_left_out(site: Site, tmp_path: Path) -> None:
    class Broken(TestBench):
        async def open(self) -> None:
            raise JobRejected("no card")

    with pytest.raises(Unavailable):
        await _agent(site, tmp_path, Broken(echo)).run()


def _agent(site: Site, folder: Path, *engines: Any) -> Agent:
    habits = Habits(
        name="under test",
        server="http://site",
        token="agent-token",
        slots=1,
        cache=folder / "cache",
        cache_bytes=1_000_000,
        most_media_bytes=1_000_000,
        drain_s=1.0,
    )
    return Agent(habits, engines, transport=site)

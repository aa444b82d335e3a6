"""Jobs in actors of a Ray cluster, which the test starts on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.engines.media.made import TestDesk, job, picture, saved

from civitas.app import agent as room
from civitas.contracts.wire.jobs import Job, MediaKind, ResourceLink, Succeeded
from civitas.engines.agent.engine import Desk, Engine, JobFailed, JobRejected
from civitas.engines.ray import messages
from civitas.engines.ray.crew import ONE_MACHINE, Setup
from civitas.engines.ray.engine import RayEngine
from civitas.infra.agent_settings import AgentSettings
from civitas.kit.errors import Invalid

# As the engine does it, which imports Ray later than this module.
os.environ[ONE_MACHINE] = "0"
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'civitas[ray]'")
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Bench:
    """An engine that does what the input says, and tells which process did it."""

    name = "bench"

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def capabilities(self) -> list[str]:
        return ["bench"]

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        given, output = job.input, {"process": os.getpid()}
        if given.get("do") == "turn":
            source, weights = await asyncio.gather(desk.media("media:0"), desk.resource("air:m"))
            desk.tell(0.25, "begun")
            await asyncio.sleep(0.01)
            await desk.progress(0.5, "half")
            await desk.preview(b"small")
            desk.warn("It was turned round.")
            made = desk.folder / "made"
            made.write_bytes(source.read_bytes()[::-1] + weights.read_bytes())
            output["paths"] = [str(source), str(weights)]
            output["blob"] = await desk.deliver(
                0, made, kind=MediaKind.FILE, media_type="text/plain", width=3
            )
        elif given.get("do") == "fail":
            raise JobFailed("no such thing", transient=True, blocked_reason="rules")
        elif given.get("do") == "reject":
            raise JobRejected("not here")
        elif given.get("do") == "break":
            raise ZeroDivisionError
        elif given.get("do") == "lack":
            await desk.media("media:7")
        elif given.get("do") == "wait":
            Path(given["here"]).write_text(str(os.getpid()))
            try:
                await asyncio.sleep(60)
            finally:
                Path(given["here"]).write_text("stopped")
        return desk.done(output)


def bench() -> Engine:
    return Bench()


class RayDesk(TestDesk):
    seen: list[bytes]

    async def resource(self, air: str) -> Path:
        path = self.folder / "weights"
        path.write_bytes(self.resources[air])
        return path

    async def preview(self, data: bytes, media_type: str = "image/jpeg") -> None:
        self.seen.append(data)


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[RayEngine]:
    """Two actors on a Ray of this machine alone; they take the bench as it is here, since they do not know the tests."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    engine = RayEngine([bench], Setup(address="local", actors=2, cpus=0.5, start_s=60))
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture
def desk(tmp_path: Path) -> RayDesk:
    desk = RayDesk(tmp_path, {"media:0": b"abc"}, 1)
    desk.seen = []
    desk.resources = {"air:m": b"weights"}
    return desk


def job_of(do: str = "", *, digest: bytes | None = None, **given: Any) -> Job:
    made = job("bench", {"do": do, **given}, {"media:0": b"abc"})
    if digest is None:
        return made
    link = ResourceLink(
        air="air:m",
        url="http://nowhere",
        sha256=hashlib.sha256(digest).hexdigest(),
        size=7,
        filename="m.safetensors",
        type="Checkpoint",
        base_model="SD 1.5",
    )
    return made.model_copy(update={"resources": [link]})


async def until(what: Any) -> Any:
    async with asyncio.timeout(60):
        while not (found := what()):
            await asyncio.sleep(0.05)
        return found


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("same_machine", [True, False])
async def test_a_job_runs_in_an_actor(
    engine: RayEngine, desk: RayDesk, monkeypatch: pytest.MonkeyPatch, same_machine: bool
) -> None:
    if not same_machine:
        monkeypatch.setattr(messages, "host", lambda: "another machine")
        monkeypatch.setattr("civitas.engines.ray.engine.PIECE", 2)
    assert engine.capabilities() == ["bench"]
    result = await engine.run(job_of("turn", digest=b"one" if same_machine else b"two"), desk)
    assert desk.blobs == {0: b"cbaweights"}
    assert result.output["blob"] == {"$blob": 0} and result.output["process"] != os.getpid()
    assert result.warnings == ["It was turned round."]
    assert (desk.delivered[0].kind, desk.delivered[0].width) == (MediaKind.FILE, 3)
    assert desk.told[-1] == 0.5 and desk.seen == [b"small"]
    ours = [Path(path).is_relative_to(desk.folder) for path in result.output["paths"]]
    assert ours == [same_machine, same_machine]


async def test_what_goes_wrong_there_goes_wrong_here(engine: RayEngine, desk: RayDesk) -> None:
    with pytest.raises(JobFailed, match="no such thing") as failed:
        await engine.run(job_of("fail"), desk)
    assert (failed.value.transient, failed.value.blocked_reason) == (True, "rules")
    with pytest.raises(JobRejected, match="not here"):
        await engine.run(job_of("reject"), desk)
    with pytest.raises(JobFailed, match="did not foresee"):
        await engine.run(job_of("break"), desk)
    with pytest.raises(JobFailed, match="no such medium"):
        await engine.run(job_of("lack"), desk)


async def test_a_lost_claim_is_no_failure_of_the_job(
    engine: RayEngine, desk: RayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost(Exception):
        pass

    async def deliver(*_: Any, **__: Any) -> dict[str, Any]:
        raise Lost

    monkeypatch.setattr(desk, "deliver", deliver)
    with pytest.raises(Lost):
        await engine.run(job_of("turn", digest=b"one"), desk)


async def test_models_stay_with_their_actors(engine: RayEngine, desk: RayDesk) -> None:
    async def process(digest: bytes) -> int:
        return int((await engine.run(job_of(digest=digest), desk)).output["process"])

    first, second = await process(b"A"), await process(b"B")
    assert first != second
    assert [await process(digest) for digest in (b"B", b"A", b"A", b"B")] == [second, first, first, second]


async def test_an_actor_that_dies_fails_its_job_and_is_replaced(
    engine: RayEngine, desk: RayDesk, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    run = asyncio.create_task(engine.run(job_of("wait", here=str(here)), desk))
    process = int(await until(lambda: text_of(here)))
    os.kill(process, signal.SIGKILL)
    with pytest.raises(JobFailed, match="died") as failed:
        await run
    assert failed.value.transient
    both = await asyncio.gather(*(engine.run(job_of(digest=digest), desk) for digest in (b"C", b"D")))
    processes = {result.output["process"] for result in both}
    assert len(processes) == 2 and process not in processes


async def test_a_cancelled_job_stops_and_its_actor_goes_on(
    engine: RayEngine, desk: RayDesk, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    run = asyncio.create_task(engine.run(job_of("wait", digest=b"E", here=str(here)), desk))
    process = int(await until(lambda: text_of(here)))
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert here.read_text() == "stopped"
    assert (await engine.run(job_of(digest=b"E"), desk)).output["process"] == process


async def test_engines_of_the_agent_work_there(engine: RayEngine, desk: RayDesk) -> None:
    settings = AgentSettings.model_validate(
        {"slots": 1, "engines": ["media"], "ray": {"address": "auto", "cpus": 0.1}}
    )
    (there,) = room.engines(settings)
    assert isinstance(there, RayEngine)
    there._crew._ray = ray
    member = await there._crew._start()
    assert member is not None and "convertImage" in member.capabilities
    there._crew._rest(member)
    data = saved(picture(16, 8))
    files = {"media:0": data}
    near = TestDesk(desk.folder, files, 1)
    given = {"image": "media:0", "output": {"format": "webp"}}
    result = await there.run(job("convertImage", given, files), near)
    assert result.output == {"blob": {"$blob": 0}} and near.delivered[0].media_type == "image/webp"
    there._crew.dismiss(member)


def parents() -> dict[int, int]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    return found


def sockets(process: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


async def test_a_local_ray_listens_to_this_machine_alone(engine: RayEngine) -> None:
    above = parents()
    ours = {os.getpid()}
    while more := {process for process, parent in above.items() if parent in ours} - ours:
        ours |= more
    inodes = set[str]().union(*map(sockets, ours))
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    listening = [row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]
    # Also as IPv6 writes it.
    assert len(listening) >= 4 and all(address.endswith("0100007F") for address in listening)


async def test_no_room_in_the_cluster(engine: RayEngine) -> None:
    full = RayEngine([bench], Setup(address="local", actors=1, gpus=64, start_s=1))
    full._crew._ray = ray
    began = time.monotonic()
    with pytest.raises(JobRejected, match="no room"):
        async with full._crew.taken(""):
            pass
    assert time.monotonic() - began < 30


async def test_an_address_of_a_ray_client_is_refused() -> None:
    with pytest.raises(Invalid, match="HOST:PORT"):
        room.engines(AgentSettings.model_validate({"ray": {"address": "ray://10.0.0.1:10001"}}))

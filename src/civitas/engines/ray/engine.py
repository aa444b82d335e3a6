"""A Ray cluster as an agent runs it: what an actor asks for is answered from here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from civitas.contracts.wire.jobs import Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected, Phase
from civitas.engines.ray import messages
from civitas.engines.ray.crew import Crew, Member, Setup
from civitas.engines.ray.messages import PIECE, Ask, Done, File, Maker, Message, Seen, Told, Trouble

# How long a cancelled job may take to stop before its actor is ended.
STOP_S: Final = 15.0


class RayEngine:
    """The engines that `makers` make, in actors of a cluster."""

    name = "ray"

    def __init__(self, makers: Sequence[Maker], setup: Setup) -> None:
        self._crew = Crew(makers, setup)
        self._offered: list[str] = []

    async def open(self) -> None:
        """Connect and start an actor. Raises JobRejected without Ray, without the cluster, or without room in it."""
        self._offered = await self._crew.open()

    async def close(self) -> None:
        """End the actors and leave the cluster."""
        await self._crew.aclose()

    def capabilities(self) -> list[str]:
        """What the engines of an actor offer."""
        return list(self._offered)

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Have an actor do it: one that has the job's first model if there is one.

        Raises what the engine there raises; an actor that dies fails its job as transient, and is replaced.
        """
        digest = job.resources[0].sha256 if job.resources else ""
        async with self._crew.taken(digest) as member:
            try:
                return await _Serving(job, desk, member).served()
            except self._crew.deaths as error:
                self._crew.dismiss(member)
                raise JobFailed("The actor that ran the job died.", transient=True) from error
            except asyncio.CancelledError:
                if not await self._stopped(member):
                    self._crew.dismiss(member)
                raise

    async def _stopped(self, member: Member) -> bool:
        """Have the actor stop; whether it did in time and can take another job."""
        try:
            async with asyncio.timeout(STOP_S):
                return bool(await member.actor.cancel.remote())
        except (TimeoutError, self._crew.deaths):
            return False


class _Serving:
    """One job in an actor, seen from the agent."""

    def __init__(self, job: Job, desk: Desk, member: Member) -> None:
        self._job, self._desk, self._actor = job, desk, member.actor
        self._answers: set[asyncio.Task[None]] = set()
        # What is no trouble of the job's, such as a claim that somebody else has now.
        self._broken: Exception | None = None

    async def served(self) -> Succeeded:
        """Hear the actor until it is done."""
        said = self._job.model_dump(mode="json")
        stream = self._actor.run.options(num_returns="streaming").remote(said)
        try:
            async for ref in stream:
                message: Message = await ref
                if isinstance(message, Done):
                    return self._desk.done(message.output, warnings=message.warnings)
                if isinstance(message, Trouble):
                    raise self._broken or message.error()
                await self._hear(message)
        finally:
            for task in self._answers:
                task.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)
        raise JobFailed("The actor ended without a word.", transient=True)

    async def _hear(self, message: Message) -> None:
        match message:
            case Told(fraction, note, phase):
                await self._desk.progress(fraction, note, phase=cast(Phase, phase))
            case Seen(data, media_type):
                await self._desk.preview(data, media_type)
            case Ask():
                # Beside the stream: several may be asked for at once, and progress goes on.
                task = asyncio.create_task(self._answer(message))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    def _coming(self, number: int) -> Path:
        return self._desk.folder / f"from-actor-{number}"

    async def _answer(self, ask: Ask) -> None:
        value: Any
        try:
            value = await self._found(ask)
        except (JobFailed, JobRejected) as error:
            value = Trouble.of(error)
        except OSError as error:
            value = Trouble(f"The agent could not pass a file on: {error}"[:1000], transient=True)
        except Exception as error:  # noqa: BLE001
            self._broken = error
            await self._actor.cancel.remote()
            return
        # A dead actor is noticed where it is heard.
        with contextlib.suppress(Exception):
            await self._actor.answer.remote(ask.number, value)

    async def _found(self, ask: Ask) -> Any:
        about = ask.about
        match ask.what:
            case "media":
                return await _file(await self._desk.media(about["word"]))
            case "resource":
                return await _file(await self._desk.resource(about["air"]))
            case "send":
                path = await self._asked(about)
                for at in range(0, (await asyncio.to_thread(path.stat)).st_size, PIECE):
                    await self._actor.feed.remote(ask.number, await asyncio.to_thread(_stretch, path, at))
                return None
            case "piece":
                await asyncio.to_thread(_append, self._coming(about["of"]), about["data"])
                return None
            case "deliver":
                facts = dict(about["facts"])
                path = self._coming(about["of"])
                await asyncio.to_thread(path.touch)
                return await self._desk.deliver(
                    about["slot"], path, **facts | {"kind": MediaKind(facts["kind"])}
                )
        raise JobFailed(f"The actor asked for something unknown: {ask.what:.40}.")

    async def _asked(self, about: dict[str, Any]) -> Path:
        if "air" in about:
            return await self._desk.resource(about["air"])
        return await self._desk.media(about["word"])


async def _file(path: Path) -> File:
    def found() -> File:
        return File(messages.host(), str(path.absolute()), path.stat().st_size)

    return await asyncio.to_thread(found)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _stretch(path: Path, at: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(PIECE)

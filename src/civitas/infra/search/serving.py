"""The index's end of the socket."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from civitas.infra.search import finding, frames, loading
from civitas.infra.search.following import Follower
from civitas.infra.search.settings import LONGEST_PATH
from civitas.infra.search.shape import Question
from civitas.kit.errors import Conflict, Unavailable

log = structlog.get_logger(__name__)

MOST: Final = 5000
QUESTIONS: Final = 8


class Answers:
    """What can be asked of an index: `find`, `each`, `status`, `counts`, `anew`."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.asked = 0
        self._kinds: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "find": self._find,
            "each": self._each,
            "status": self._status,
            "counts": self._counts,
            "anew": self._anew,
        }

    def to(self, message: dict[str, Any]) -> dict[str, Any]:
        """The reply to a message; `wrong` says why there is none."""
        kind = self._kinds.get(str(message.get("k")))
        if kind is None:
            return {"wrong": "unknown"}
        try:
            return kind(message)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            log.warning("index.question", error=f"{type(error).__name__}: {error}")
            return {"wrong": "unknown"}

    def _find(self, message: dict[str, Any]) -> dict[str, Any]:
        state = self.follower.state
        if not state.answers:
            return self._silent()
        question = Question.unpacked(message["q"])
        if not 0 < question.take <= MOST:
            raise ValueError(f"a page of {question.take}")
        self.asked += 1
        answer = finding.find(state.collections[question.collection], question)
        return {"ids": answer.ids, "keys": answer.keys}

    def _each(self, message: dict[str, Any]) -> dict[str, Any]:
        state = self.follower.state
        if not state.answers:
            return self._silent()
        questions, enough = [Question.unpacked(one) for one in message["q"]], int(message["t"])
        if not 0 < enough <= MOST or len(questions) > QUESTIONS:
            raise ValueError(f"{len(questions)} pages of {enough}")
        self.asked += 1
        answers = finding.find_each(state.collections, questions, enough)
        return {"a": [(answer.ids, answer.keys) for answer in answers]}

    def _silent(self) -> dict[str, Any]:
        state = self.follower.state.state
        return {"wrong": "behind" if state == "ready" else state}

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        state = self.follower.state
        return {
            "state": state.state, "note": state.note, "answers": state.answers,
            "behind_s": round(state.behind_s, 3) if state.loads else None,
            "documents": {name: found.count for name, found in state.collections.items()},
            "bytes": sum(found.size for found in state.collections.values()), "resident": loading.resident(),
            "loaded_s": round(state.loaded_s, 1), "loads": state.loads, "changes": state.changes, "asked": self.asked,
            "moved": sum(len(order.moved) for found in state.collections.values() for order in found.orders),
            "cpu_s": round(time.process_time(), 1), "pid": os.getpid(),
        }  # fmt: skip

    def _counts(self, message: dict[str, Any]) -> dict[str, Any]:
        found = self.follower.state.collections[str(message["c"])]
        return {"counts": [found.carried(int(term)) for term in message["t"]], "all": found.count}

    def _anew(self, _: dict[str, Any]) -> dict[str, Any]:
        self.follower.anew.set()
        return {}


@asynccontextmanager
async def listening(path: Path, answers: Answers) -> AsyncIterator[None]:
    """Answer at a socket that this system's user alone can reach, until the block ends.

    Raises Conflict when another index answers there, Unavailable when the path cannot be one.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise Unavailable(
            f"{path} is too long for a socket; set index.socket to a path of at most 100 bytes."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    askers: set[_Asker] = set()
    before = os.umask(0o177)
    try:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: _Asker(answers, askers), path)
    finally:
        os.umask(before)
    made = _which(path)
    try:
        async with server:
            yield
    finally:
        for asker in list(askers):
            if asker.transport is not None:
                asker.transport.close()
        if made is not None and _which(path) == made:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _which(path: Path) -> int | None:
    """What tells a socket from one that another process has put in its place."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _clear(path: Path) -> None:
    """Take away the socket of one that died; never anything else."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"{path} is there and is no socket; set index.socket to another path.")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise Conflict(f"An index answers at {path} already.")


class _Asker(asyncio.Protocol):
    """Somebody who is connected. Answered as soon as heard: without a task, which would cost as much as a small page."""

    def __init__(self, answers: Answers, askers: set[_Asker]) -> None:
        self._answers, self._askers = answers, askers
        self._frames = frames.Frames()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = transport  # type: ignore[assignment]
        self._askers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._askers.discard(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        try:
            for message in self._frames.taken(data):
                transport.write(frames.framed({"i": message.get("i"), **self._answers.to(message)}))
        except ValueError as error:
            log.warning("index.message", error=str(error))
            transport.close()

    def pause_writing(self) -> None:
        """Who does not read is not read from."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self.transport is not None:
            self.transport.resume_reading()

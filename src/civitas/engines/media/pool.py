"""A few children, started when needed, ended when idle; each works on one thing at a time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, cast

import structlog

from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.media.work import Limits

log = structlog.get_logger(__name__)

MODULE: Final = "civitas.engines.media.child"
START_S: Final = 30.0
IDLE_S: Final = 20.0
SERVES: Final = 100
MOST_ANSWER: Final = 16 * 1024 * 1024

Tell = Callable[[float], None]
_ENDED: Final = (EOFError, ConnectionError, BrokenPipeError)


class Pool:
    """At most `children` at once, each ended after `wall_s` with one request. Belongs to one event loop."""

    def __init__(self, children: int, *, wall_s: float, limits: Limits | None = None) -> None:
        self._free = asyncio.Semaphore(children)
        self._wall_s, self._limits = wall_s, limits or Limits()
        self._idle: list[_Child] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def run(
        self,
        do: str,
        given: Mapping[str, Any],
        files: Mapping[str, Path],
        out: Path,
        *,
        slots: int,
        tell: Tell | None = None,
    ) -> dict[str, Any]:
        """Have one thing done: files are read, what is made is in `out`, the answer says what is where.

        Raises JobFailed when the files are unfit or need more than is allowed, JobRejected when no child can work or
        the work needs a model. A cancelled call ends its child.
        """
        async with self._free:
            child = await self._take()
            healthy = False
            try:
                async with asyncio.timeout(self._wall_s):
                    answer = await child.ask(do, given, files, out, slots, tell or (lambda fraction: None))
                healthy = "memory" not in answer.get("fault", ())
            except TimeoutError:
                raise JobFailed(
                    f"The work took longer than the {self._wall_s:g} s that are allowed."
                ) from None
            except _ENDED:
                raise await child.why() from None
            finally:
                if healthy and child.served < SERVES:
                    self._rest(child)
                else:
                    await child.end()
        return _judged(answer)

    def _rest(self, child: _Child) -> None:
        child.since = time.monotonic()
        self._idle.append(child)
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())

    async def _sweep(self) -> None:
        """End children that had nothing to do for a while, so that an idle agent is small."""
        while self._idle:
            await asyncio.sleep(IDLE_S / 4)
            late = time.monotonic() - IDLE_S
            for child in [child for child in self._idle if child.since < late]:
                self._idle.remove(child)
                await child.end()

    async def _take(self) -> _Child:
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            await child.end()
        return await _Child.start(self._limits)

    async def aclose(self) -> None:
        """End idle children; those at work end with their call."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        while self._idle:
            await self._idle.pop().end()


def _judged(answer: dict[str, Any]) -> dict[str, Any]:
    if "fault" not in answer:
        return cast(dict[str, Any], answer["done"])
    kind, sentence = answer["fault"]
    if kind == "other":
        raise JobRejected(sentence)
    raise JobFailed(sentence, transient=kind == "memory")


class _Child:
    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self._process, self._line = process, line
        self._loop = asyncio.get_running_loop()
        self.served = 0
        self.since = 0.0

    @classmethod
    async def start(cls, limits: Limits) -> _Child:
        # Of the environment only what Python needs to find this package: no secret of ours.
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
        environment |= {
            name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(
                        sys.executable,
                        "-P",
                        "-s",
                        "-m",
                        MODULE,
                        str(theirs.fileno()),
                        json.dumps(asdict(limits)),
                    ),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=None if os.environ.get("CIVITAS_MEDIA_STDERR") else asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                    cwd="/",
                )
            except OSError as error:
                ours.close()
                raise JobRejected(f"No media process can be started: {error}.") from error
        ours.setblocking(False)
        child = cls(process, ours)
        started = False
        try:
            async with asyncio.timeout(START_S):
                ready = await child._hear()
            started = True
            log.debug("media.child", pid=process.pid, isolation=ready.get("ready"))
        except (TimeoutError, *_ENDED):
            raise JobRejected("No media process can be started.") from None
        finally:
            if not started:
                await child.end()
        return child

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(
        self,
        do: str,
        given: Mapping[str, Any],
        files: Mapping[str, Path],
        out: Path,
        slots: int,
        tell: Tell,
    ) -> dict[str, Any]:
        self.served += 1
        request = {"do": do, "input": dict(given), "words": list(files), "slots": slots}
        body = json.dumps(request).encode()
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open("rb")) for path in files.values()]
            made = stack.enter_context(out.open("w+b"))
            fds = [file.fileno() for file in (*opened, made)]
            socket.send_fds(self._line, [struct.pack(">I", len(body))], fds)
        await self._loop.sock_sendall(self._line, body)
        while True:
            answer = await self._hear()
            if "progress" not in answer:
                return answer
            tell(float(answer["progress"]))

    async def _hear(self) -> dict[str, Any]:
        (size,) = struct.unpack(">I", await self._exactly(4))
        if size > MOST_ANSWER:
            raise ConnectionError("an absurdly long answer")
        answer: dict[str, Any] = json.loads(await self._exactly(size))
        return answer

    async def _exactly(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            piece = await self._loop.sock_recv(self._line, size - len(got))
            if not piece:
                raise EOFError
            got += piece
        return bytes(got)

    async def why(self) -> JobFailed:
        """The sentence for a child that ended in the middle."""
        code = await self._process.wait()
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            return JobFailed("The media process was stopped, perhaps because memory ran out.", transient=True)
        if code == -signal.SIGXFSZ:
            return JobFailed("The result is larger than this agent allows.")
        return JobFailed("The file cannot be worked on: its decoder failed on it.")

    async def end(self) -> None:
        if self.alive:
            self._process.kill()
        self._line.close()
        await self._process.wait()

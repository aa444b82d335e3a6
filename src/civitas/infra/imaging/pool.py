"""A few warm decoder processes: one image each at a time, replaced after some, killed when they take too long."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import sys
from collections.abc import Mapping
from typing import Any, Final

from civitas.infra.imaging.settings import ImagingSettings
from civitas.kit.errors import Fault, Invalid, Unavailable

_MODULE: Final = "civitas.infra.imaging.sandbox"
_START_SECONDS: Final = 30.0
_MAX_ANSWER: Final = 64 * 1024 * 1024
_SPENT: Final = "image_too_complex"
_ENDED: Final = (asyncio.IncompleteReadError, ConnectionError)


class DecoderPool:
    """Runs requests for `sandbox.py` in at most `settings.processes` children, started when first needed.

    Belongs to the event loop that first uses it; `aclose()` ends the children.
    """

    def __init__(self, settings: ImagingSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.processes)
        self._idle: list[_Decoder] = []

    async def run(self, request: Mapping[str, Any], data: bytes = b"") -> dict[str, Any]:
        """The answer to one request. Raises `Invalid` for a bad image, `Unavailable` when no child can work."""
        async with self._slots:
            decoder = await self._take()
            healthy = False
            try:
                async with asyncio.timeout(self._settings.wall_seconds):
                    answer = await decoder.ask(request, data)
                fault = answer.get("fault")
                healthy = not fault or fault[1] != _SPENT
            except TimeoutError:
                raise _too_slow() from None
            except _ENDED:
                raise await decoder.why_it_ended() from None
            finally:
                if healthy and decoder.served < self._settings.images_per_process:
                    self._idle.append(decoder)
                else:
                    await decoder.end()
        if fault:
            message, code, details = fault
            raise Invalid(message, code=code, details=details)
        return answer

    async def aclose(self) -> None:
        """End idle children; those at work end with their image."""
        while self._idle:
            await self._idle.pop().end()

    async def _take(self) -> _Decoder:
        while self._idle:
            decoder = self._idle.pop()
            if decoder.alive:
                return decoder
            await decoder.end()
        return await _Decoder.start(self._settings)


class _Decoder:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._to, self._from = process, process.stdin, process.stdout
        self.served = 0

    @classmethod
    async def start(cls, settings: ImagingSettings) -> _Decoder:
        # The child sees no secret of ours: of the environment only what Python needs to find this package.
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
        # It does not start where we did, so that places relative to it are told in full.
        environment |= {
            name: os.pathsep.join(map(os.path.abspath, os.environ[name].split(os.pathsep)))
            for name in ("PYTHONPATH", "LD_LIBRARY_PATH")
            if os.environ.get(name)
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-s", "-m", _MODULE, settings.model_dump_json()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
                cwd="/",
            )
        except OSError:
            raise _no_decoder() from None
        decoder = cls(process)
        started = False
        try:
            async with asyncio.timeout(_START_SECONDS):
                await decoder._answer()
            started = True
        except (TimeoutError, *_ENDED):
            raise _no_decoder() from None
        finally:
            if not started:
                await decoder.end()
        return decoder

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(self, request: Mapping[str, Any], data: bytes) -> dict[str, Any]:
        self.served += 1
        body = json.dumps(request).encode()
        self._to.write(struct.pack(">II", len(body), len(data)) + body)
        self._to.write(data)
        await self._to.drain()
        return await self._answer()

    async def why_it_ended(self) -> Fault:
        code = await self._process.wait()
        if code == -signal.SIGXCPU or code == -signal.SIGALRM:
            return _too_slow()
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            return Unavailable(
                "The image decoder was stopped from outside, perhaps because memory ran out. Try again later.",
                code="imaging_unavailable",
            )
        return Invalid(
            "The image cannot be read: its decoder failed on it. Export it again and send the new file.",
            code="image_broken",
        )

    async def end(self) -> None:
        if self.alive:
            self._process.kill()
        self._to.close()
        await self._process.wait()

    async def _answer(self) -> dict[str, Any]:
        (size,) = struct.unpack(">I", await self._from.readexactly(4))
        if size > _MAX_ANSWER:
            raise ConnectionError("the decoder's answer is absurdly long")
        answer: dict[str, Any] = json.loads(await self._from.readexactly(size))
        return answer


def _too_slow() -> Invalid:
    return Invalid(
        "Decoding the image takes longer than is allowed. Make it smaller or export it again.",
        code="image_too_slow",
    )


def _no_decoder() -> Unavailable:
    return Unavailable("Images cannot be read now: no decoder can be started.", code="imaging_unavailable")

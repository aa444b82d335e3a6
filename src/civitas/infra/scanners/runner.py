"""Starting the sandbox process, waiting for it no longer than allowed, and reading its answer with distrust."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civitas.infra.scanners.report import Check, Import, ScanReport, Verdict, failed, report
from civitas.infra.scanners.settings import ScannerSettings

_MIB, _GIB = 1024 * 1024, 1024 * 1024 * 1024
Text = Annotated[str, Field(max_length=1000)]


class _CheckAnswer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Text
    verdict: Verdict
    reason: Text
    details: dict[str, Any]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    checks: list[_CheckAnswer] = Field(max_length=1000)
    imports: list[tuple[Text, Verdict]] = Field(max_length=5000)
    versions: dict[str, Text]
    isolation: dict[Text, Text] = Field(max_length=10)


class _TooMuch(Exception):
    """The sandbox wrote more than it may."""


async def inspect(path: Path, filename: str, size: int, settings: ScannerSettings) -> ScanReport:
    """Inspect a local file in a process of its own; every failure of that process is an `error` report."""
    started = time.monotonic()

    def spent() -> float:
        return time.monotonic() - started

    try:
        fd = await asyncio.to_thread(os.open, path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        return failed(
            "sandbox", "The file could not be opened for the scan.", spent(), error=str(error)[:200]
        )
    try:
        with tempfile.TemporaryDirectory(prefix="civitas-scan-") as folder:
            written, code = await _run(fd, _request(filename, size, settings), folder, settings)
    except TimeoutError:
        reason = f"The scan did not end within {settings.timeout_s:g} seconds."
        return failed("sandbox", reason, spent())
    except _TooMuch:
        return failed("sandbox", "The scan wrote a report that is too long.", spent())
    except OSError as error:
        return failed("sandbox", "The scan could not be started.", spent(), error=str(error)[:200])
    finally:
        os.close(fd)
    if code != 0:
        return failed("sandbox", _ended(code), spent(), code=code)
    return _read(written, settings, spent())


def _request(filename: str, size: int, settings: ScannerSettings) -> bytes:
    return orjson.dumps(
        {
            "name": filename[-200:],
            "size": size,
            "members": settings.archive_members,
            "unpacked": int(settings.archive_unpacked_gb * _GIB),
            "ratio": settings.archive_ratio,
            "depth": settings.archive_depth,
            "nested": settings.nested_mb * _MIB,
            "allowed": settings.extra_allowed_globals[:1000],
            "memory": settings.memory_mb * _MIB,
            "cpu_s": settings.cpu_s,
            "require_isolation": settings.require_network_isolation,
        }
    )


async def _run(fd: int, request: bytes, folder: str, settings: ScannerSettings) -> tuple[bytes, int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "civitas.infra.scanners.sandbox",
        str(fd),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        pass_fds=(fd,),
        cwd=folder,
        env={"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(settings.timeout_s):
            written = await _talk(process, request, settings.output_kb * 1024)
            return written, await process.wait()
    finally:
        # The whole group, also after a cancelled scan: whatever it may have started ends with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _talk(process: asyncio.subprocess.Process, request: bytes, limit: int) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise OSError("the sandbox has no pipes")
    with contextlib.suppress(ConnectionError):
        process.stdin.write(request)
        await process.stdin.drain()
    process.stdin.close()
    written = bytearray()
    while piece := await process.stdout.read(64 * 1024):
        written += piece
        if len(written) > limit:
            raise _TooMuch
    return bytes(written)


def _ended(code: int) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "The scan used up its processor time."
    if code == -signal.SIGXFSZ:
        return "The scan wrote more than it may."
    return "The scan ended without a result."


def _read(written: bytes, settings: ScannerSettings, spent: float) -> ScanReport:
    try:
        answer = _Answer.model_validate_json(written)
    except ValidationError:
        return failed("sandbox", "The scan ended without a readable result.", spent)
    checks = [Check(c.name, c.verdict, c.reason, c.details) for c in answer.checks]
    isolation = answer.isolation
    if settings.require_network_isolation and isolation.get("network", "open") == "open":
        reason = "The sandbox could not be cut off from the network, and the settings demand it."
        return failed("sandbox", reason, spent, **isolation)
    imports = [Import(name, verdict) for name, verdict in answer.imports]
    if not checks:
        checks.append(Check("sandbox", Verdict.ERROR, "The scan looked at nothing.", isolation))
    else:
        checks.append(Check("sandbox", Verdict.CLEAN, "The scan ran shut in and ended by itself.", isolation))
    return report(checks, imports, answer.versions, spent)

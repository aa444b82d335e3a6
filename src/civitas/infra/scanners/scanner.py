"""The scanner of uploaded files: the sandboxed inspection and, when configured, ClamAV, in one report."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from civitas.infra.scanners import runner
from civitas.infra.scanners.clamav import virus_check
from civitas.infra.scanners.report import Check, ScanReport, Verdict, failed, report
from civitas.infra.scanners.settings import ScannerSettings

_GIB = 1024 * 1024 * 1024


class _WrongSize(Exception):
    """The stream is longer or shorter than announced."""


class FileScanner:
    """Implements `report.Scanner`. Copies of remote files share one quota of disk space; scans wait for room."""

    def __init__(self, settings: ScannerSettings) -> None:
        self._settings = settings
        self._room = int(settings.spool_gb * _GIB)
        self._quota = self._room
        self._freed = asyncio.Condition()

    async def scan(self, source: Path | AsyncIterator[bytes], *, filename: str, size: int) -> ScanReport:
        """Scan a local file or a stream of `size` bytes; every failure is an `error` report."""
        if size > self._settings.max_file_gb * _GIB:
            return failed(
                "sandbox", f"The file is larger than {self._settings.max_file_gb:g} GiB, the largest scanned."
            )
        if isinstance(source, Path):
            return await self._scan(source, filename, size)
        if size > self._quota:
            return failed("sandbox", "The file is larger than the room for copies of remote files.")
        async with self._held(size):
            try:
                async with self._copy(source, size) as path:
                    return await self._scan(path, filename, size)
            except _WrongSize as problem:
                return failed("sandbox", f"The file could not be fetched for the scan: {problem}.")
            except OSError as error:
                reason = "The file could not be fetched for the scan."
                return failed("sandbox", reason, error=str(error)[:200])

    async def _scan(self, path: Path, filename: str, size: int) -> ScanReport:
        started = time.monotonic()
        found = await runner.inspect(path, filename, size, self._settings)
        checks, versions = list(found.checks), dict(found.versions)
        virus = await virus_check(path, size, self._settings)
        if virus is not None:
            checks.append(virus[0])
            versions |= virus[1]
        return report(checks, list(found.imports), versions, time.monotonic() - started)

    @contextlib.asynccontextmanager
    async def _held(self, size: int) -> AsyncIterator[None]:
        async with self._freed:
            await self._freed.wait_for(lambda: self._room >= size)
            self._room -= size
        try:
            yield
        finally:
            async with self._freed:
                self._room += size
                self._freed.notify_all()

    @contextlib.asynccontextmanager
    async def _copy(self, source: AsyncIterator[bytes], size: int) -> AsyncIterator[Path]:
        folder = self._settings.spool_folder
        with tempfile.NamedTemporaryFile(prefix="civitas-scan-", dir=folder) as file:
            written = 0
            async for chunk in source:
                written += len(chunk)
                if written > size:
                    raise _WrongSize(f"it is longer than {size} bytes")
                await asyncio.to_thread(file.write, chunk)
            if written != size:
                raise _WrongSize(f"only {written} of {size} bytes arrived")
            await asyncio.to_thread(file.flush)
            yield Path(file.name)


class PresetScanner:
    """For tests of what follows a scan: reports what it was told, by file name, and `clean` otherwise."""

    def __init__(self, **verdicts: Verdict) -> None:
        self.verdicts: dict[str, Verdict] = dict(verdicts)
        self.scanned: list[str] = []

    async def scan(self, source: Path | AsyncIterator[bytes], *, filename: str, size: int) -> ScanReport:
        """The preset report; the source is not read."""
        self.scanned.append(filename)
        verdict = self.verdicts.get(filename, Verdict.CLEAN)
        return report([Check("format", verdict, f"Preset to {verdict.value}.")], [], {"preset": "1"}, 0.0)

"""ClamAV through its daemon: the INSTREAM command of clamd's protocol (`man 8 clamd`).

Each chunk goes out with its length in four big-endian bytes, a zero length ends the stream, and the daemon answers
one line: `stream: OK`, `stream: NAME FOUND` or `... ERROR`.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit

from civitas.infra.scanners.report import Check, Verdict
from civitas.infra.scanners.settings import ScannerSettings

_CHUNK = 512 * 1024
_MAX_ANSWER = 4096
_MIB = 1024 * 1024


class ClamdError(Exception):
    """clamd is not reachable, silent, or answered something that is no result."""


class Clamd:
    """A client of one clamd; every call is a connection of its own."""

    def __init__(self, address: str, timeout_s: float) -> None:
        """`address` is `unix:/path` or `tcp://host:port`; raises ValueError for anything else."""
        self._timeout = timeout_s
        self._unix = address.removeprefix("unix:") if address.startswith("unix:") else None
        self._host, self._port = "", 0
        if self._unix is None:
            parts = urlsplit(address)
            if parts.scheme != "tcp" or not parts.hostname or not parts.port:
                raise ValueError("the address of clamd is unix:/path or tcp://host:port")
            self._host, self._port = parts.hostname, parts.port

    async def version(self) -> str:
        """The engine and database version, such as `ClamAV 1.4.2/27500/...`. Raises ClamdError."""
        return (await self._ask(b"zVERSION\0", None, 0))[:200]

    async def scan(self, path: Path, limit: int) -> str | None:
        """Send the first `limit` bytes of a file; the signature's name when something was found, else None.

        Raises ClamdError when there is no clear answer.
        """
        answer = await self._ask(b"zINSTREAM\0", path, limit)
        if answer == "stream: OK":
            return None
        if answer.startswith("stream: ") and answer.endswith(" FOUND"):
            return answer[8:-6][:200]
        raise ClamdError(answer[:200] or "clamd closed the connection without an answer")

    async def _ask(self, command: bytes, path: Path | None, limit: int) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:
            raise ClamdError(f"clamd cannot be reached: {error or 'it does not answer'}") from None
        try:
            # clamd answers early and hangs up when a stream is over its limit: that answer counts.
            with contextlib.suppress(ConnectionError):
                writer.write(command)
                if path is not None:
                    await self._send(writer, path, limit)
            async with asyncio.timeout(self._timeout):
                raw = await reader.read(_MAX_ANSWER)
            return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
        except (OSError, TimeoutError) as error:
            raise ClamdError(f"clamd stopped answering: {error or 'it took too long'}") from None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._unix is not None:
            return await asyncio.open_unix_connection(self._unix)
        return await asyncio.open_connection(self._host, self._port)

    async def _send(self, writer: asyncio.StreamWriter, path: Path, limit: int) -> None:
        with await asyncio.to_thread(path.open, "rb") as file:
            while limit > 0 and (piece := await asyncio.to_thread(file.read, min(_CHUNK, limit))):
                writer.write(len(piece).to_bytes(4, "big") + piece)
                async with asyncio.timeout(self._timeout):
                    await writer.drain()
                limit -= len(piece)
        writer.write(bytes(4))
        async with asyncio.timeout(self._timeout):
            await writer.drain()


async def virus_check(
    path: Path, size: int, settings: ScannerSettings
) -> tuple[Check, dict[str, str]] | None:
    """The check of a local file by clamd and clamd's version; None when no clamd is configured."""
    if not settings.clamd:
        return None
    limit = settings.clamd_max_mb * _MIB
    if size > limit and settings.clamd_oversize == "error":
        reason = f"The file is larger than the {settings.clamd_max_mb} MiB that the virus scanner takes."
        return Check("virus", Verdict.ERROR, reason), {}
    try:
        clamd = Clamd(settings.clamd, settings.clamd_timeout_s)
        version = {"clamav": await clamd.version()}
        found = await clamd.scan(path, limit)
    except (ClamdError, ValueError) as error:
        return Check(
            "virus", Verdict.ERROR, "The virus scanner gave no result.", {"error": str(error)[:300]}
        ), {}
    if found is not None:
        return Check(
            "virus", Verdict.DANGEROUS, "The virus scanner knows this as malware.", {"name": found}
        ), version
    if size > limit:
        reason = f"The virus scanner found nothing in the first {settings.clamd_max_mb} MiB; the rest it cannot take."
        return Check("virus", Verdict.CLEAN, reason, {"scanned": limit, "size": size}), version
    return Check("virus", Verdict.CLEAN, "The virus scanner found nothing."), version

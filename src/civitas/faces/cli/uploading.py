"""Sending one file in parts, in parallel, resumed after a crash, each part with its own checksum."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin

import httpx

from civitas.faces.cli.client import SiteClient, backoff, fault_of, read_bounded, retry_after
from civitas.faces.cli.downloading import Settings
from civitas.faces.cli.exits import HashMismatch, NetworkFault, Unsafe
from civitas.faces.cli.parallel import run_threads
from civitas.faces.cli.records import Json, as_dict, as_dicts, as_int, as_text
from civitas.kit.errors import Fault, Gone, Invalid, Limited, NotFound

CHUNK = 1024 * 1024
LINKS_AT_ONCE = 8
MAX_PARTS = 10_000
_EXPIRED = frozenset({400, 401, 403, 404})


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Link:
    url: str
    headers: Mapping[str, str]


class Upload:
    """One file on its way to the server. `memory` is kept by the caller and saved by `save` after every change.

    It holds uploadId, size, modified and the ETags of finished parts; a changed file starts a new upload.
    """

    def __init__(
        self,
        client: SiteClient,
        path: Path,
        *,
        purpose: str,
        memory: dict[str, Any],
        save: Callable[[], None],
        settings: Settings,
        sha256: str | None = None,
    ) -> None:
        self._client = client
        self._path = path
        self._purpose = purpose
        self._memory = memory
        self._save = save
        self._settings = settings
        self._sha256 = sha256
        self._links: dict[int, _Link] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._waiting: deque[_Part] = deque()

    def run(self) -> str:
        """Send what the server has not, and return the upload's id once the server has verified the bytes.

        Raises HashMismatch or Unsafe when the server finds the bytes wrong, Limited, NetworkFault, and what the
        client raises. An interrupt leaves `memory` ready for the next run.
        """
        opened = self._continued() or self._begun()
        upload_id = str(opened["id"])
        if as_text(opened.get("status")) in ("", "open"):
            self._send_all(opened)
            self._client.ask("POST", f"/uploads/{upload_id}/complete", body={"parts": self._parts()})
        return self._verified(upload_id)

    def _parts(self) -> list[dict[str, Any]]:
        etags = sorted(self._memory["etags"].items(), key=lambda row: int(row[0]))
        return [{"number": int(number), "etag": etag} for number, etag in etags]

    def _continued(self) -> Json | None:
        seen = self._path.stat()
        upload_id = self._memory.get("uploadId")
        if not upload_id:
            return None
        if (self._memory.get("size"), self._memory.get("modified")) != (seen.st_size, seen.st_mtime_ns):
            self._abandon(str(upload_id))
            return None
        try:
            status = as_dict(self._client.ask("GET", f"/uploads/{upload_id}"))
        except (NotFound, Gone):
            return None
        if as_text(status.get("status")) in ("failed", "aborted"):
            return None
        return status

    def _abandon(self, upload_id: str) -> None:
        try:
            self._client.ask("DELETE", f"/uploads/{upload_id}")
        except (NotFound, Gone, Invalid):
            return

    def _begun(self) -> Json:
        seen = self._path.stat()
        body: dict[str, Any] = {
            "filename": self._path.name,
            "size": seen.st_size,
            "purpose": self._purpose,
            "checksums": True,
        }
        if self._sha256:
            body["sha256"] = self._sha256
        opened = as_dict(self._client.ask("POST", "/uploads", body=body))
        if not opened.get("id"):
            raise NetworkFault("The server opened no upload; is this a Civitas?")
        self._memory.clear()
        self._memory.update(
            uploadId=str(opened["id"]), size=seen.st_size, modified=seen.st_mtime_ns, etags={}
        )
        self._save()
        return opened

    def _send_all(self, opened: Json) -> None:
        size, part_size = self._path.stat().st_size, as_int(opened.get("partSize"))
        count = as_int(opened.get("partCount")) or 1
        if part_size <= 0 or not 1 <= count <= MAX_PARTS or part_size * count < size:
            raise NetworkFault(
                f"The server cuts {size} bytes into {count} parts of {part_size}; that cannot be."
            )
        etags = self._memory["etags"]
        held = {as_int(row.get("number")): row for row in as_dicts(opened.get("received"))}
        for number, row in held.items():
            if row.get("etag"):
                etags[str(number)] = as_text(row["etag"])
        if "received" in opened:
            # What the server does not have has to go again, whatever we remember.
            for number in [number for number in etags if int(number) not in held]:
                del etags[number]
        parts = [
            _Part(number, (number - 1) * part_size, min(part_size, size - (number - 1) * part_size))
            for number in range(1, count + 1)
        ]
        done = [part for part in parts if str(part.number) in etags]
        self._settings.watcher.begin(self._path.name, size, sum(part.size for part in done))
        self._waiting = deque(part for part in parts if str(part.number) not in etags)
        self._ended.clear()
        try:
            if self._waiting:
                run_threads(
                    self._drain,
                    min(self._settings.limits.connections, len(self._waiting)),
                    tick=self._save,
                    ended=self._ended,
                    stop=self._settings.stop,
                )
        finally:
            self._settings.watcher.end()

    def _drain(self) -> None:
        with self._path.open("rb") as handle:
            while not self._over():
                try:
                    part = self._waiting.popleft()
                except IndexError:
                    return
                self._send(part, handle)

    def _over(self) -> bool:
        return self._ended.is_set() or self._settings.stop.is_set()

    def _send(self, part: _Part, handle: BinaryIO) -> None:
        attempt = 0
        while not self._over():
            attempt += 1
            moved = 0

            def count(sent: int) -> None:
                nonlocal moved
                moved += sent
                self._settings.watcher.move(sent)

            delay = backoff(attempt)
            try:
                etag, fault, asked = self._put(part, handle, count)
                if etag:
                    with self._lock:
                        self._memory["etags"][str(part.number)] = etag
                    return
                delay = delay if asked is None else asked
            except httpx.HTTPError as error:
                fault = NetworkFault(f"The upload does not continue: {error or type(error).__name__}.")
            self._settings.watcher.move(-moved)
            if self._over():
                return
            if attempt > self._settings.limits.attempts:
                raise fault
            if delay > self._settings.limits.patience:
                raise Limited(f"The server asks to wait {delay:.0f} s.", retry_after=int(delay))
            self._client.pause(delay, fault.message.rstrip("."))

    def _put(
        self, part: _Part, handle: BinaryIO, moved: Callable[[int], None]
    ) -> tuple[str, Fault, float | None]:
        link = self._link(part)
        headers = {**link.headers, "Content-Length": str(part.size)}
        pieces = self._pieces(handle, part, moved)
        with self._client.http.stream("PUT", link.url, content=pieces, headers=headers) as response:
            body = read_bounded(response, 256 * 1024)
        fault = fault_of(response, body)
        if response.is_success:
            return response.headers.get("etag", "").strip('"') or "none", fault, None
        if response.status_code in _EXPIRED:
            with self._lock:
                self._links.pop(part.number, None)
        elif response.status_code < 500 and response.status_code != 429:
            raise fault
        return "", fault, retry_after(response)

    def _link(self, part: _Part) -> _Link:
        """The signed link of a part. Links for the next parts are asked for along with it, with their checksums."""
        with self._lock:
            if part.number not in self._links:
                ahead = [other for other in self._waiting if other.number not in self._links]
                wanted = [part, *ahead[: LINKS_AT_ONCE - 1]]
                with self._path.open("rb") as handle:
                    rows = [{"number": one.number, "checksum": _checksum(handle, one)} for one in wanted]
                path = f"/uploads/{self._memory['uploadId']}/parts"
                answer = self._client.ask("POST", path, body={"parts": rows})
                for row in as_dicts(as_dict(answer).get("parts", answer)):
                    url = urljoin(self._client.url, str(row.get("url") or ""))
                    headers = {str(key): str(value) for key, value in as_dict(row.get("headers")).items()}
                    self._links[as_int(row.get("number"))] = _Link(url, headers)
            if part.number not in self._links:
                raise NetworkFault(f"The server gives no address for part {part.number}.")
            return self._links[part.number]

    def _pieces(self, handle: BinaryIO, part: _Part, moved: Callable[[int], None]) -> Iterator[bytes]:
        for piece in _read(handle, part):
            if self._over():
                raise httpx.WriteError("interrupted")
            yield piece
            moved(len(piece))

    def _verified(self, upload_id: str) -> str:
        size = self._path.stat().st_size
        attempt, shown = 0, 0
        try:
            while True:
                status = as_dict(self._client.ask("GET", f"/uploads/{upload_id}"))
                state = as_text(status.get("status"))
                if state == "done":
                    return upload_id
                if state in ("failed", "aborted"):
                    self._memory.clear()
                    self._save()
                    raise _reason(self._path, status)
                if attempt == 0:
                    self._settings.watcher.begin(self._path.name, size, 0)
                    self._settings.watcher.phase("verifying", size)
                verified = as_int(status.get("verifiedBytes"))
                self._settings.watcher.move(verified - shown)
                shown = verified
                attempt += 1
                if self._settings.stop.wait(min(0.1 * 1.4**attempt, 2.0)):
                    raise KeyboardInterrupt
        finally:
            self._settings.watcher.end()


def _reason(path: Path, status: Json) -> Fault:
    error = status.get("error")
    sentence = as_text(error) or as_text(as_dict(error).get("message")) or "the server could not verify it"
    code = as_text(as_dict(error).get("code"))
    if "sha256" in code or "checksum" in code or "hash" in code:
        return HashMismatch(f"{path.name}: {sentence}")
    return Unsafe(f"{path.name}: {sentence}")


def _checksum(handle: BinaryIO, part: _Part) -> str:
    """Base64 of the SHA-256 of a part, as S3's `x-amz-checksum-sha256` has it."""
    digest = hashlib.sha256()
    for piece in _read(handle, part):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def _read(handle: BinaryIO, part: _Part) -> Iterator[bytes]:
    handle.seek(part.offset)
    left = part.size
    while left:
        piece = handle.read(min(CHUNK, left))
        if not piece:
            raise Invalid("The file became shorter while it was sent.")
        left -= len(piece)
        yield piece

"""The Site API as a typed HTTP client: bounded answers, polite retries, and a key that never leaves its origin."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import orjson

from civitas.faces.cli.exits import NetworkFault
from civitas.faces.cli.profiles import origin_of, tidy_url
from civitas.faces.cli.records import Json, RemoteModel, RemoteVersion, as_dict, as_dicts, as_int, as_text
from civitas.kit.clock import now
from civitas.kit.errors import (
    Conflict,
    Fault,
    Forbidden,
    Gone,
    Invalid,
    Limited,
    NotFound,
    PaymentNeeded,
    TooLarge,
    Unauthorised,
)

MAX_ANSWER = 64 * 1024 * 1024
BATCH_VERSIONS = 100
BATCH_IDS = 10_000
_RETRIED = frozenset({502, 503, 504})
Params = Sequence[tuple[str, str]]
Notify = Callable[[str], None]


def silent(_text: str) -> None:
    """A notification that nobody hears."""


@dataclass(frozen=True, slots=True)
class Located:
    """Where the bytes of a file are just now: a signed URL expires, so it is asked for again when it fails."""

    url: str
    headers: Mapping[str, str]


def retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait as the server asks (RFC 9110 section 10.2.3: seconds or a date); None when it does not."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment - now()).total_seconds()) if moment.tzinfo else None


def backoff(attempt: int, *, base: float = 0.5, most: float = 30.0) -> float:
    """Seconds before the n-th retry (from 1): doubling, half of it random, so that clients do not march in step."""
    full = min(most, base * 2.0 ** (attempt - 1))
    return full / 2 + full / 2 * (secrets.randbelow(1001) / 1000)


def fault_of(response: httpx.Response, body: bytes) -> Fault:
    """The fault that an error answer means; the sentence is the server's own when it gives one."""
    status = response.status_code
    sentence, code = _explanation(body)
    host = response.request.url.host
    if status == 401:
        plain = f"{host} wants a valid key; sign in with `civitas login`."
        return Unauthorised(sentence or plain, code=code or "unauthorised")
    if status == 402:
        return PaymentNeeded(sentence or "This has to be paid for first.", code=code or "payment_needed")
    if status == 403:
        return Forbidden(sentence or f"{host} does not allow this with your key.", code=code or "forbidden")
    if status == 404:
        return NotFound(sentence or f"{host} has no {response.request.url.path}.", code=code or "not_found")
    if status == 410:
        return Gone(sentence or "This was archived or removed by its creator.", code=code or "gone")
    if status == 413:
        return TooLarge(sentence or f"{host} says that this is too large.", code=code or "too_large")
    if status == 429:
        wait = int(retry_after(response) or 60)
        return Limited(f"{host} allows no more requests now; try again in {wait} s.", retry_after=wait)
    if status == 409:
        return Conflict(sentence or f"{host} answers that this conflicts with something.", code=code)
    if status >= 500:
        return NetworkFault(
            f"{host} answers {status}: {(sentence or 'it has an error of its own; try later').rstrip('.')}."
        )
    details = {key: value for key, value in _tree(body).items() if key not in ("error", "message", "code")}
    return Invalid(sentence or f"{host} refuses this ({status}).", code=code, details=details)


def _tree(body: bytes) -> Json:
    try:
        return as_dict(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}


def _explanation(body: bytes) -> tuple[str, str | None]:
    outer = _tree(body)
    inner = outer.get("error")
    nested = as_dict(inner)
    title = as_text(inner) or as_text(nested.get("message"))
    message = as_text(outer.get("message"))
    sentence = f"{title}: {message}" if title and message and message != title else title or message
    issues = as_dicts(nested.get("issues")) or as_dicts(outer.get("issues"))
    if issues and not sentence:
        sentence = "; ".join(as_text(issue.get("message")) for issue in issues[:3])
    fields = as_dict(outer.get("fields")) or as_dict(nested.get("fields"))
    if fields:
        sentence += " (" + "; ".join(f"{key}: {as_text(value)}" for key, value in fields.items()) + ")"
    if outer.get("deadline"):
        sentence += f" (open to all from {as_text(outer['deadline'])})"
    return sentence[:600], as_text(outer.get("code")) or as_text(nested.get("code")) or None


class SiteClient:
    """One server, as one person or as nobody. Safe to share between threads.

    `patience` is the longest wait in seconds that a Retry-After may ask for; `attempts` counts tries of one
    request. Every method raises a Fault: Unauthorised, Forbidden, NotFound, Gone, Limited, Invalid, NetworkFault.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience: float = 120.0,
        attempts: int = 5,
        notify: Notify = silent,
        stop: threading.Event | None = None,
    ) -> None:
        self.url = tidy_url(url)
        self.key = key
        self.patience = patience
        self.attempts = attempts
        self.notify = notify
        self.stop = stop or threading.Event()
        self.http = httpx.Client(
            timeout=httpx.Timeout(30.0, connect=15.0),
            follow_redirects=False,
            headers={"User-Agent": "civitas-cli", "Accept-Encoding": "identity"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    def headers_for(self, url: str) -> dict[str, str]:
        """The Authorization header when `url` has this server's origin and a key is known, else nothing."""
        if self.key and origin_of(url) == origin_of(self.url):
            return {"Authorization": f"Bearer {self.key}"}
        return {}

    def pause(self, seconds: float, why: str) -> None:
        """Wait and say so; an interrupt ends the wait at once."""
        if seconds > 3:
            self.notify(f"{why}; waiting {seconds:.0f} s")
        self.stop.wait(seconds)

    def ask(self, method: str, path: str, *, params: Params = (), body: object = None) -> Any:
        """One API call; the JSON answer, or None for an empty one. `path` is under /api/v1 unless it is a URL."""
        url = path if "://" in path else f"{self.url}/api/v1{path}"
        content = None if body is None else orjson.dumps(body)
        repeatable = method in ("GET", "HEAD", "PUT", "DELETE") or path.startswith("/model-versions/by-hash")
        attempt = 0
        while True:
            attempt += 1
            try:
                response, answer = self._exchange(method, url, params, content)
            except httpx.ConnectError as error:
                fault: Fault = NetworkFault(f"{self.url} cannot be reached: {error}.")
                # A refused connection rarely mends in seconds, and a mistyped address never does.
                again, delay = attempt < 3, backoff(attempt)
            except httpx.HTTPError as error:
                fault = NetworkFault(f"{self.url} broke off: {error or type(error).__name__}.")
                again, delay = repeatable, backoff(attempt)
            else:
                if response.is_success:
                    return self._decoded(response, answer)
                fault = fault_of(response, answer)
                asked = retry_after(response)
                again = response.status_code == 429 or (
                    response.status_code in _RETRIED and (repeatable or asked is not None)
                )
                delay = backoff(attempt) if asked is None else asked
            if not again or attempt >= self.attempts or delay > self.patience or self.stop.is_set():
                raise fault
            self.pause(delay, fault.message.rstrip("."))

    def _exchange(
        self, method: str, url: str, params: Params, content: bytes | None
    ) -> tuple[httpx.Response, bytes]:
        headers = {"Accept": "application/json", **self.headers_for(url)}
        if content is not None:
            headers["Content-Type"] = "application/json"
        query = tuple(params) or None
        with self.http.stream(method, url, params=query, content=content, headers=headers) as response:
            return response, read_bounded(response, MAX_ANSWER)

    def _decoded(self, response: httpx.Response, body: bytes) -> Any:
        if not body:
            return None
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            kind = response.headers.get("content-type", "no content type")
            raise NetworkFault(
                f"{self.url} does not answer as a Site API ({kind} instead of JSON); check the address."
            ) from None

    def me(self) -> Json:
        """Whose key this is."""
        return as_dict(self.ask("GET", "/me"))

    def model(self, model_id: int, *, mature: bool = False) -> RemoteModel:
        """One model with its versions; `mature` asks for images of every level too."""
        params = [("nsfw", "true")] if mature else []
        return RemoteModel.read(as_dict(self.ask("GET", f"/models/{model_id}", params=params)))

    def version(self, version_id: int) -> RemoteVersion:
        """One version with its files."""
        return RemoteVersion.read(as_dict(self.ask("GET", f"/model-versions/{version_id}")))

    def by_hash(self, digest: str) -> RemoteVersion:
        """The version that has a file with this hash of any kind."""
        return RemoteVersion.read(as_dict(self.ask("GET", f"/model-versions/by-hash/{digest}")))

    def by_hashes(self, digests: Sequence[str]) -> list[RemoteVersion]:
        """The versions that have files with these SHA-256, in calls of at most 100; misses are absent."""
        found: list[RemoteVersion] = []
        for start in range(0, len(digests), BATCH_VERSIONS):
            batch = list(digests[start : start + BATCH_VERSIONS])
            answer = self.ask("POST", "/model-versions/by-hash", body=batch)
            rows = as_dict(answer).get("items", answer)
            found += [RemoteVersion.read(item) for item in as_dicts(rows)]
        return found

    def ids_by_hashes(self, digests: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Upper-case SHA-256 to (model id, version id), in calls of at most 10,000; misses are absent.

        Some servers answer with a list of objects, some with a map of version ids; then the model id is 0.
        """
        found: dict[str, tuple[int, int]] = {}
        for start in range(0, len(digests), BATCH_IDS):
            batch = list(digests[start : start + BATCH_IDS])
            answer = self.ask("POST", "/model-versions/by-hash/ids", body=batch)
            for row in as_dicts(answer):
                ids = as_int(row.get("modelId")), as_int(row.get("modelVersionId"))
                found[as_text(row.get("hash")).upper()] = ids
            for digest, version_id in as_dict(answer).items():
                if as_int(version_id):
                    found[str(digest).upper()] = (0, as_int(version_id))
        return found

    def models(self, params: Params, *, limit: int) -> Iterator[RemoteModel]:
        """Models of a search, at most `limit`, page after page by the server's own nextCursor or nextPage."""
        left, size = limit, min(100, limit)
        query: Params = [*params, ("limit", str(size))]
        path, seen = "/models", set[str]()
        while left > 0:
            page = as_dict(self.ask("GET", path, params=query))
            items = as_dicts(page.get("items"))
            for item in items[:left]:
                yield RemoteModel.read(item)
            left -= len(items)
            meta = as_dict(page.get("metadata"))
            cursor, following = as_text(meta.get("nextCursor")), as_text(meta.get("nextPage"))
            token = cursor or following
            if not items or not token or token in seen:
                return
            seen.add(token)
            if cursor:
                query = [*params, ("limit", str(size)), ("cursor", cursor)]
            else:
                path, query = self._own(following), ()

    def _own(self, url: str) -> str:
        """A link of the server's answer, moved to the origin that we asked: proxies change names."""
        parts = urlsplit(urljoin(self.url, url))
        return f"{self.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    def locate(self, url: str) -> Located:
        """Follow a download URL to its signed location. Refuses pages: they are sign-in forms, not files.

        The key goes to this server's origin only; a link to it under another name is moved to our name.
        """
        if urlsplit(url).path.startswith("/api/download/"):
            url = self._own(url)
        for _hop in range(8):
            response, body = self._first_look(url)
            if not response.is_redirect:
                kind = response.headers.get("content-type", "")
                if response.status_code in (200, 206) and not kind.startswith("text/html"):
                    return Located(url, self.headers_for(url))
                if response.is_success:
                    raise NetworkFault(f"{urlsplit(url).hostname} answers with a page instead of a file.")
                raise fault_of(response, body)
            target = urljoin(url, response.headers.get("location", ""))
            if "reason=download-auth" in target or urlsplit(target).path == "/login":
                raise Unauthorised("This download needs a key; sign in with `civitas login`.")
            if origin_of(target) != origin_of(self.url) or not urlsplit(target).path.startswith("/api/"):
                return Located(target, {})
            url = target
        raise NetworkFault("The download address redirects in a circle.")

    def bytes_of(self, url: str, *, most: int) -> bytes:
        """A small file such as a preview image, whole; a key goes to this server's origin only."""
        attempt = 0
        while True:
            attempt += 1
            headers = self.headers_for(url)
            try:
                with self.http.stream("GET", url, headers=headers, follow_redirects=True) as response:
                    body = read_bounded(response, most)
            except httpx.HTTPError as error:
                fault: Fault = NetworkFault(f"{urlsplit(url).hostname} cannot be reached: {error}.")
                delay, again = backoff(attempt), True
            else:
                if response.is_success:
                    return body
                fault, asked = fault_of(response, body), retry_after(response)
                again = response.status_code == 429 or response.status_code in _RETRIED
                delay = backoff(attempt) if asked is None else asked
            if not again or attempt >= self.attempts or delay > self.patience or self.stop.is_set():
                raise fault
            self.pause(delay, fault.message.rstrip("."))

    def _first_look(self, url: str) -> tuple[httpx.Response, bytes]:
        attempt = 0
        while True:
            attempt += 1
            headers = {"Range": "bytes=0-0", **self.headers_for(url)}
            try:
                with self.http.stream("GET", url, headers=headers) as response:
                    body = b"" if response.is_success else read_bounded(response, 256 * 1024)
            except httpx.HTTPError as error:
                fault: Fault = NetworkFault(f"{urlsplit(url).hostname} cannot be reached: {error}.")
                delay = backoff(attempt)
            else:
                if response.status_code != 429 and response.status_code not in _RETRIED:
                    return response, body
                fault = fault_of(response, body)
                asked = retry_after(response)
                delay = backoff(attempt) if asked is None else asked
            if attempt >= self.attempts or delay > self.patience or self.stop.is_set():
                raise fault
            self.pause(delay, fault.message.rstrip("."))


def read_bounded(response: httpx.Response, most: int) -> bytes:
    """The whole body of a streamed answer; raises NetworkFault beyond `most` bytes."""
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > most:
            raise NetworkFault(f"{response.request.url.host} answers with more than {most} bytes; refused.")
        pieces.append(piece)
    return b"".join(pieces)

"""Signed links to our own storage route: HMAC-SHA256 over everything that the answer depends on."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import orjson

from civitas.infra.storage.keys import check_key, is_key
from civitas.kit.clock import now
from civitas.kit.errors import Forbidden, Invalid
from civitas.kit.text import ascii_filename

PATH = "/storage/"
MAX_LIFETIME = timedelta(days=7)
MIN_SIGNING_KEY = 16

_DISPOSITION = re.compile(r'attachment; filename="([A-Za-z0-9._() \[\]+@-]{1,200})"', re.ASCII)
_TYPE = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}(; charset=utf-8)?", re.ASCII
)
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_ETAG = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GetGrant:
    """What a verified download link allows."""

    key: str
    disposition: str
    content_type: str
    expires: datetime
    public: bool
    etag: str | None


@dataclass(frozen=True, slots=True)
class PartGrant:
    """What a verified part link allows."""

    key: str
    handle: str
    number: int
    size: int
    checksum: str | None


def disposition_of(filename: str) -> str:
    """`attachment; filename="X"` with an ASCII X: exactly one `=` (WIRE rule 3), no quote to escape."""
    return f'attachment; filename="{ascii_filename(filename)}"'


def check_lifetime(expires: timedelta) -> int:
    """The lifetime in whole seconds. Raises Invalid (`link_lifetime`) outside one second to seven days."""
    if not timedelta(seconds=1) <= expires <= MAX_LIFETIME:
        raise Invalid("A link may live between one second and seven days.", code="link_lifetime")
    return int(expires.total_seconds())


def safe_type(content_type: str) -> str:
    """The media type in lower case, or `application/octet-stream` for anything that is not plainly one."""
    lowered = content_type.lower()
    return lowered if _TYPE.fullmatch(lowered) else "application/octet-stream"


class LinkSigner:
    """Makes and checks links. Every serving process must have the same key."""

    def __init__(self, signing_key: bytes, public_base: str = "") -> None:
        """`public_base` is `https://files.example.org` or "" for links relative to the site."""
        if len(signing_key) < MIN_SIGNING_KEY:
            raise ValueError("the signing key of storage links must have 16 bytes or more")
        # a key of its own, so that no signature made elsewhere with the same secret fits here
        self._key = hmac.digest(signing_key, b"civitas storage links 1", "sha256")
        self.public_base = public_base.rstrip("/")

    def get_url(
        self,
        key: str,
        *,
        filename: str,
        content_type: str,
        expires: timedelta,
        public: bool = False,
        etag: str | None = None,
    ) -> str:
        """A link for GET and HEAD whose path ends in the file's name (WIRE rule 2)."""
        check_key(key)
        if etag is not None and not _ETAG.fullmatch(etag):
            raise ValueError("an entity tag for a link is letters, digits, `_`, `.` and `-`")
        name = ascii_filename(filename)
        query = {
            "expires": self._deadline(expires),
            "response-content-disposition": disposition_of(filename),
            "response-content-type": safe_type(content_type),
        }
        if etag is not None:
            query["etag"] = etag
        if public:
            query["public"] = "1"
        return self._url(f"{key}/{name}", query, self._sign_get(key, query))

    def part_url(
        self, key: str, handle: str, number: int, size: int, expires: timedelta, checksum: str | None = None
    ) -> str:
        """A link for PUT of one part of exactly `size` bytes."""
        query = {
            "expires": self._deadline(expires),
            "upload": handle,
            "part": str(number),
            "size": str(size),
        }
        if checksum is not None:
            query["checksum"] = checksum
        return self._url(check_key(key), query, self._sign_part(key, query))

    def open_get(self, path: str, query: Mapping[str, str]) -> GetGrant:
        """Check a download link; `path` is decoded and begins after `/storage/`.

        Raises Forbidden (`bad_signature`, `link_expired`).
        """
        named = _DISPOSITION.fullmatch(query.get("response-content-disposition", ""))
        if not named or not path.endswith(f"/{named[1]}"):
            raise _forged()
        key = path[: -len(named[1]) - 1]
        expires = self._verify(key, query, self._sign_get)
        return GetGrant(
            key,
            query["response-content-disposition"],
            query.get("response-content-type", "application/octet-stream"),
            expires,
            query.get("public") == "1",
            query.get("etag"),
        )

    def open_part(self, path: str, query: Mapping[str, str]) -> PartGrant:
        """Check a part link. Raises Forbidden (`bad_signature`, `link_expired`)."""
        self._verify(path, query, self._sign_part)
        return PartGrant(path, query["upload"], int(query["part"]), int(query["size"]), query.get("checksum"))

    def _deadline(self, expires: timedelta) -> str:
        return str(int(now().timestamp()) + check_lifetime(expires))

    def _url(self, path: str, query: Mapping[str, str], signature: str) -> str:
        pairs = urlencode({**query, "signature": signature}, quote_via=quote, safe="")
        return f"{self.public_base}{PATH}{quote(path)}?{pairs}"

    def _verify(
        self, key: str, query: Mapping[str, str], sign: Callable[[str, Mapping[str, str]], str]
    ) -> datetime:
        given = query.get("signature", "")
        if not is_key(key) or not given.isascii() or not hmac.compare_digest(sign(key, query), given):
            raise _forged()
        expires = query.get("expires", "")
        if not _NUMBER.fullmatch(expires):
            raise _forged()
        deadline = datetime.fromtimestamp(min(int(expires), 253_402_300_799), UTC)
        if now() >= deadline:
            raise Forbidden("This link has expired; ask for a new one.", code="link_expired")
        return deadline

    def _sign_get(self, key: str, query: Mapping[str, str]) -> str:
        names = ("expires", "response-content-disposition", "response-content-type", "etag", "public")
        return self._sign("GET", key, [query.get(name) for name in names])

    def _sign_part(self, key: str, query: Mapping[str, str]) -> str:
        names = ("expires", "upload", "part", "size", "checksum")
        return self._sign("PUT", key, [query.get(name) for name in names])

    def _sign(self, method: str, key: str, values: list[str | None]) -> str:
        # JSON keeps the borders between fields, so that no two requests have one text
        text = orjson.dumps([method, key, *values])
        return base64.urlsafe_b64encode(hmac.digest(self._key, text, hashlib.sha256)).rstrip(b"=").decode()


def _forged() -> Forbidden:
    return Forbidden("This link is not one of ours or was changed; ask for a new one.", code="bad_signature")

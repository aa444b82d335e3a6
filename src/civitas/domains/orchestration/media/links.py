"""Links that are permissions: signed or encrypted, expiring, and the same for an hour so that caches can keep them.

What a token says is hidden and cannot be changed (AES-SIV, RFC 5297: equal contents give equal tokens).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from civitas.kit import clock
from civitas.kit.errors import Forbidden

BLOBS: Final = "/v2/consumer/blobs"
PREVIEWS: Final = "/v2/consumer/streaming-blobs"
# A link holds for a day, or up to an hour more, because it ends on the full hour.
LIFE: Final = timedelta(hours=24)
UPLOAD_LIFE: Final = timedelta(hours=1)
ARCHIVE_LIFE: Final = timedelta(days=7)
_STEP_S: Final = 3_600
_LONGEST: Final = 4_096


@dataclass(frozen=True, slots=True)
class ContentGrant:
    """To read a blob's bytes, under a name, shown or saved."""

    blob_id: str
    expires: datetime
    filename: str | None = None
    download: bool = False


@dataclass(frozen=True, slots=True)
class UploadGrant:
    """To upload one blob for somebody; its id is chosen already, so that the grant serves once."""

    blob_id: str
    person_id: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class MediaLinks:
    """Makes and checks links. `base` is where the site is reached: `https://hub.example.org`."""

    signing: bytes
    sealing: bytes
    base: str = ""

    @classmethod
    def derived(cls, secret: bytes, base: str = "") -> MediaLinks:
        """With keys of the instance's secret, for these links alone."""
        made = HKDF(algorithm=SHA256(), length=96, salt=None, info=b"civitas media links 1").derive(secret)
        return cls(made[:32], made[32:], base.rstrip("/"))

    def at(self, base: str) -> MediaLinks:
        """The same links under another address."""
        return replace(self, base=base.rstrip("/"))

    def blob_url(self, blob_id: str, life: timedelta = LIFE) -> tuple[str, datetime]:
        """Where anybody gets a blob until it expires, and when that is."""
        expires = _full_hour(life)
        query = {"sig": self._blob_signature(blob_id, expires), "exp": _seconds(expires)}
        return f"{self.base}{BLOBS}/{blob_id}?{urlencode(query)}", expires

    def open_blob(self, blob_id: str, *, sig: str, exp: str) -> datetime:
        """Check a link to a blob; when it expires. Raises Forbidden (`bad_signature`, `link_expired`)."""
        if not exp.isascii() or not exp.isdigit() or len(exp) > 12 or not sig.isascii():
            raise _forged()
        expires = datetime.fromtimestamp(int(exp), UTC)
        if not hmac.compare_digest(self._blob_signature(blob_id, expires), sig):
            raise _forged()
        return _still(expires)

    def content_url(
        self, blob_id: str, *, expires: datetime, filename: str | None = None, download: bool = False
    ) -> str:
        """Where the bytes themselves are."""
        token = self._seal("content", [blob_id, int(expires.timestamp()), filename, download])
        return f"{self.base}{BLOBS}/content/{token}"

    def open_content(self, token: str) -> ContentGrant:
        """What a content token allows. Raises Forbidden (`bad_signature`, `link_expired`)."""
        blob_id, expires, filename, download = self._open("content", token, 4)
        return ContentGrant(blob_id, _still(_moment(expires)), filename, download)

    def upload_url(self, *, blob_id: str, person_id: int) -> tuple[str, datetime]:
        """Where one blob can be uploaded without a key, and until when."""
        expires = clock.now() + UPLOAD_LIFE
        token = self._seal("upload", [blob_id, person_id, int(expires.timestamp())])
        return f"{self.base}{BLOBS}?sig={token}", expires

    def open_upload(self, token: str) -> UploadGrant:
        """What an upload's `sig` allows. Raises Forbidden (`bad_signature`, `link_expired`)."""
        blob_id, person_id, expires = self._open("upload", token, 3)
        return UploadGrant(blob_id, person_id, _still(_moment(expires)))

    def archive_url(self, archive_id: str, expires: datetime) -> str:
        """Where an archive is streamed from."""
        return f"{self.base}{BLOBS}/archive/{self._seal('archive', [archive_id, int(expires.timestamp())])}"

    def open_archive(self, token: str) -> str:
        """The archive that a token names; whether it has expired is for its row to say. Raises Forbidden."""
        archive_id, _ = self._open("archive", token, 2)
        return str(archive_id)

    def blocked_url(self, width: int, height: int) -> str:
        """A picture that stands for one that may not be shown, in its size."""
        return f"{self.base}{BLOBS}/blocked/{self._seal('blocked', [width, height])}"

    def open_blocked(self, token: str) -> tuple[int, int]:
        """Width and height of a stand-in. Raises Forbidden (`bad_signature`)."""
        width, height = self._open("blocked", token, 2)
        return width, height

    def preview_url(self, job_id: str, life: timedelta = LIFE) -> str:
        """Where the previews of a running job are streamed from."""
        return f"{self.base}{PREVIEWS}/{self._seal('preview', [job_id, int(_full_hour(life).timestamp())])}"

    def open_preview(self, token: str) -> str:
        """The job that a preview's key names. Raises Forbidden (`bad_signature`, `link_expired`)."""
        job_id, expires = self._open("preview", token, 2)
        _still(_moment(expires))
        return str(job_id)

    def _blob_signature(self, blob_id: str, expires: datetime) -> str:
        text = f"GET {blob_id} {_seconds(expires)}".encode()
        return _base64(hmac.digest(self.signing, text, hashlib.sha256))

    def _seal(self, purpose: str, values: list[Any]) -> str:
        return _base64(AESSIV(self.sealing).encrypt(orjson.dumps(values), [purpose.encode()]))

    def _open(self, purpose: str, token: str, count: int) -> list[Any]:
        if len(token) > _LONGEST or not token.isascii():
            raise _forged()
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            values = orjson.loads(AESSIV(self.sealing).decrypt(sealed, [purpose.encode()]))
        except (binascii.Error, InvalidTag, ValueError):
            raise _forged() from None
        if not isinstance(values, list) or len(values) != count:
            raise _forged()
        return values


def _full_hour(life: timedelta) -> datetime:
    seconds = int((clock.now() + life).timestamp())
    return datetime.fromtimestamp(-(-seconds // _STEP_S) * _STEP_S, UTC)


def _seconds(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _still(expires: datetime) -> datetime:
    if clock.now() >= expires:
        raise Forbidden(
            "This link has expired; ask for the blob again to get a new one.", code="link_expired"
        )
    return expires


def _forged() -> Forbidden:
    return Forbidden("This link is not one of ours or was changed; ask for a new one.", code="bad_signature")

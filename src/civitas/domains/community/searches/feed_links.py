"""Secret links to the feed of a search: whoever has one sees what its person sees, until they make another."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import actors
from civitas.domains.accounts.types import Actor
from civitas.domains.community.searches.tables import SavedSearch
from civitas.kit.errors import NotFound
from civitas.kit.ids import row_id


@dataclass(frozen=True, slots=True)
class SearchFeedKey:
    """What the links are signed with."""

    secret: bytes

    @classmethod
    def derived(cls, instance_secret: bytes) -> SearchFeedKey:
        """The key for this purpose (HKDF's expand step, RFC 5869)."""
        return cls(hmac.new(instance_secret, b"feeds of searches\x01", hashlib.sha256).digest())

    def token(self, search_id: int, number: int) -> str:
        """The token of a search's link with this number."""
        signature = hmac.digest(self.secret, f"{search_id}.{number}".encode(), hashlib.sha256)[:18]
        return f"{search_id}.{base64.urlsafe_b64encode(signature).decode()}"


async def opened(session: AsyncSession, key: SearchFeedKey, token: str) -> tuple[SavedSearch, Actor]:
    """The search of a link, and its person. Raises NotFound for a link that does not work, or does no more."""
    missing = NotFound("This link does not work any more.", code="feed_not_found")
    number = row_id(token.partition(".")[0])
    if number is None:
        raise missing
    row = await session.get(SavedSearch, number)
    if row is None or row.feed_number is None:
        raise missing
    if not hmac.compare_digest(key.token(row.id, row.feed_number).encode(), token.encode()):
        raise missing
    return row, await actors.actor_named(session, row.person_id)

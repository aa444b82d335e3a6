"""Pictures of cosmetics: decoded at the door like portraits, with the hash by which a copy is known again."""

from __future__ import annotations

from civitas.domains.buzz.shop.creators import Artwork
from civitas.faces.http import portraits
from civitas.faces.http.state import State


async def keep(state: State, body: bytes) -> Artwork:
    """Decode a picture in the sandbox and store its copies. Raises as `portraits.keep` does."""
    key, fingerprint = await portraits.keep_known(state, body, "artwork")
    bits = int(fingerprint, 16)
    return Artwork(key, bits - 2**64 if bits >= 2**63 else bits)

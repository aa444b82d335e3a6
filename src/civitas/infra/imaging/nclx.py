"""Colour spaces that a picture names by numbers (ITU-T H.273) and not by a profile, as profiles.

Each is the sRGB profile with other primaries: what phones write (Display P3) and what televisions use (BT.2020) have
its white, and curves close to its own. Brightness beyond a screen's (PQ, HLG) is not brought down.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, Final

from PIL import ImageCms

# By `colour_primaries` of H.273: red, green and blue as CIE XYZ under D50 (Bradford), in the order of ICC.1:2022.
_PRIMARIES: Final = {
    9: ((0.67348, 0.27904, -0.00193), (0.16564, 0.67534, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
_BEYOND_A_SCREEN: Final = frozenset({16, 18})
_TAGS: Final = (b"rXYZ", b"gXYZ", b"bXYZ")


def profile_of(named: Any) -> bytes | None:
    """An ICC profile for `color_primaries` and `transfer_characteristics`; None where colours are as sRGB means them."""
    if not isinstance(named, dict) or named.get("transfer_characteristics") in _BEYOND_A_SCREEN:
        return None
    primaries = named.get("color_primaries")
    return _profile(primaries) if primaries in _PRIMARIES else None


@cache
def _profile(primaries: int) -> bytes:
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    places = dict(struct.unpack_from(">4sI", data, at) for at in range(132, 132 + 12 * count, 12))
    for tag, colour in zip(_TAGS, _PRIMARIES[primaries], strict=True):
        struct.pack_into(">3i", data, places[tag] + 8, *(round(part * 65536) for part in colour))
    return bytes(data)

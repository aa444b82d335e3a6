"""What a picture of the feed can be found by, as numbers of 31 bits: five for the kind of term, 26 for its id. Pure.

Base models are texts in the catalogue; their numbers are made of their names. Ids are cut to 26 bits, so that two ids
67 million apart would be taken for one: far beyond what one instance holds of tags, tools, models and versions.
"""

from __future__ import annotations

import hashlib
from typing import Final

from civitas.domains.accounts.types import ALL_MASK

LOW: Final = 2**26 - 1
_FLAG, _BASE, _KIND_BASE, _TAG, _TOOL, _VERSION, _MODEL, _WEEK = (space << 26 for space in range(1, 9))
KINDS: Final = {"image": _FLAG + 1, "video": _FLAG + 2, "audio": _FLAG + 3}
WITH_META, MADE_HERE, ORIGINAL, REMIX = _FLAG + 4, _FLAG + 5, _FLAG + 6, _FLAG + 7
# For counts only: all pictures, and those that reach a tier of ranks (tables.TIERS).
EVERYTHING: Final = 0
SQL: Final = {
    "flag": str(_FLAG), "base": str(_BASE), "kind_base": str(_KIND_BASE), "tag": str(_TAG), "tool": str(_TOOL),
    "version": str(_VERSION), "week": str(_WEEK), "model": str(_MODEL), "low": str(LOW),
}  # fmt: skip


def number(text: str) -> int:
    """24 bits of a text's digest, as SQL makes them."""
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:6], 16)


def base(name: str) -> int:
    """Pictures made with versions for a base model."""
    return _BASE + number(name.lower())


def kind_base(kind: str, name: str) -> int:
    """Media of a kind made with versions for a base model: together they are rarer than either says."""
    return _KIND_BASE + number(kind + name.lower())


def tag(tag_id: int) -> int:
    """Pictures that carry a tag, by themselves or by their post."""
    return _TAG + (tag_id & LOW)


def tool(tool_id: int) -> int:
    """Pictures made with a tool or by a technique."""
    return _TOOL + (tool_id & LOW)


def version(version_id: int) -> int:
    """Pictures made with a version."""
    return _VERSION + (version_id & LOW)


def model(model_id: int) -> int:
    """Pictures made with any version of a model."""
    return _MODEL + (model_id & LOW)


def level(bits: int) -> int:
    """Pictures of exactly this level."""
    return _FLAG + 32 + bits


def levels(mask: int) -> list[int]:
    """Pictures of any level that the mask lets through."""
    return [level(bits) for bits in range(1, ALL_MASK + 1) if bits & mask]


def tier(column: str, least: int) -> int:
    """Pictures whose rank reaches a tier."""
    return _FLAG + 1000 + {"reactions": 0, "comments": 500, "collected": 750}[column] + least


def week(number: int) -> int:
    """Pictures published in a week, counted from 1970; for counts only."""
    return _WEEK + number

"""When a model or a version counts as mature: for the colours that pay, for tips, for what a safe site shows."""

from __future__ import annotations

from civitas.domains.accounts.types import SAFE_MASK


def is_mature(nsfw: bool, level: int) -> bool:
    """Whether it can be shown and paid for as mature only: its creator says so, or it has no safe picture.

    `level` are the levels of its pictures, joined; 0 when there are none, which is not mature by itself.
    """
    return nsfw or (level != 0 and level & SAFE_MASK == 0)

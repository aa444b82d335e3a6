"""The form that asks what somebody wants to be shown; the welcome steps and the settings share it."""

from __future__ import annotations

from typing import Any

from civitas.domains.accounts.types import ALL_MASK, PG, PG13, SAFE_MASK, XXX, R, X
from civitas.faces.web.forms import Entered

# What each level holds (FEATURES N4), in words that need no glossary.
LEVELS = (
    (PG, "PG", "For everybody"),
    (PG13, "PG-13", "Revealing clothes, light violence"),
    (R, "R", "Partial nudity, graphic violence"),
    (X, "X", "Nudity"),
    (XXX, "XXX", "Sexual or extreme content"),
)
MATURE = R | X | XXX


def wanted(form: Entered) -> dict[str, Any]:
    """The arguments of `preferences.set_browsing`."""
    level = 0
    for value in form.all("level"):
        if value.isascii() and value.isdigit() and len(value) < 4:
            level |= int(value) & ALL_MASK
    show_mature = bool(level & MATURE)
    return {
        "show_mature": show_mature,
        "browsing_level": level if show_mature else level & SAFE_MASK or SAFE_MASK,
        "blur_mature": form.flag("blur_mature"),
        "adult_confirmed": form.flag("adult_confirmed"),
    }


# The domain's names of the fields, in the form's.
FIELDS = {"adultConfirmed": "adult_confirmed", "browsingLevel": "level"}

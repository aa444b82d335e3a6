"""The form that asks what somebody wants to be shown; the welcome steps and the settings share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from civitas.domains.accounts.preferences import Browsing
from civitas.domains.accounts.types import ALL_MASK, MATURE_MASK, PG, PG13, SAFE_MASK, XXX, R, X
from civitas.faces.web.forms import Entered

# What each level holds (FEATURES N4), in words that need no glossary.
LEVELS = (
    (PG, "PG", "For everybody"),
    (PG13, "PG-13", "Revealing clothes, light violence"),
    (R, "R", "Partial nudity, graphic violence"),
    (X, "X", "Nudity"),
    (XXX, "XXX", "Sexual or extreme content"),
)
SHOW, BLUR, HIDE = "show", "blur", "hide"
WORDS: Final = ((SHOW, "Show"), (BLUR, "Blur"), (HIDE, "Hide"))


def field_of(bit: int) -> str:
    """The name of the field that says what becomes of a level."""
    return f"level-{bit}"


def wanted(form: Entered) -> dict[str, Any]:
    """The arguments of `preferences.set_browsing`; a level that the form does not name stays hidden."""
    shown = blurred = 0
    for bit, _, _ in LEVELS:
        say = form.get(field_of(bit), HIDE)
        shown |= bit if say in (SHOW, BLUR) else 0
        # What is hidden now comes back blurred, should it be asked for elsewhere.
        blurred |= bit if say == BLUR or (say != SHOW and bit & MATURE_MASK) else 0
    show_mature = bool(shown & MATURE_MASK)
    return {
        "show_mature": show_mature,
        "browsing_level": shown if show_mature else shown & SAFE_MASK or SAFE_MASK,
        "blur_level": blurred & ALL_MASK & ~PG,
        "adult_confirmed": form.flag("adult_confirmed"),
    }


@dataclass(frozen=True, slots=True)
class LevelChoice:
    """A level, and what is to become of it: `show`, `blur` or `hide`."""

    name: str
    label: str
    words: str
    value: str
    options: tuple[tuple[str, str], ...]


def choices(form: Entered, browsing: Browsing) -> tuple[LevelChoice, ...]:
    """Every level as the form was sent, or as it was chosen before."""
    return tuple(
        LevelChoice(
            name=field_of(bit),
            label=label,
            words=words,
            value=form.get(field_of(bit), _before(browsing, bit)),
            options=tuple(option for option in WORDS if bit != PG or option[0] != BLUR),
        )
        for bit, label, words in LEVELS
    )


def _before(browsing: Browsing, bit: int) -> str:
    if not browsing.browsing_level & bit:
        return HIDE
    return BLUR if browsing.blur_level & bit else SHOW


# The domain's names of the fields, in the form's.
FIELDS = {"adultConfirmed": "adult_confirmed", "browsingLevel": "level", "blurLevel": "level"}

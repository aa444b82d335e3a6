"""Identifiers of workflows and jobs: a word, the time, and chance, so that rows of one day lie together."""

from __future__ import annotations

import secrets
from typing import Final

from civitas.kit import clock

# Crockford's base 32: no letter that looks like a digit. Written two at a time.
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
_TIME, _CHANCE = 5, 8


def new_workflow_id() -> str:
    """`wf_` and 26 characters; later ones sort after earlier ones of another millisecond."""
    return f"wf_{_new()}"


def new_job_id() -> str:
    """`job_` and 26 characters."""
    return f"job_{_new()}"


def _new() -> str:
    moment = int(clock.now().timestamp() * 1000)
    return _written(moment, _TIME) + _written(int.from_bytes(secrets.token_bytes(_CHANCE * 10 // 8)), _CHANCE)


def _written(number: int, pairs: int) -> str:
    return "".join([_PAIRS[(number >> place) & 1023] for place in range(10 * (pairs - 1), -1, -10)])

"""Identifiers of workflows and jobs: a word, the time, and chance, so that rows of one day lie together."""

from __future__ import annotations

import secrets
from typing import Final

from civitas.kit import clock

# Crockford's base 32: no letter that looks like a digit.
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME, _CHANCE = 10, 16


def new_workflow_id() -> str:
    """`wf_` and 26 characters; later ones sort after earlier ones of another millisecond."""
    return f"wf_{_new()}"


def new_job_id() -> str:
    """`job_` and 26 characters."""
    return f"job_{_new()}"


def _new() -> str:
    moment = int(clock.now().timestamp() * 1000)
    return _written(moment, _TIME) + _written(secrets.randbits(5 * _CHANCE), _CHANCE)


def _written(number: int, length: int) -> str:
    return "".join(_DIGITS[(number >> 5 * place) & 31] for place in reversed(range(length)))

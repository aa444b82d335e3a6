"""The rules of prompts as data: read once, laid over by the operator's own file, checked at start."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civitas.kit.errors import Invalid

LISTS = ("minors", "sexual", "persons", "forbidden", "profanity", "benign", "revealing", "suggestive")


class PromptRules(BaseModel):
    """Every list of `prompt_rules.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest: int = Field(default=20_000, ge=100, le=200_000)
    minors: tuple[str, ...] = ()
    sexual: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    profanity: tuple[str, ...] = ()
    together: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    benign: tuple[str, ...] = ()
    revealing: tuple[str, ...] = ()
    suggestive: tuple[str, ...] = ()


@cache
def packaged() -> PromptRules:
    """The rules that come with the program."""
    return PromptRules.model_validate(
        tomllib.loads(files(__package__).joinpath("prompt_rules.toml").read_text(encoding="utf-8"))
    )


def load(extra: Path | None = None) -> PromptRules:
    """The rules with an operator's file laid over. Raises Invalid with the file's name and what is wrong in it."""
    if extra is None:
        return packaged()
    try:
        given: dict[str, Any] = tomllib.loads(extra.read_text(encoding="utf-8"))
        added = PromptRules.model_validate(given)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise Invalid(
            f"The prompt rules in {extra} cannot be used: {error}", code="bad_prompt_rules"
        ) from error
    base = packaged()
    lists = {name: _laid(getattr(base, name), getattr(added, name)) for name in LISTS}
    longest = added.longest if "longest" in given else base.longest
    return PromptRules(longest=longest, together=base.together + added.together, **lists)


def _laid(under: Sequence[str], over: Sequence[str]) -> tuple[str, ...]:
    gone = {word[1:] for word in over if word.startswith("-")}
    more = [word for word in over if not word.startswith("-")]
    return tuple(dict.fromkeys(word for word in (*under, *more) if word not in gone))

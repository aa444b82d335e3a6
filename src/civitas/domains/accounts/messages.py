"""Work of this domain that runs in the background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SendLink:
    """Make the secret of a requested link and mail it."""

    token_id: int


@dataclass(frozen=True, slots=True)
class SendLetter:
    """Mail a text of `letters` that holds no secret."""

    to: str
    letter: str
    context: dict[str, str]

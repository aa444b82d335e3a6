"""The sentence by which a creator affirms to hold the rights to what they charge a licence fee for.

A new wording is a new version: what was affirmed is kept by the hash of its text.
"""

from __future__ import annotations

import hashlib
from typing import Final

VERSION: Final = 1
TEXT: Final = (
    "I made this model, or I hold the rights that I need to charge for its use. What it was trained on and what it "
    "is built upon allow that. I know that the fee ends, and that earnings can be taken back, if this is not true."
)


def digest(text: str = TEXT) -> bytes:
    """SHA-256 of the sentence."""
    return hashlib.sha256(text.encode()).digest()


def affirmed(given: str | None) -> bool:
    """Whether `given` is the hash of the sentence that is asked for today, in hex of any case."""
    return given is not None and given.strip().lower() == digest().hex()

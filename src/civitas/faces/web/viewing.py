"""How a visitor wants to see what is mature."""

from __future__ import annotations

from civitas.domains.accounts.types import Actor
from civitas.faces.web.pictures import Eyes


def eyes_of(actor: Actor) -> Eyes:
    """The visitor's levels, and which of them they want blurred."""
    return Eyes(actor.mask, actor.blur)

"""What rooms below the studio ask it: how mature an output is by its words and models."""

from __future__ import annotations

from civitas.domains.studio.rating import by_words_and_models

__all__ = ["by_words_and_models"]

"""Words: talked with, improved and judged by language models."""

from __future__ import annotations

from typing import Final

from civitas.domains.orchestration.kinds.images import IMAGE
from civitas.domains.orchestration.kinds.kind import MEDIA_FIELDS, Kind

KINDS: Final = (
    Kind(
        "chatCompletion",
        "agents with the openai engine",
        slots=IMAGE * 4,
        # Pictures come as `image_url: {url}`; a model's name is the server's own and no AIR.
        media=frozenset({"url"}),
        airs=frozenset(),
        timeout_s=600,
    ),
    Kind("promptEnhancement", "agents with the openai engine", timeout_s=600),
    Kind("xGuardModeration", "agents with that model", cached=True, timeout_s=600),
    Kind("shieldstralModeration", "agents with that model", media=MEDIA_FIELDS, cached=True, timeout_s=600),
)

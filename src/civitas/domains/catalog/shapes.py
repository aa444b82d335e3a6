"""The catalogue as a collection of an index in memory: all that its process need know of it. Pure.

What changes in these columns is logged by the triggers of the table (migration 0047).
"""

from __future__ import annotations

from typing import Final

from civitas.domains.catalog import terms
from civitas.infra.search.shape import Order, Shape

MODELS: Final = Shape(
    "models",
    "model_listings",
    "model_id",
    (
        Order("last_version_at", "moment"),
        Order("rating", "float"),
        *(Order(column, "long") for column in ("downloads", "thumbs_up", "comments", "collected", "images")),
    ),
    terms=terms.SQL,
    owners=(("level", terms.LEVEL), ("person_id", terms.PERSON)),
    wide=True,
)
SHAPES: Final = (MODELS,)

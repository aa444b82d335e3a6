"""The feeds as collections of an index in memory: all that its process need know of them. Pure.

What changes in these columns is logged by the triggers of the tables (migration 0041).
"""

from __future__ import annotations

from typing import Final

from civitas.infra.search.shape import Order, Shape

# People are terms, too, above those of 31 bits.
PERSON: Final = 1 << 40
_COUNTED: Final = (Order("reactions"), Order("comments"), Order("collected"))
SHAPES: Final = (
    Shape(
        "images",
        "feed_images",
        "image_id",
        (Order("published_at", "moment"), *_COUNTED, Order("shuffle")),
        owners=(("person_id", PERSON),),
    ),
    Shape(
        "posts",
        "feed_posts",
        "post_id",
        (Order("published_at", "moment"), *_COUNTED),
        owners=(("person_id", PERSON),),
    ),
)

"""Work of the shop that runs in the background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefundShopItem:
    """Pay back everybody who bought an item that was taken down."""

    item_id: int

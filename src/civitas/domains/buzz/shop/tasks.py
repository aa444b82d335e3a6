"""What the shop does by itself."""

from __future__ import annotations

from civitas.domains.buzz.shop import sales
from civitas.domains.buzz.shop.messages import RefundShopItem
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import handles


@handles(RefundShopItem)
async def refund_shop_item(message: RefundShopItem, context: TaskContext) -> None:
    """Batch after batch; one that was done is not done again."""
    while True:
        async with context.unit() as session:
            if await sales.refund_batch(session, item_id=message.item_id) == 0:
                return

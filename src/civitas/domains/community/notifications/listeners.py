"""Every fact that is told to somebody, and the one way in which it is: read, then put before people, set by set."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events import accounts, buzz, catalog, community, gallery, orchestration
from civitas.domains.community.notifications import (
    delivering,
    facts,
    gathered_facts,
    money_facts,
    placement_facts,
    staff_facts,
)
from civitas.domains.community.notifications.facts import Told
from civitas.domains.community.notifications.messages import FanOut
from civitas.infra.queue.registry import on

Reading = Callable[[AsyncSession, Any], Awaitable[Told]]

READS: Final[Mapping[type, Reading]] = {
    community.Commented: facts.commented,
    community.CommentEdited: facts.edited,
    community.Reviewed: facts.reviewed,
    community.ArticlePublished: facts.article_published,
    community.ArticleUnpublished: staff_facts.article_unpublished,
    community.ChatInvited: gathered_facts.chat_invited,
    community.SearchMatched: gathered_facts.search_matched,
    community.RankReached: gathered_facts.rank_reached,
    community.MilestoneReached: gathered_facts.milestone_reached,
    accounts.Followed: facts.followed,
    accounts.PersonMuted: staff_facts.muted,
    accounts.PersonUnbanned: staff_facts.unbanned,
    accounts.RoleChanged: staff_facts.role_changed,
    gallery.Reacted: facts.reacted,
    gallery.Collected: facts.collected,
    gallery.CollectionFollowed: gathered_facts.collection_followed,
    gallery.CollectionItemsSubmitted: gathered_facts.items_submitted,
    gallery.CollectionItemReviewed: gathered_facts.item_reviewed,
    gallery.ContestEnded: gathered_facts.contest_ended,
    gallery.BoardGiftGiven: gathered_facts.board_gave,
    gallery.PlacementOffered: placement_facts.offered,
    gallery.PlacementApproved: placement_facts.approved,
    gallery.PlacementEnded: placement_facts.ended,
    gallery.PostPublished: facts.post_published,
    gallery.ImageFailed: staff_facts.image_failed,
    catalog.ModelPublished: facts.model_published,
    catalog.VersionPublished: facts.version_published,
    catalog.VersionUnpublished: staff_facts.version_unpublished,
    catalog.VersionDeleted: staff_facts.version_deleted,
    catalog.ModelUnpublished: staff_facts.model_unpublished,
    catalog.ModelDeleted: staff_facts.model_deleted,
    catalog.ModelRestored: staff_facts.model_restored,
    catalog.ModelModeChanged: staff_facts.model_mode_changed,
    catalog.ModelTransferred: staff_facts.model_transferred,
    catalog.ModelForked: staff_facts.model_forked,
    catalog.DraftAging: staff_facts.draft_aging,
    catalog.ScheduleFailed: staff_facts.schedule_failed,
    catalog.FileScanned: staff_facts.file_scanned,
    catalog.AccessBought: money_facts.access_bought,
    catalog.DonationMade: money_facts.donated,
    catalog.DonationGoalReached: money_facts.goal_reached,
    catalog.EarlyAccessEnded: money_facts.access_ended,
    catalog.AccessRefunded: money_facts.access_refunded,
    catalog.AccessGiven: money_facts.access_given,
    buzz.TipGiven: money_facts.tipped,
    buzz.BuzzPurchased: money_facts.purchased,
    buzz.RefundCameBack: money_facts.refund_came_back,
    buzz.MembershipStarted: money_facts.membership_started,
    buzz.MembershipChanged: money_facts.membership_changed,
    buzz.MembershipEnded: money_facts.membership_ended,
    buzz.MembershipGifted: money_facts.membership_gifted,
    buzz.CompensationPaid: money_facts.compensated,
    buzz.RewardsStopped: money_facts.rewards_stopped,
    buzz.PersonReferred: money_facts.referred,
    buzz.ReferralTierGranted: money_facts.referral_tier,
    buzz.CosmeticGained: money_facts.cosmetic_gained,
    buzz.CosmeticSold: money_facts.cosmetic_sold,
    buzz.CosmeticTakenDown: money_facts.cosmetic_taken_down,
    buzz.ShopItemReviewed: money_facts.shop_item_reviewed,
    orchestration.WorkflowEnded: staff_facts.workflow_ended,
}


async def tell(session: AsyncSession, event: Any) -> None:
    """Tell whoever a fact concerns."""
    for told in await READS[type(event)](session, event):
        if isinstance(told, FanOut):
            await delivering.tell_many(session, told)
        else:
            await delivering.tell(session, told)


def _hear(event: type) -> None:
    async def listener(session: AsyncSession, fact: Any) -> None:
        await tell(session, fact)

    # Listeners are known by their names, so each event needs one of its own.
    listener.__name__ = "tell_" + re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()
    on(event)(listener)


for _event in READS:
    _hear(_event)

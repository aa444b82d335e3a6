"""Every kind of notification as a declared object: where it belongs, whether it is on, and how it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from civitas.kit import money


class Category(StrEnum):
    """What people filter by (FEATURES F7)."""

    COMMENT = "comment"
    UPDATE = "update"
    MILESTONE = "milestone"
    BUZZ = "buzz"
    CREATOR = "creator"
    REFERRAL = "referral"
    SYSTEM = "system"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `says` is a sentence with `{who} {title} {count} {amount} {note}`; `label` stands in the settings.

    `on` is whether people get it who never chose, `push` whether it is pushed to the first device of somebody who never
    chose that. `plain` is whether its title is ours, and may stand where mature words may not; of others, `unsaid` does.
    `staff` is whether only administrators are ever told.
    """

    name: str
    category: Category
    label: str
    says: str
    on: bool = True
    push: bool = False
    plain: bool = False
    unsaid: str = "something"
    staff: bool = False


C, U, M, B, R, P, S, E = (
    Category.COMMENT, Category.UPDATE, Category.MILESTONE, Category.BUZZ, Category.CREATOR, Category.REFERRAL,
    Category.SYSTEM, Category.OTHER,
)  # fmt: skip
KINDS: Final = (
    Kind("new-comment", C, "Comments on your things", "{who} commented on {title}", push=True),
    Kind("new-reply", C, "Answers to your comments", "{who} answered your comment on {title}", push=True),
    Kind("new-mention", C, "Somebody mentions you", "{who} mentioned you on {title}", push=True),
    Kind("new-review", C, "Reviews of your models", "{who} reviewed {title}"),
    Kind("new-reaction", C, "Reactions to your things", "{who} reacted to {title}"),
    Kind("chat-invite", C, "Somebody asks you into a chat", "{who} asks you into a chat", push=True),
    Kind("new-follower", U, "New followers", "{who} follows you now"),
    Kind("new-model", U, "Models of people you follow", "{who} published {title}"),
    Kind("new-version", U, "Versions of models and people you follow", "{who} published {title}"),
    Kind("new-post", U, "Posts of people you follow", "{who} posted {title}"),
    Kind("new-article", U, "Articles of people you follow", "{who} wrote {title}"),
    Kind(
        "saved-search",
        U,
        "New matches of your saved searches",
        "New in {title}: {amount}",
        unsaid="a saved search",
    ),
    Kind("collected", U, "Your things are collected", "{who} collected {title}"),
    Kind("collection-follower", U, "Followers of your collections", "{who} follows {title}"),
    Kind("collection-waiting", U, "Things wait for your look", "{who} added to {title}, for you to look at"),
    Kind("collection-decision", U, "What you added to collections", "What you added to {title} was {note}"),
    Kind("contest-won", U, "You won a place in a contest", "You are number {amount} in {title}"),
    Kind("contest-ended", U, "Contests are decided", "{title} is decided"),
    Kind("rank-reached", M, "Your places on leaderboards", "Leaderboard {title}: {note}", plain=True),
    Kind("reactions-reached", M, "Reactions to your things, in numbers", "{title} has {amount} reactions"),
    Kind("views-reached", M, "Readers of your articles", "{title} was read {amount} times"),
    Kind("model-downloads", M, "Downloads of your models", "{title} was downloaded {amount} times"),
    Kind("model-likes", M, "Thumbs up for your models", "{amount} people recommend {title}"),
    Kind("tip", B, "Tips", "{who} tipped you {amount} Buzz for {title}", push=True),
    Kind("purchase", B, "Purchases of Buzz", "Your {amount} Buzz arrived"),
    Kind("refund-returned", B, "Refunds that came back", "Your bank sent a refund back; {amount} Buzz are yours again"),
    Kind("membership", B, "Your membership", "Your membership: {note}"),
    Kind("membership-gift", B, "A membership as a gift", "{who} gave you a {note} membership"),
    Kind("compensation", B, "Pay for what others generate", "You were paid {amount} Buzz for what others generated"),
    Kind("rewards-stopped", B, "Rewards turned off", "Rewards of your account were turned off"),
    Kind("access-refunded", B, "Access paid back", "{amount} Buzz for {title} came back to you"),
    Kind("access-given", B, "Access as a gift", "You were given access to {title}"),
    Kind("board-gift", B, "Gifts of boards", "{title} gave you {amount} Buzz"),
    Kind("placement-answer", B, "What you placed on pictures", "What you placed on {title}: {note}"),
    Kind("cosmetic-gift", B, "Cosmetics as gifts", "{who} gave you something to wear"),
    Kind("access-sold", R, "Sales of early access", "{who} bought access to {title}"),
    Kind("donation", R, "Donations to your goals", "{who} gave towards the goal of {title}"),
    Kind("goal-reached", R, "A goal was reached", "The goal of {title} was reached"),
    Kind("access-ended", R, "Early access ended", "{title} is open to everybody now"),
    Kind("forked", R, "Forks of your models", "{who} began a fork of {title}"),
    Kind("transferred", R, "A model is yours now", "{title} is yours now"),
    Kind("forgotten-draft", R, "Drafts that will go", "Your draft {title} will be removed soon"),
    Kind("missed-schedule", R, "Something planned was not published", "{title} could not be published as planned"),
    Kind("placement-offer", R, "Offers to place something on your pictures", "{who} offers {amount} Buzz for a place on {title}"),
    Kind("placement-placed", R, "Something was placed on your pictures", "{who} placed something on {title}"),
    Kind("placement-gone", R, "What was placed on your pictures was taken away", "What was placed on {title}: {note}"),
    Kind("cosmetic-sold", R, "Sales in the shop", "{who} bought {title} in the shop"),
    Kind("shop-decision", R, "Decisions on your shop items", "Your shop item: {note}"),
    Kind("referral", P, "People who came by your link", "{who} joined by your link"),
    Kind("referral-tier", P, "Rewards of the referral shop", "You have {note} now"),
    Kind("file-held", S, "A file was held back", "A file of {title} was held back by its safety check"),
    Kind("image-failed", S, "A picture could not be read", "A picture could not be read: {note}"),
    Kind("moderated", S, "Staff decided about your things", "{title}: {note}"),
    Kind("refund-case", S, "Refunds that came back, as staff", "A refund of {note} came back from the payer's bank", staff=True),
    Kind("standing", S, "Your standing", "Your account: {note}"),
    Kind("announcement", S, "News of the site", "{title}", plain=True),
    Kind("generation", E, "Generations are done", "{count} of your generations ended", on=False),
)  # fmt: skip
BY_NAME: Final[Mapping[str, Kind]] = {kind.name: kind for kind in KINDS}


def sentence(kind: str, *, who: str, count: int, data: Mapping[str, Any]) -> str:
    """How a line reads; a kind that this version does not know says its title."""
    found = BY_NAME.get(kind)
    words = {
        "who": who,
        "title": str(data.get("title") or "something"),
        "count": f"{count:,}",
        "note": str(data.get("note") or ""),
        "amount": _amount(data),
    }
    return (found.says if found else "{title}").format(**words)


def names(known: list[str], total: int) -> str:
    """`ana`, `ana and ben`, `ana and 4 others`; `Somebody` when nobody of them has a name any more."""
    if not known or total <= 0:
        return "Somebody"
    if total == 1:
        return known[0]
    if total == 2 and len(known) > 1:
        return f"{known[0]} and {known[1]}"
    return f"{known[0]} and {total - 1} other{'s' if total > 2 else ''}"


def switch(kind: str) -> str:
    """The word in a person's `muted_notifications` that turns this kind to what it is not by itself."""
    return kind if BY_NAME[kind].on else f"+{kind}"


def _amount(data: Mapping[str, Any]) -> str:
    if "quarters" in data:
        return money.shown(int(data["quarters"]))
    return f"{int(data.get('amount') or 0):,}"

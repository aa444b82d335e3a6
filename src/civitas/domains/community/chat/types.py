"""Words and bounds of chat."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

LONGEST: Final = 2_000
LONGEST_NAME: Final = 60
MOST_MEMBERS: Final = 20
MOST_ROOMS: Final = 1_000
NEW_A_DAY: Final = 10
# Messages of one person, in all rooms together.
FLOODS: Final = ((timedelta(minutes=1), 20), (timedelta(hours=1), 400))
# Until somebody else has joined a room, its first words are few.
BEFORE_ANSWER: Final = 5
PAGE: Final = 50
# What nobody wrote in or reported for so long is let go.
KEPT: Final = timedelta(days=730)
MOST_UNREAD: Final = 99


class Member(StrEnum):
    """Where somebody stands in a room."""

    INVITED = "invited"
    JOINED = "joined"
    IGNORED = "ignored"
    LEFT = "left"
    KICKED = "kicked"


# Who may read a room; whoever left or was sent away reads nothing of it.
INSIDE: Final = (Member.INVITED, Member.JOINED, Member.IGNORED)

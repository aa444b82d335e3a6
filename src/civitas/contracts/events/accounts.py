"""What happened to people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PersonJoined:
    """A new account exists."""

    person_id: int
    username: str


@dataclass(frozen=True, slots=True)
class PersonVerified:
    """A person showed that an address is theirs."""

    person_id: int


@dataclass(frozen=True, slots=True)
class PersonRenamed:
    """The username changed; whatever shows the old one is out of date."""

    person_id: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ProfileChanged:
    """Something that others see of a person changed: avatar, biography, links."""

    person_id: int


@dataclass(frozen=True, slots=True)
class OnboardingStepTaken:
    """A person took a step for the first time (FEATURES A3); `complete` once the needed ones are done."""

    person_id: int
    step: int
    complete: bool


@dataclass(frozen=True, slots=True)
class BrowsingChanged:
    """What a person wants to be shown changed."""

    person_id: int
    mask: int


@dataclass(frozen=True, slots=True)
class PersonDeleted:
    """A person left. What is not removed is handed to the system's account (FEATURES A14)."""

    person_id: int
    remove_models: bool
    remove_images: bool


@dataclass(frozen=True, slots=True)
class PersonRestored:
    """A person came back within the month; what was handed over can be reclaimed."""

    person_id: int
    username: str


@dataclass(frozen=True, slots=True)
class PersonForgotten:
    """The month is over: nothing can bring this person back, what was kept for that is erased."""

    person_id: int


@dataclass(frozen=True, slots=True)
class PersonBanned:
    """Staff closed an account."""

    person_id: int
    code: str
    by: int


@dataclass(frozen=True, slots=True)
class PersonUnbanned:
    """Staff opened an account again."""

    person_id: int
    by: int


@dataclass(frozen=True, slots=True)
class PersonMuted:
    """A person may read but not write until a moment; None lifts it."""

    person_id: int
    until: datetime | None
    by: int


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A person got another role."""

    person_id: int
    before: str
    after: str
    by: int


@dataclass(frozen=True, slots=True)
class Followed:
    """One person follows another."""

    person_id: int
    target_id: int


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """One person follows another no more."""

    person_id: int
    target_id: int


@dataclass(frozen=True, slots=True)
class Blocked:
    """One person blocked another; it cuts both ways."""

    person_id: int
    target_id: int


@dataclass(frozen=True, slots=True)
class Unblocked:
    """A block was lifted by the one who made it."""

    person_id: int
    target_id: int

"""What happened in the economy. Amounts of Buzz are in quarters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EconomyChanged:
    """The operator changed rules of the economy; version `version_id` says which."""

    version_id: int
    changes: int


@dataclass(frozen=True, slots=True)
class MembershipStarted:
    """A tier came into force for a person."""

    membership_id: int
    person_id: int
    tier: str
    billing: str


@dataclass(frozen=True, slots=True)
class MembershipPaid:
    """A person paid for `months` of a membership. `period` is its first day (`2026-11-26`), one for each payment."""

    membership_id: int
    person_id: int
    tier: str
    months: int
    period: str


@dataclass(frozen=True, slots=True)
class MembershipChanged:
    """A membership that runs has another tier or another way of paying."""

    membership_id: int
    person_id: int
    before: str
    tier: str


@dataclass(frozen=True, slots=True)
class MembershipEnded:
    """A membership is over; `reason` is a word of `End`."""

    membership_id: int
    person_id: int
    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class MembershipGifted:
    """Somebody gave a membership to somebody else."""

    grant_id: int
    giver_id: int
    person_id: int
    tier: str
    months: int


@dataclass(frozen=True, slots=True)
class BuzzPurchased:
    """A purchase was paid in full and credited: quarters of the colour bought, and the cents that came."""

    purchase_id: int
    person_id: int
    colour: str
    amount: int
    cents: int


@dataclass(frozen=True, slots=True)
class RefundCameBack:
    """The payer's bank sent a refund back: `amount` quarters are the buyer's again, `back_cents` came back in all."""

    purchase_id: int
    person_id: int
    colour: str
    amount: int
    cents: int
    back_cents: int


@dataclass(frozen=True, slots=True)
class MembershipCodeRedeemed:
    """A person redeemed a code for months of a membership. `key` is the same whenever the fact is told."""

    person_id: int
    tier: str
    months: int
    key: str


@dataclass(frozen=True, slots=True)
class TipGiven:
    """Somebody tipped what a subject points at, or a person (`user`). `amount` in quarters of `colour`."""

    tip_id: int
    from_id: int
    to_id: int
    subject_kind: str
    subject_id: int
    colour: str
    amount: int


@dataclass(frozen=True, slots=True)
class RewardGiven:
    """A person earned blue Buzz for something; `amount` in quarters."""

    person_id: int
    reward: str
    amount: int


@dataclass(frozen=True, slots=True)
class RewardsStopped:
    """Rewards of an account were turned off, because too many people shared an address and earned too much."""

    person_id: int
    day: str


@dataclass(frozen=True, slots=True)
class BonusEventDeclared:
    """Staff declared a time in which everybody earns more."""

    bonus_id: int
    title: str
    multiplier: str


@dataclass(frozen=True, slots=True)
class CompensationPaid:
    """A creator was paid for what others generated on a day with their work; `amount` in quarters."""

    person_id: int
    day: str
    colour: str
    amount: int


@dataclass(frozen=True, slots=True)
class PersonReferred:
    """A new person came by somebody's link."""

    referrer_id: int
    referee_id: int


@dataclass(frozen=True, slots=True)
class ReferralTierGranted:
    """Referral tokens were exchanged for `days` of a tier; `key` names the exchange, so that it is granted once."""

    person_id: int
    tier: str
    days: int
    key: str


@dataclass(frozen=True, slots=True)
class CosmeticGained:
    """A person has a cosmetic now; `giver_id` when somebody gave it."""

    person_id: int
    cosmetic_id: int
    giver_id: int | None


@dataclass(frozen=True, slots=True)
class CosmeticSold:
    """An item of the shop was bought."""

    purchase_id: int
    item_id: int
    buyer_id: int
    recipient_id: int
    seller_id: int | None


@dataclass(frozen=True, slots=True)
class CosmeticTakenDown:
    """Staff took an item off for good; whoever paid is being paid back."""

    item_id: int
    seller_id: int | None


@dataclass(frozen=True, slots=True)
class ShopItemReviewed:
    """Staff decided about a creator's item: `status` is a word of `ItemStatus`."""

    item_id: int
    seller_id: int
    status: str

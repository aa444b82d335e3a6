"""The shape of `economy.toml`: every rule and number of the economy, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from civitas.domains.buzz.economy.generation_rules import Generation
from civitas.domains.buzz.economy.placement_rules import GiftBoard, Placements
from civitas.domains.buzz.economy.programme_rules import Programme, Score
from civitas.domains.buzz.economy.rule_types import UNLIMITED as UNLIMITED
from civitas.domains.buzz.economy.rule_types import Buzz, Cents, Limit, Multiplier, Rules, Share
from civitas.domains.buzz.economy.rule_types import quarters as quarters
from civitas.domains.buzz.types import COLOURS, Currency


class Colour(Rules):
    """What one colour is good for (FEATURES I1)."""

    label: str
    earned_by: str
    pays_for: tuple[str, ...]
    spends_on_mature: bool
    transferable: bool
    bankable: bool
    purchasable: bool
    hue: str


class Money(Rules):
    """What Buzz costs (FEATURES I7)."""

    buzz_per_dollar: int = Field(gt=0)
    smallest_purchase_cents: Cents
    largest_purchase_cents: Cents
    crypto_fee_cents: Cents
    four_eyes_above: Buzz
    four_eyes_days: int = Field(gt=0)


class Pack(Rules):
    """An amount of Buzz that is offered for sale."""

    key: str = Field(pattern=r"^[a-z0-9_-]{1,30}$")
    label: str
    buzz: Buzz
    price_cents: Cents


class BulkBonus(Rules):
    """What buying a lot at once is worth (FEATURES I9)."""

    least: Buzz = Field(alias="from")
    multiplier: Multiplier


class Tips(Rules):
    """Bounds of tips (FEATURES I12)."""

    least: Buzz
    most: Buzz
    quick_most: Buzz
    presets: tuple[Buzz, ...]


class Reward(Rules):
    """One thing that is rewarded (FEATURES I20 to I30): how much, and how much of it in which span."""

    label: str
    told: str
    amount: Buzz
    cap: Buzz
    per: Literal["day", "month", "life"]
    hour_cap: Buzz | None = None
    subject_cap: Buzz | None = None
    content_days: int | None = Field(default=None, gt=0)
    multiplied: bool = False
    enabled: bool = True


class Abuse(Rules):
    """When rewards stop for an address (FEATURES I31)."""

    people_per_address: int = Field(gt=0)
    awarded_per_address: Buzz
    largest_bonus_multiplier: Multiplier


class Adverts(Rules):
    """How long an advert is looked at before it counts, until when, and how many count in an hour (FEATURES I28)."""

    least_seconds: float = Field(ge=0)
    most_seconds: float = Field(gt=0)
    counted_per_hour: int = Field(gt=0)


class Compensation(Rules):
    """What creators get of generation (FEATURES I33). `floor`: what is paid out is a multiple of it."""

    floor: Buzz = Field(gt=0)
    pool_share: Share
    base_share: Share
    creator_tip_rate: Annotated[Decimal, Field(ge=0)]
    site_tip_rate: Annotated[Decimal, Field(ge=0)]
    highest_tip_rate: Annotated[Decimal, Field(ge=0)]


class Milestone(Rules):
    """A reward for so many referral points."""

    points: int = Field(gt=0)
    reward: Buzz


class TokenOffer(Rules):
    """What referral tokens buy."""

    tokens: int = Field(gt=0)
    tier: str
    days: int = Field(gt=0)


class Referrals(Rules):
    """The referral programme (FEATURES I40)."""

    account_days: int = Field(ge=0)
    cookie_days: int = Field(gt=0)
    tokens: Mapping[str, int]
    paid_months_per_referee: int = Field(gt=0)
    settle_days: int = Field(ge=0)
    expire_days: int = Field(gt=0)
    welcome_share: Share
    kick_back_share: Share
    queued_days: int = Field(gt=0)
    # How old an account may be when the link that it came by is noted.
    arrival_hours: int = Field(gt=0)
    points_per_token: int = Field(ge=0)
    points_per_buzz: int = Field(ge=0)
    milestones: tuple[Milestone, ...]
    shop: tuple[TokenOffer, ...]


class BlobQuota(Rules):
    """How much a tier may bring in for workflows (FEATURES O11)."""

    stored_gb: Limit
    uploads_a_day: Limit


class Codes(Rules):
    """What codes are issued for (FEATURES I10)."""

    buzz: tuple[Buzz, ...]
    membership_months: tuple[int, ...]
    tries_per_hour: int = Field(gt=0)
    largest_batch: int = Field(gt=0, le=100_000)


class TierRules(Rules):
    """What a membership costs and gives (FEATURES I80). -1 is no limit."""

    key: str = Field(pattern=r"^[a-z]{2,20}$")
    label: str
    price_cents: Cents
    yearly_cents: Cents
    monthly_buzz: Buzz
    reward_multiplier: Multiplier
    purchase_multiplier: Multiplier
    images_per_request: int = Field(gt=0)
    queued_requests: int = Field(gt=0)
    max_steps: int = Field(gt=0)
    resources_per_request: int = Field(gt=0)
    videos_per_request: int = Field(gt=0)
    vault_gb: Limit
    private_models: Limit
    concurrent_challenges: Limit
    # Searches that are kept under a name, and how many of them may tell of new matches.
    saved_searches: Limit = 20
    told_searches: Limit = 5
    support: str
    perks: tuple[str, ...]
    offered: bool = True


class Memberships(Rules):
    """How memberships run."""

    perks_month_factor: Multiplier
    grace_days: int = Field(ge=0)
    reminder_days: int = Field(ge=0)
    # A provider's word that a renewal was paid may come so many hours after the period's end.
    late_after_hours: int = Field(ge=0)
    gift_months: tuple[int, ...]
    prepaid_months: tuple[int, ...]
    order_minutes: int = Field(gt=0)
    # The colour of time that was not bought in one: codes, referral tokens, what staff give.
    granted_colour: Currency


class EarlyAccessStep(Rules):
    """What a score unlocks."""

    score: int
    days: int
    versions: int


class EarlyAccess(Rules):
    """Timed early access (FEATURES I50 to I54)."""

    days: tuple[int, ...]
    least_download_price: Buzz
    least_generation_price: Buzz
    trial_generations: int
    most_trial_generations: int
    steps: tuple[EarlyAccessStep, ...]
    staff_days: int
    staff_versions: int
    donation_goal_least: Buzz
    donation_goal_most: Buzz


class PaidAccess(Rules):
    """Versions that stay paid (FEATURES I53)."""

    free_versions: Limit
    member_versions: Limit
    price_caps: Mapping[str, Limit]
    video_factor: int = Field(gt=0)
    # So many days a sale lies in escrow, and goes back to the buyer should the version be withdrawn.
    hold_days: int = Field(ge=0)


class LicenceFee(Rules):
    """Fees for each image generated, in hundredths of a Buzz (FEATURES I56)."""

    checkpoint_caps: Mapping[str, int]
    other_caps: Mapping[str, int]
    video_factor: int = Field(gt=0)
    per_images: tuple[int, ...]
    suggested_checkpoint: int
    suggested_other: int


class Shop(Rules):
    """The shop of cosmetics (FEATURES I62)."""

    creator_share: Share
    rereview_price_change: Share
    most_featured: int
    least_price: Buzz


class Economy(Rules):
    """All of it."""

    colours: Mapping[Currency, Colour]
    spend_order: Mapping[str, tuple[Currency, ...]]
    money: Money
    packs: tuple[Pack, ...]
    bulk_bonuses: tuple[BulkBonus, ...]
    tips: Tips
    rewards: Mapping[str, Reward]
    abuse: Abuse
    adverts: Adverts
    compensation: Compensation
    referrals: Referrals
    codes: Codes
    blobs: Mapping[str, BlobQuota]
    tiers: tuple[TierRules, ...]
    memberships: Memberships
    early_access: EarlyAccess
    paid_access: PaidAccess
    licence_fee: LicenceFee
    programme: Programme
    score: Score
    shop: Shop
    placements: Placements
    gift_board: GiftBoard
    prices: Mapping[str, Buzz]
    generation: Generation

    @model_validator(mode="after")
    def _belongs_together(self) -> Economy:
        if set(self.colours) != set(COLOURS):
            raise ValueError("colours must be blue, green and yellow, no more and no fewer")
        known = {tier.key for tier in self.tiers}
        if len(known) != len(self.tiers) or "free" not in known:
            raise ValueError("tiers need names of their own, and one of them is free")
        named = {
            *self.programme.tiers, *self.programme.caps, *self.blobs, *self.paid_access.price_caps, *self.referrals.tokens,
            *self.licence_fee.checkpoint_caps, *self.licence_fee.other_caps,
            *(offer.tier for offer in self.referrals.shop), *self.generation.queue.weights,
            *(tier for cap in self.placements.caps for tier in cap.most),
        }  # fmt: skip
        if named - known:
            raise ValueError(f"there is no tier {', '.join(sorted(named - known))}")
        if "free" not in self.blobs:
            raise ValueError("blobs needs what the tier free may keep")
        for colour, facts in self.colours.items():
            # Otherwise what was given away for nothing would come back as something that can be banked.
            if "placements" in facts.pays_for and not facts.purchasable:
                raise ValueError(f"{colour.value} cannot be bought, so it cannot pay for placements")
        if not self.colours[self.gift_board.colour].transferable:
            raise ValueError("a board gives Buzz of a colour that can be given away")
        for domain, order in self.spend_order.items():
            if not order or len(set(order)) != len(order) or Currency.CASH in order:
                raise ValueError(f"spend order {domain} must name colours, each once")
        for pack in self.packs:
            if (
                not self.money.smallest_purchase_cents
                <= pack.price_cents
                <= self.money.largest_purchase_cents
            ):
                raise ValueError(f"pack {pack.key} costs less or more than a purchase may")
        if self.tips.least > self.tips.most:
            raise ValueError("the least tip is more than the most")
        return self

    def tier(self, key: str) -> TierRules:
        """The rules of a tier; those of Free for a name that is no longer in the file."""
        found = {tier.key: tier for tier in self.tiers}
        return found.get(key, found["free"])

    def rank(self, key: str) -> int:
        """The place of a tier from 0, the least; -1 for none."""
        return next((place for place, tier in enumerate(self.tiers) if tier.key == key), -1)

    def may_pay(self, colour: Currency, activity: str, *, mature: bool = False) -> bool:
        """Whether a colour is good for an activity (`tips`, `generation`, ...), mature or not."""
        rules = self.colours[colour]
        return activity in rules.pays_for and (rules.spends_on_mature or not mature)

    def purses_for(
        self, activity: str, *, domain: str = "main", mature: bool = False
    ) -> tuple[Currency, ...]:
        """The colours that may pay for an activity, in the order in which they do (FEATURES I6)."""
        order = self.spend_order["mature" if mature else domain]
        return tuple(colour for colour in order if self.may_pay(colour, activity, mature=mature))

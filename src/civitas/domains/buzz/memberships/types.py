"""The words of memberships."""

from __future__ import annotations

from enum import StrEnum


class Billing(StrEnum):
    """How a membership is paid for: by itself each month or year, in advance, with Buzz, or not at all."""

    MONTHLY = "monthly"
    ANNUAL = "annual"
    PREPAID = "prepaid"
    PERKS = "perks"
    GRANTED = "granted"

    @property
    def months(self) -> int:
        """The length of a period that renews."""
        return 12 if self is Billing.ANNUAL else 1


class Status(StrEnum):
    """Where a membership stands. `past_due` is in its days of grace; the last two are over."""

    ACTIVE = "active"
    PAST_DUE = "past_due"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class End(StrEnum):
    """Why a membership ended."""

    ASKED = "asked"
    UNPAID = "unpaid"
    TERM_OVER = "term_over"
    REFUNDED = "refunded"
    STAFF = "staff"
    MADE_WAY = "made_way"


class Reason(StrEnum):
    """What a payment was for."""

    START = "start"
    RENEWAL = "renewal"
    UPGRADE = "upgrade"
    PREPAID = "prepaid"
    GIFT = "gift"


class Source(StrEnum):
    """Where time that waits its turn came from; `rest` is what was left when a card membership took over."""

    PAYMENT = "payment"
    GIFT = "gift"
    CODE = "code"
    REFERRAL = "referral"
    PERKS = "perks"
    STAFF = "staff"
    REST = "rest"


LIVE = (Status.ACTIVE, Status.PAST_DUE)
# Those that renew until somebody stops them.
RECURRING = (Billing.MONTHLY, Billing.ANNUAL)
PAID = (Billing.MONTHLY, Billing.ANNUAL, Billing.PREPAID)
# Those whose months bring Buzz (FEATURES I85: perks months do not).
STIPENDED = PAID

BILLING_LABELS = {
    Billing.MONTHLY: "Monthly",
    Billing.ANNUAL: "Yearly",
    Billing.PREPAID: "Paid in advance",
    Billing.PERKS: "Perks month",
    Billing.GRANTED: "Granted",
}

# Why people leave, as the survey offers it (FEATURES I86).
SURVEY = {
    "price": "It costs too much",
    "use": "I do not use it enough",
    "missing": "Something that I need is missing",
    "quality": "Something did not work well",
    "other_site": "I moved to another service",
    "break": "I am taking a break",
    "other": "Something else",
}

"""The words of the creator programme: its months and phases, and where a withdrawal stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from civitas.domains.buzz.economy.programme_rules import Programme
from civitas.kit.errors import Invalid


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of the calendar in UTC."""

    year: int
    number: int

    @property
    def key(self) -> str:
        """`202611`: how accounts and rows name it."""
        return f"{self.year:04}{self.number:02}"

    @property
    def label(self) -> str:
        """`November 2026`."""
        return f"{self.start:%B %Y}"

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.shifted(1).start

    def shifted(self, months: int) -> Month:
        """The month so many months later, or earlier."""
        place = self.year * 12 + self.number - 1 + months
        return Month(place // 12, place % 12 + 1)


def month_of(moment: datetime) -> Month:
    """The month in which an aware moment lies."""
    utc = moment.astimezone(UTC)
    return Month(utc.year, utc.month)


def month_named(key: str) -> Month:
    """The month of `202611`. Raises Invalid (`bad_month`)."""
    if len(key) == 6 and key.isascii() and key.isdigit() and 1 <= int(key[4:]) <= 12 and int(key[:4]) >= 2000:
        return Month(int(key[:4]), int(key[4:]))
    raise Invalid("Name a month as year and month, such as 202611.", code="bad_month")


class Phase(StrEnum):
    """What can be done now: bank, take back, or nothing while the month is closed and paid out."""

    BANKING = "banking"
    EXTRACTION = "extraction"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Calendar:
    """The moments of one month of the programme (FEATURES J2)."""

    month: Month
    opens: datetime
    extraction_opens: datetime
    closes: datetime
    ends: datetime
    settles: datetime

    def phase_at(self, moment: datetime) -> Phase:
        """The phase at a moment of this month; closed outside it."""
        if self.opens <= moment < self.extraction_opens:
            return Phase.BANKING
        if self.extraction_opens <= moment < self.closes:
            return Phase.EXTRACTION
        return Phase.CLOSED

    def phase_ends(self, moment: datetime) -> datetime:
        """When the phase of a moment of this month is over."""
        ends = {Phase.BANKING: self.extraction_opens, Phase.EXTRACTION: self.closes, Phase.CLOSED: self.ends}
        return ends[self.phase_at(moment)]


def calendar(month: Month, rules: Programme) -> Calendar:
    """When the phases of a month begin and end, and on which day of the next one its cash can be withdrawn."""
    return Calendar(
        month=month,
        opens=month.start,
        extraction_opens=month.end - timedelta(days=rules.extraction_days),
        closes=month.end - timedelta(hours=rules.extraction_closes_hours_before),
        ends=month.end,
        settles=month.end + timedelta(days=rules.settles_on_day - 1),
    )


class Withdrawn(StrEnum):
    """Where a withdrawal stands (FEATURES J7), by the names of existing clients."""

    SUBMITTED = "Submitted"
    SCHEDULED = "Scheduled"
    DEFERRED = "Deferred"
    DEFERRED_INTERNAL = "DeferredInternal"
    FRAUD_REVIEW = "FraudReview"
    PENDING_PAYER_FUNDS = "PendingPayerFunds"
    INTERNAL_VALUE = "InternalValue"
    PAID = "Paid"
    CLEARED = "Cleared"
    REJECTED = "Rejected"
    CANCELED = "Canceled"
    FAILED_FEE = "FailedFee"
    RECLAIMED = "Reclaimed"


W = Withdrawn
# Money is set aside / has left / is back with the person.
OPEN = frozenset(
    {
        W.SUBMITTED, W.SCHEDULED, W.DEFERRED, W.DEFERRED_INTERNAL, W.FRAUD_REVIEW, W.PENDING_PAYER_FUNDS,
        W.INTERNAL_VALUE,
    }
)  # fmt: skip
SENT = frozenset({W.PAID, W.CLEARED})
RETURNED = frozenset({W.REJECTED, W.CANCELED, W.FAILED_FEE, W.RECLAIMED})

# What the older requests were called (FEATURES I15).
REQUEST_STATES = {
    W.SUBMITTED: "Requested",
    W.SCHEDULED: "Approved",
    W.DEFERRED: "Requested",
    W.DEFERRED_INTERNAL: "Requested",
    W.FRAUD_REVIEW: "Requested",
    W.PENDING_PAYER_FUNDS: "Approved",
    W.INTERNAL_VALUE: "Requested",
    W.PAID: "Transferred",
    W.CLEARED: "ExternallyResolved",
    W.REJECTED: "Rejected",
    W.CANCELED: "Canceled",
    W.FAILED_FEE: "Rejected",
    W.RECLAIMED: "Reverted",
}


def may_become(before: Withdrawn, after: Withdrawn) -> bool:
    """Whether a withdrawal can go from one status to another: forwards, and back only from what was paid."""
    if before is after:
        return False
    if before in OPEN:
        return after not in (W.CLEARED, W.RECLAIMED)
    return (before is W.PAID and after in (W.CLEARED, W.RECLAIMED)) or (
        before is W.CLEARED and after is W.RECLAIMED
    )

"""The words of the ledger: currencies, purposes of accounts, types of entries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Owner of the accounts that belong to nobody: the mint, escrow, revenue.
HOUSE = 0


class Currency(StrEnum):
    """What is counted. Buzz of the three colours in quarters of one Buzz, cash in cents of a US dollar."""

    BLUE = "blue"
    GREEN = "green"
    YELLOW = "yellow"
    CASH = "cash"


COLOURS = (Currency.BLUE, Currency.GREEN, Currency.YELLOW)


class Purpose(StrEnum):
    """What an account is for. A purpose may carry a key, as in `escrow:bounty-7` or `pool:202611`.

    Of people: the wallet to spend from, what is held for something under way, what is banked in the creator
    programme, cash that is pending and cash that can be withdrawn. Of the house: where Buzz comes into being and
    where it ends, what is kept for others, the programme's pools, what the site earned, and the world outside.
    """

    WALLET = "wallet"
    HELD = "held"
    BANK = "bank"
    PENDING = "pending"
    SETTLED = "settled"
    MINT = "mint"
    BURN = "burn"
    ESCROW = "escrow"
    POOL = "pool"
    REVENUE = "revenue"
    WORLD = "world"

    def of(self, key: str | int) -> str:
        """This purpose for one thing: `Purpose.ESCROW.of("bounty-7")`."""
        return f"{self.value}:{key}"


class EntryType(StrEnum):
    """Why Buzz moved: the names of FEATURES I3, whose numbers existing clients know."""

    TIP = "tip"
    DUES = "dues"
    GENERATION = "generation"
    BOOST = "boost"
    INCENTIVE = "incentive"
    REWARD = "reward"
    PURCHASE = "purchase"
    REFUND = "refund"
    BOUNTY = "bounty"
    BOUNTY_ENTRY = "bountyEntry"
    TRAINING = "training"
    CHARGE_BACK = "chargeBack"
    DONATION = "donation"
    CLUB_MEMBERSHIP = "clubMembership"
    CLUB_MEMBERSHIP_REFUND = "clubMembershipRefund"
    CLUB_WITHDRAWAL = "clubWithdrawal"
    CLUB_DEPOSIT = "clubDeposit"
    WITHDRAWAL = "withdrawal"
    REDEEMABLE = "redeemable"
    SELL = "sell"
    AUTHORIZED_PURCHASE = "authorizedPurchase"
    COMPENSATION = "compensation"
    APPEAL = "appeal"
    BANK = "bank"
    EXTRACT = "extract"
    FEE = "fee"
    BID = "bid"
    LICENSE_FEE = "licenseFee"

    @property
    def number(self) -> int:
        """The number of this type on the wire."""
        return list(EntryType).index(self)


# How a statement names an entry's type to people.
TYPE_LABELS = {
    EntryType.TIP: "Tip",
    EntryType.DUES: "Dues",
    EntryType.GENERATION: "Generation",
    EntryType.BOOST: "Boost",
    EntryType.INCENTIVE: "Incentive",
    EntryType.REWARD: "Reward",
    EntryType.PURCHASE: "Purchase",
    EntryType.REFUND: "Refund",
    EntryType.BOUNTY: "Bounty",
    EntryType.BOUNTY_ENTRY: "Bounty entry",
    EntryType.TRAINING: "Training",
    EntryType.CHARGE_BACK: "Charge-back",
    EntryType.DONATION: "Donation",
    EntryType.CLUB_MEMBERSHIP: "Club membership",
    EntryType.CLUB_MEMBERSHIP_REFUND: "Club membership refund",
    EntryType.CLUB_WITHDRAWAL: "Club withdrawal",
    EntryType.CLUB_DEPOSIT: "Club deposit",
    EntryType.WITHDRAWAL: "Withdrawal",
    EntryType.REDEEMABLE: "Code",
    EntryType.SELL: "Sale",
    EntryType.AUTHORIZED_PURCHASE: "Authorised purchase",
    EntryType.COMPENSATION: "Compensation",
    EntryType.APPEAL: "Appeal",
    EntryType.BANK: "Banked",
    EntryType.EXTRACT: "Extracted",
    EntryType.FEE: "Fee",
    EntryType.BID: "Bid",
    EntryType.LICENSE_FEE: "Licence fee",
}


@dataclass(frozen=True, slots=True)
class Account:
    """Names one account: whose (`HOUSE` or a person's id), what for, in which currency."""

    owner: int
    purpose: str
    currency: Currency


def wallet(person_id: int, currency: Currency) -> Account:
    """The purse of one colour that a person spends from."""
    return Account(person_id, Purpose.WALLET, currency)


def house(purpose: str, currency: Currency) -> Account:
    """One of the house's own accounts."""
    return Account(HOUSE, purpose, currency)

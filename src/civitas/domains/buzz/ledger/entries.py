"""What is posted: entries and their legs, weighed before the database is asked. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from civitas.contracts.subjects import Subject
from civitas.domains.buzz.types import Account, Currency, EntryType
from civitas.kit.errors import Invalid

# Beyond this a sum of many amounts could leave a bigint.
MOST = 4 * 10**12


@dataclass(frozen=True, slots=True)
class Leg:
    """What an entry does to one account: positive comes in, negative goes out."""

    account: Account
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact to be posted; the legs sum to zero in every currency."""

    key: str
    type: EntryType
    legs: tuple[Leg, ...]
    description: str = ""
    subject: Subject | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    actor_id: int | None = None
    reverses_id: int | None = None
    # The API key that the actor asked with: its limits hold (`key_limits`).
    key_id: int | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """The entry that stands in the ledger now. `parts`: what a charge took of which colour, in spend order."""

    entry_id: int
    replayed: bool
    parts: Mapping[Currency, int] = field(default_factory=dict)


def transfer(source: Account, target: Account, amount: int) -> tuple[Leg, Leg]:
    """The two legs that move `amount` between accounts of one currency."""
    return Leg(source, -amount), Leg(target, amount)


@dataclass(frozen=True, slots=True)
class Taking:
    """An amount to be taken from the purses of an owner in the order of `colours`, for the target's."""

    source: Account
    target: Account
    colours: tuple[Currency, ...]
    total: int


def fingerprint(entry: Entry, taken: Taking | None = None) -> bytes:
    """What tells one body from another under the same key; the description and the details do not count."""
    subject = entry.subject
    body = [
        entry.type.value,
        [subject.kind, subject.id] if subject else None,
        entry.reverses_id,
        [
            [leg.account.owner, str(leg.account.purpose), leg.account.currency, leg.amount]
            for leg in entry.legs
        ],
        [
            [taken.source.owner, str(taken.source.purpose)],
            [taken.target.owner, str(taken.target.purpose)],
            list(taken.colours),
            taken.total,
        ]
        if taken
        else None,
    ]
    return hashlib.sha256(orjson.dumps(body)).digest()


def balanced(entry: Entry) -> tuple[Leg, ...]:
    """The legs, one for each account. Raises Invalid when they are too large or do not sum to zero."""
    sums: dict[Currency, int] = {}
    for leg in entry.legs:
        if not -MOST <= leg.amount <= MOST:
            raise Invalid("An amount is too large.", code="bad_amount")
        sums[leg.account.currency] = sums.get(leg.account.currency, 0) + leg.amount
    if not entry.legs or any(sums.values()) or all(leg.amount == 0 for leg in entry.legs):
        raise Invalid("What goes out must come in, in every currency.", code="unbalanced")
    accounts: dict[tuple[int, str, Currency], Leg] = {}
    for leg in entry.legs:
        account = leg.account
        name = (account.owner, str(account.purpose), account.currency)
        before = accounts.get(name)
        accounts[name] = leg if before is None else Leg(account, before.amount + leg.amount)
    return tuple(leg for leg in accounts.values() if leg.amount)

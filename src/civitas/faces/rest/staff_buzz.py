"""Staff's tools of the ledger over the API: what their pages do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.ledger import adjusting, explorer
from civitas.domains.buzz.ledger.explorer import AccountLine, EntryLine
from civitas.domains.buzz.types import Currency
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import clock, money, paging
from civitas.kit.ids import new_uuid

router = APIRouter(prefix="/staff/buzz", tags=["Staff"], dependencies=[CheckedForm])

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Amount = Annotated[str, Field(max_length=20, description="In Buzz, in steps of 0.25, as text.")]


class NewAdjustment(Body):
    """Buzz to give or to take."""

    person_id: int = Field(ge=1, lt=2**62)
    colour: Literal["blue", "green", "yellow"]
    amount: Amount
    take: bool = False
    reason: str = Field(min_length=1, max_length=2000)


class Ruling(Body):
    """What staff decide, and why."""

    reason: str = Field(default="", max_length=2000)


class Freezing(Body):
    """Whether nothing may be spent."""

    frozen: bool
    reason: str = Field(min_length=1, max_length=2000)


class Refunding(Body):
    """What to give back; all that is left without an amount."""

    amount: Amount | None = None
    reason: str = Field(min_length=1, max_length=2000)


class Outcome(Answer):
    """What became of an adjustment: `requested` ones wait for somebody else of staff."""

    id: int
    status: str
    entry_id: int | None


class Adjustment(Outcome):
    """An adjustment."""

    person_id: int
    colour: str
    amount: int | float
    reason: str
    requested_by: int
    decided_by: int | None
    decision: str | None
    created_at: datetime
    expires_at: datetime
    decided_at: datetime | None


def _reads(actor: Actor) -> Actor:
    actor.require(Scope.BUZZ_READ)
    actor.require_moderator()
    return actor


def _writes(actor: Actor) -> Actor:
    actor.require(Scope.BUZZ_READ | Scope.USER_WRITE)
    actor.require_moderator()
    return actor


@router.get("/entries", operation_id="searchLedger", summary="Search The Ledger")
async def search(
    actor: Owner,
    session: Reading,
    query: Annotated[str, Query(max_length=255, description="A name, number, key or `model:7`.")] = "",
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Entries, the newest first, and the person of that name."""
    found = await explorer.search(session, _reads(actor), query=query, cursor=cursor)
    return {
        "personId": found.person_id,
        "items": [_line(one) for one in found.entries],
        "metadata": {"nextCursor": found.next_cursor},
    }


@router.get("/entries/{entry_id}", operation_id="getLedgerEntry", summary="Get A Ledger Entry")
async def entry(actor: Owner, session: Reading, entry_id: int) -> dict[str, Any]:
    """One entry whole: sides, subject, what it reverses and what reverses it."""
    found = await explorer.entry(session, _reads(actor), entry_id=entry_id)
    return {
        "id": found.id,
        "key": found.key,
        "type": found.type.number,
        "typeName": found.type.value,
        "description": found.description,
        "details": dict(found.details),
        "date": clock.rfc3339(found.at),
        "actor": found.actor or None,
        "sides": [
            {**_account(side.account), "moved": _amount(side.amount, side.account.currency)}
            for side in found.sides
        ],
        "refundOf": found.reverses_id,
        "refundedBy": list(found.reversed_by),
        "subject": {"kind": found.subject.kind, "id": found.subject.id} if found.subject else None,
    }


@router.get("/accounts/{account_id}", operation_id="getLedgerAccount", summary="Get A Ledger Account")
async def account(actor: Owner, session: Reading, account_id: int, cursor: Cursor = None) -> dict[str, Any]:
    """One account and its entries, the newest first."""
    line, found = await explorer.account(session, _reads(actor), account_id=account_id, cursor=cursor)
    items = [{**_line(one), "amount": _amount(one.amount or 0, line.currency)} for one in found.items]
    return {"account": _account(line), "items": items, "metadata": {"nextCursor": found.next_cursor}}


@router.get("/people/{person_id}/accounts", operation_id="listLedgerAccounts", summary="List Ledger Accounts")
async def accounts(actor: Owner, session: Reading, person_id: int) -> list[dict[str, Any]]:
    """All accounts of a person, or of the house (0)."""
    return [_account(one) for one in await explorer.accounts_of(session, _reads(actor), owner_id=person_id)]


@router.post("/entries/{entry_id}/refund", operation_id="refundLedgerEntry", summary="Refund A Ledger Entry")
async def refund(
    actor: Writer, session: Unit, entry_id: int, body: Refunding, key: Key = None
) -> dict[str, Any]:
    """Give an entry back, whole or in part, to the colours that paid; for administrators."""
    posted = await adjusting.refund(
        session,
        _writes(actor),
        entry_id=entry_id,
        amount=money.parse(body.amount) if body.amount else None,
        reason=body.reason,
        key=f"{actor.id}:{key or new_uuid()}",
    )
    return {"entryId": posted.entry_id, "replayed": posted.replayed}


@router.put("/people/{person_id}/freeze", operation_id="freezeWallet", summary="Freeze Or Free A Wallet")
async def freeze(actor: Writer, session: Unit, person_id: int, body: Freezing) -> dict[str, bool]:
    """Stop or allow spending and withdrawing."""
    changed = await adjusting.freeze(
        session, _writes(actor), person_id=person_id, frozen=body.frozen, reason=body.reason
    )
    return {"frozen": body.frozen, "changed": changed}


@router.get("/adjustments", operation_id="listAdjustments", summary="List Adjustments")
async def adjustments(
    actor: Owner, session: Reading, waiting: bool = False, cursor: Cursor = None
) -> dict[str, Any]:
    """What staff gave and took, the newest first, or what waits."""
    found = await adjusting.adjustments(session, _reads(actor), waiting=waiting, cursor=cursor)
    return {
        "items": [_adjustment(one) for one in found.items],
        "metadata": {"nextCursor": found.next_cursor},
    }


@router.post("/adjustments", operation_id="adjustWallet", summary="Give Or Take Buzz")
async def adjust(actor: Writer, session: Unit, body: NewAdjustment, key: Key = None) -> Outcome:
    """Give or take, for administrators; a large one waits for somebody else of staff."""
    amount = money.parse(body.amount)
    done = await adjusting.request(
        session,
        _writes(actor),
        person_id=body.person_id,
        colour=Currency(body.colour),
        amount=-amount if body.take else amount,
        reason=body.reason,
        key=f"api:{actor.id}:{key or new_uuid()}",
    )
    return Outcome.model_validate(done)


@router.post(
    "/adjustments/{adjustment_id}/{ruling}", operation_id="decideAdjustment", summary="Decide An Adjustment"
)
async def decide(
    actor: Writer,
    session: Unit,
    adjustment_id: int,
    ruling: Literal["approve", "reject"],
    body: Ruling | None = None,
) -> Outcome:
    """Approve or reject what another one of staff asked for."""
    done = await adjusting.decide(
        session,
        _writes(actor),
        adjustment_id=adjustment_id,
        approve=ruling == "approve",
        reason=body.reason if body else "",
    )
    return Outcome.model_validate(done)


def _amount(amount: int, currency: Currency) -> int | float:
    return amount if currency is Currency.CASH else money.as_number(amount)


def _by(amounts: Mapping[Currency, int]) -> dict[str, int | float]:
    return {one.value: _amount(amount, one) for one, amount in amounts.items()}


def _line(one: EntryLine) -> dict[str, Any]:
    return {
        "id": one.id,
        "key": one.key,
        "type": one.type.number,
        "typeName": one.type.value,
        "description": one.description,
        "date": clock.rfc3339(one.at),
        "moved": _by(one.moved),
    }


def _account(one: AccountLine) -> dict[str, Any]:
    return {
        "accountId": one.id,
        "ownerId": one.owner_id,
        "owner": one.owner or None,
        "purpose": one.purpose,
        "currency": one.currency.value,
        "balance": _amount(one.amount, one.currency),
        "frozen": one.frozen_at is not None,
    }


def _adjustment(one: Any) -> Adjustment:
    return Adjustment(
        id=one.id, status=one.status, entry_id=one.entry_id, person_id=one.person_id, colour=one.currency,
        amount=money.as_number(one.amount), reason=one.reason, requested_by=one.requested_by,
        decided_by=one.decided_by, decision=one.decision, created_at=one.created_at, expires_at=one.expires_at,
        decided_at=one.decided_at,
    )  # fmt: skip

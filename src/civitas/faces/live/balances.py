"""`GET /api/live/balances`: the signed-in person's balances as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.ledger import wallets
from civitas.domains.buzz.types import Currency
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.live.following import Following
from civitas.faces.live.streams import EventStream, newest
from civitas.infra.db.readpool import ReadPool
from civitas.kit import money

router = APIRouter(include_in_schema=False)


Balances = Mapping[Currency, int]


def prepare(app: FastAPI, reads: ReadPool) -> Following[int, Balances]:
    """Give the app its one look for everybody; the caller closes it when the app ends."""

    async def look(people: Sequence[int]) -> Mapping[int, Balances]:
        return await wallets.spendable(reads, people)

    app.state.following = Following(look)
    return cast(Following[int, Balances], app.state.following)


@router.get("/api/live/balances")
async def balances(request: Request) -> Response:
    """`event: balances` with Buzz by colour and in words, at once and on every change."""
    actor = await actor_of(request)
    person = actor.require(Scope.BUZZ_READ)
    await take(request, "read")
    following = cast(Following[int, Balances], request.app.state.following)
    following.admit(person)
    return EventStream(newest(following, person, "balances", _told, retry_ms=3000))


def _told(found: Balances) -> dict[str, object]:
    total = sum(found.values())
    by_name = {**{colour.value: amount for colour, amount in found.items()}, "total": total}
    return {
        "balances": {name: money.as_number(amount) for name, amount in by_name.items()},
        "shown": {name: money.shown(amount) for name, amount in by_name.items() if name in _NAMES},
    }


_NAMES: Final = {*(colour.value for colour in Currency), "total"}

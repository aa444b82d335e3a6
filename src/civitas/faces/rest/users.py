"""`GET /api/v1/users`, `/me` and `/permissions/check`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.ledger import key_limits, wallets
from civitas.domains.buzz.memberships.entitlements import Running, entitlements
from civitas.domains.catalog import directory
from civitas.faces.http.actors import Member, Viewer
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.rest.parameters import Parameters, wrong
from civitas.kit import clock, money

router = APIRouter(tags=["Users"])

MAX_CHECKED = 100


@router.get("/users", operation_id="listUsers", summary="List Users")
async def list_users(
    request: Request,
    actor: Viewer,
    query: Annotated[str, Query(max_length=100, description="How the name begins.")] = "",
    username: Annotated[str | None, Query(max_length=25, description="The whole name.")] = None,
    ids: Annotated[list[str] | None, Query(description="Ids, repeated or with commas.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> dict[str, Any]:
    """People by id, by name, or by the beginning of their name."""
    await take(request, "read")
    numbers = Parameters(request.query_params).numbers("ids") if ids else None
    items = await directory.users(
        state_of(request).reads,
        ids=numbers,
        query=query,
        username=username,
        limit=max(limit, len(numbers or ())),
        base=base_url(request),
    )
    return {"items": items}


@router.get("/me", operation_id="getCurrentUser", summary="Get Current User")
async def me(request: Request, session: Reading, actor: Member) -> dict[str, Any]:
    """Whose key or session this is, and what it may do."""
    actor.require(Scope.USER_READ)
    found = (
        await session.execute(
            select(Person.email, Person.avatar_key, Person.created_at, Person.role).where(
                Person.id == actor.id
            )
        )
    ).one()
    holds = await entitlements(session, actor.id)
    picture = directory.picture(found.avatar_key, base_url(request))
    buzz = None
    if Scope.BUZZ_READ in actor.scopes and actor.id is not None:
        wallet = await wallets.of(session, actor.id)
        buzz = {colour.value: money.as_number(amount) for colour, amount in wallet.spendable.items()}
    return {
        "id": actor.id,
        "username": actor.username,
        "email": found.email,
        "image": picture,
        "role": found.role,
        "tier": holds.key,
        "status": "muted" if actor.muted else "active",
        "isMember": holds.member,
        "subscriptions": [_subscription(one) for one in holds.running],
        "tokenScope": int(actor.scopes),
        "buzzLimit": await _limits(session, actor),
        "buzz": buzz,
        "subject": {"type": "apiKey" if actor.via == "key" else "user", "id": actor.key_id or actor.id},
        "createdAt": clock.rfc3339(found.created_at),
    }


async def _limits(session: AsyncSession, actor: Actor) -> list[dict[str, Any]] | None:
    """The limits of the key that asks, with what is left of each; None without a key or without limits."""
    found = await key_limits.allowances(session, actor.key_id) if actor.key_id is not None else []
    return [
        {
            **one.rule.model_dump(exclude_none=True),
            "used": money.as_number(one.used),
            "remaining": money.as_number(one.left),
        }
        for one in found
    ] or None


def _subscription(one: Running) -> dict[str, Any]:
    return {
        "id": one.id,
        "tier": one.tier.key,
        "buzzType": one.colour.value,
        "billing": one.billing.value,
        "status": one.status.value,
        "currentPeriodEnd": clock.rfc3339(one.ends_at),
        "cancelAtPeriodEnd": not one.renews,
    }


Kind = Literal["Model", "ModelVersion"]
_BY_PERMISSION = {
    "generate": "canGenerate", "download": "canDownload", "view": "canView", "edit": "canEdit",
    "delete": "canDelete",
}  # fmt: skip


@router.get("/permissions/check", operation_id="checkPermissions", summary="Check Permissions")
async def check_permissions(
    request: Request,
    actor: Viewer,
    entityType: Annotated[Kind, Query(description="What the ids are of.")],
    entityIds: Annotated[list[str] | None, Query(description="Up to 100 ids.")] = None,
    entityId: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    permission: Annotated[
        str | None, Query(max_length=20, description="Generate, Download, View, Edit or Delete.")
    ] = None,
) -> dict[str, Any]:
    """With `entityIds`: {id: bool} for one permission. With `entityId`: everything you may do with it."""
    await take(request, "read")
    reads = state_of(request).reads
    if entityId is not None:
        found = await directory.permissions(reads, actor, kind=entityType, ids=[entityId])
        return {"entityType": entityType, "entityId": entityId, **found[entityId]}
    numbers = Parameters(request.query_params).numbers("entityIds") if entityIds else ()
    if not numbers:
        raise wrong("entityIds", "Required", code="invalid_type", expected="array", received="undefined")
    named = _BY_PERMISSION.get((permission or "generate").lower())
    if named is None:
        options = [name.capitalize() for name in _BY_PERMISSION]
        raise wrong(
            "permission",
            f"Invalid enum value. Expected {' | '.join(repr(o) for o in options)}",
            code="invalid_enum_value",
            options=options,
        )
    found = await directory.permissions(reads, actor, kind=entityType, ids=numbers)
    return {str(number): allowed[named] for number, allowed in found.items()}

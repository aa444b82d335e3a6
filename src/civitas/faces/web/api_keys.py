"""Settings: keys for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import keys
from civitas.domains.accounts.keys import KeyInfo
from civitas.domains.accounts.types import PRESETS, Actor, Scope
from civitas.domains.buzz.ledger import key_limits
from civitas.domains.buzz.ledger.key_limits import Allowance
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.web import forms, keepsakes
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/account/keys"
MADE = "new_key"
# What a limit counts: the hours, days or weeks before a spend, or everything that the key ever spent.
SPANS = (
    ("hour", "in any hour"),
    ("day", "in any day"),
    ("week", "in any week"),
    ("month", "in any 30 days"),
    ("all", "in all"),
)
# Days that a new key lives; nothing for ever.
LIVES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "Until revoked"))
PRESET_WORDS = {
    "ReadOnly": ("Read only", "Look at everything you can see, change nothing."),
    "Creator": ("Creator", "Publish and edit models, pictures and articles."),
    "AIServices": ("Generation", "Generate and train, and see the balance."),
    "Full": ("Everything", "All that you can do yourself, except to change your account's locks."),
}
SCOPES: Mapping[str, tuple[tuple[Scope, str], ...]] = {
    "Account": ((Scope.USER_WRITE, "Change profile and settings, make keys"),),
    "Models": (
        (Scope.MODELS_READ, "Read"),
        (Scope.MODELS_WRITE, "Publish and edit"),
        (Scope.MODELS_DELETE, "Delete"),
    ),
    "Pictures and uploads": (
        (Scope.MEDIA_READ, "Read"),
        (Scope.MEDIA_WRITE, "Upload"),
        (Scope.MEDIA_DELETE, "Delete"),
    ),
    "Articles": (
        (Scope.ARTICLES_READ, "Read"),
        (Scope.ARTICLES_WRITE, "Write"),
        (Scope.ARTICLES_DELETE, "Delete"),
    ),
    "Bounties": (
        (Scope.BOUNTIES_READ, "Read"),
        (Scope.BOUNTIES_WRITE, "Take part"),
        (Scope.BOUNTIES_DELETE, "Delete"),
    ),
    "Generation": ((Scope.AI_SERVICES_READ, "See jobs"), (Scope.AI_SERVICES_WRITE, "Generate and train")),
    "Buzz": ((Scope.BUZZ_READ, "See the balance"), (Scope.SOCIAL_TIP, "Tip others")),
    "Collections": ((Scope.COLLECTIONS_READ, "Read"), (Scope.COLLECTIONS_WRITE, "Change")),
    "People": ((Scope.SOCIAL_WRITE, "Follow, react, comment"),),
    "Notices": ((Scope.NOTIFICATIONS_READ, "Read"), (Scope.NOTIFICATIONS_WRITE, "Change")),
    "Vault": ((Scope.VAULT_READ, "Read"), (Scope.VAULT_WRITE, "Change")),
}


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key in the list."""

    info: KeyInfo
    scopes: str
    expired: bool
    limits: tuple[Allowance, ...]

    @property
    def spending(self) -> str:
        """What it may spend and how much of that is left, in a line."""
        return " ".join(
            f"May spend {key_limits.told_of(one.rule)}, {money.shown(one.left)} left." for one in self.limits
        )


@dataclass(frozen=True, slots=True)
class Fresh:
    """The key that was just made."""

    name: str
    secret: str
    example: str


@dataclass(frozen=True, slots=True)
class KeysPage:
    """The list, the form, and perhaps a new key."""

    keys: list[KeyLine]
    form: Entered
    fresh: Fresh | None
    presets: tuple[tuple[str, str, str], ...]
    scopes: Mapping[str, tuple[tuple[Scope, str], ...]]
    lives: tuple[tuple[str, str], ...] = LIVES
    spans: tuple[tuple[str, str], ...] = SPANS


@router.get(HERE)
async def show(request: Request, member: Member) -> Response:
    """The keys."""
    return await _page(request, member, Entered())


@router.post(HERE)
async def create(request: Request, member: Member) -> Response:
    """Make a key; its secret is on the next page, once."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            made = await keys.create(
                session,
                member,
                name=form.get("name"),
                scopes=_scopes(form),
                expires_at=_expiry(form),
                buzz_limit=_limit(form),
            )
    except (Invalid, Conflict) as fault:
        return await _page(request, member, form.failed(fault), forms.status_of(fault))
    response = redirect(request, HERE)
    note = {"name": made.info.name, "secret": made.secret, "person": member.id}
    keepsakes.put(request, response, MADE, note, seconds=600)
    return response


@router.post(f"{HERE}/{{key_id}}/limit")
async def limit(request: Request, member: Member, key_id: int) -> Response:
    """Change what a key may spend."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await keys.set_limit(session, member, key_id=key_id, buzz_limit=_limit(form))
    except Invalid as fault:
        return redirect(request, HERE, kind="danger", text=next(iter(fault.fields.values()), fault.message))
    return redirect(request, HERE, text="That is what it may spend from now on.")


@router.post(f"{HERE}/{{key_id}}/revoke")
async def revoke(request: Request, member: Member, session: Unit, key_id: int) -> Response:
    """Make a key useless for ever."""
    await keys.revoke(session, member, key_id=key_id)
    return redirect(request, HERE, text="That key opens nothing any more.")


def _scopes(form: Entered) -> int:
    preset = form.get("preset")
    if preset in PRESETS:
        return int(PRESETS[preset])
    total = 0
    for value in form.all("scope"):
        if not (value.isascii() and value.isdigit() and len(value) < 12):
            raise Invalid("One of these rights does not exist.", fields={"scopes": "Choose from the list."})
        total |= int(value)
    return total


def _expiry(form: Entered) -> datetime | None:
    days = form.get("days")
    if days not in {value for value, _ in LIVES}:
        raise Invalid("Choose how long the key lives.", fields={"days": "Choose from the list."})
    return clock.now() + timedelta(days=int(days)) if days else None


def _limit(form: Entered) -> list[dict[str, Any]] | None:
    """The one limit that the form can say; None when it was left empty."""
    given, span = form.get("limit").replace(",", "").strip(), form.get("span") or "day"
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 12):
        raise Invalid("Write the limit in whole Buzz.", fields={"limit": "Write it in whole Buzz."})
    if span not in {value for value, _ in SPANS}:
        raise Invalid("Choose how the limit counts.", fields={"span": "Choose from the list."})
    if span == "all":
        return [{"kind": "absolute", "amount": int(given)}]
    return [{"kind": "sliding", "amount": int(given), "unit": span, "window": 1}]


def words_for(scopes: Scope) -> str:
    """What a key may do, in a line."""
    for name, preset in PRESETS.items():
        if scopes == preset:
            return PRESET_WORDS[name][0]
    areas = [area for area, rights in SCOPES.items() if any(right & scopes for right, _ in rights)]
    return ", ".join(areas) or "Nothing but your name"


async def _page(request: Request, member: Actor, form: Entered, status: int = 200) -> Response:
    async with state_of(request).database.reading() as session:
        held = await keys.mine(session, member)
        limits = {
            key.id: await key_limits.allowances(session, key.id) for key in held if key.buzz_limit is not None
        }
    moment = clock.now()
    note = keepsakes.take(request, MADE)
    fresh = None
    if note is not None and note["person"] == member.id:
        secret = str(note["secret"])
        example = f'curl -H "Authorization: Bearer {secret}" {base_url(request)}/api/v1/me'
        fresh = Fresh(str(note["name"]), secret, example)
    page = KeysPage(
        keys=[
            KeyLine(
                key,
                words_for(key.scopes),
                key.expires_at is not None and key.expires_at <= moment,
                tuple(limits.get(key.id, ())),
            )
            for key in held
        ],
        form=form,
        fresh=fresh,
        presets=tuple((name, *PRESET_WORDS[name]) for name in PRESETS),
        scopes=SCOPES,
    )
    return render(request, "account/keys.html", page, status=status, headers={"Cache-Control": "no-store"})

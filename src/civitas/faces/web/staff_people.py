"""What staff do about people and about names and domains: search, roles, mutes, bans, blocklists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import audit, blocklists, policy, queries, standing
from civitas.domains.accounts.audit import Deed
from civitas.domains.accounts.blocklists import Blocklist, Entry
from civitas.domains.accounts.queries import Account
from civitas.domains.accounts.standing import BAN_LABELS, AccountStanding
from civitas.domains.accounts.types import Actor, Role
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.form_values import lines
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Cursor, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PEOPLE: Final = "/staff/people"
BLOCKLISTS: Final = "/staff/blocklists"
FILTERS: Final = (("", "Everybody"), ("active", "Active"), ("banned", "Banned"), ("deleted", "Deleted"))
TERMS: Final = (("1", "A day"), ("7", "A week"), ("30", "A month"), ("365", "A year"), ("0", "Until lifted"))
LISTS: Final = (
    (Blocklist.USERNAME_EXACT.value, "Names", "Nobody can take exactly this name."),
    (Blocklist.USERNAME_PARTIAL.value, "Parts of names", "Nobody can take a name that holds this."),
    (Blocklist.EMAIL_DOMAIN.value, "Mail domains", "Nobody joins with an address below this domain."),
    (Blocklist.LINK_DOMAIN.value, "Link domains", "Links to this domain are not taken."),
)
_SAID: Final = {
    "mute": "{} can read but not write.",
    "unmute": "{} can write again.",
    "ban": "The account of {} is closed.",
    "unban": "The account of {} is open again.",
    "role": "{} has another role. They have to sign in again.",
    "second-step": "Two-step sign-in of {} is off.",
}


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of people."""

    accounts: tuple[Account, ...]
    q: str
    status: str
    team: bool
    next_href: str | None
    filters: tuple[tuple[str, str], ...] = FILTERS


@dataclass(frozen=True, slots=True)
class PersonPage:
    """One person as staff see them; `may_judge` is false for one's own rank and above."""

    account: Account
    standing: AccountStanding
    deeds: tuple[Deed, ...]
    names: dict[int, str]
    form: Entered
    may_judge: bool
    admin: bool
    roles: tuple[tuple[str, str], ...] = tuple((role.value, role.value.capitalize()) for role in Role)
    bans: tuple[tuple[str, str], ...] = tuple(BAN_LABELS.items())
    terms: tuple[tuple[str, str], ...] = TERMS


@dataclass(frozen=True, slots=True)
class BlocklistPage:
    """One of the lists."""

    name: str
    hint: str
    entries: tuple[Entry, ...]
    tabs: tuple[tuple[str, str, bool], ...]
    form: Entered
    next_href: str | None


@router.get(PEOPLE)
async def people(
    request: Request,
    staff: Staff,
    session: Reading,
    q: Annotated[str, Query(max_length=320)] = "",
    status: str = "",
    team: bool = False,
    cursor: Cursor = None,
) -> Response:
    """People by the beginning of their name, or by a whole address."""
    known = status if status in dict(FILTERS) else ""
    found = await queries.accounts(
        session, staff, query=q, status=known or None, staff_only=team, cursor=cursor
    )
    pairs = [(k, v) for k, v in (("q", q), ("status", known), ("team", "true" if team else "")) if v]
    next_href = None
    if found.next_cursor:
        next_href = f"{PEOPLE}?{urlencode([*pairs, ('cursor', found.next_cursor)])}"
    page = PeoplePage(tuple(found.items), q, known, team, next_href)
    return render(request, "staff/people.html", page, block="people_list")


@router.get(PEOPLE + "/{person_id:int}")
async def person(request: Request, staff: Staff, person_id: int) -> Response:
    """One person: how the account stands, what staff did, what can be done."""
    return await _person(request, staff, person_id, Entered())


@router.post(PEOPLE + "/{person_id:int}/{deed}")
async def act(request: Request, staff: Staff, person_id: int, deed: str) -> Response:
    """Mute, ban, change the role, or take two-step sign-in away; the domain logs it."""
    form = await forms.read(request)
    doing = _DEEDS.get(deed)
    try:
        if doing is None:
            raise Invalid("There is nothing of this name to do.", code="unknown_deed")
        async with state_of(request).database.unit() as session:
            await doing(session, staff, person_id, form)
    except (Invalid, Conflict, Forbidden) as fault:
        return await _person(request, staff, person_id, form.failed(fault), fault)
    async with state_of(request).database.reading() as session:
        name = (await queries.by_id(session, person_id)).username
    return redirect(request, f"{PEOPLE}/{person_id}", text=_SAID[deed].format(name))


async def _mute(session: AsyncSession, staff: Actor, person_id: int, form: Entered) -> None:
    days = form.get("days", "7")
    if days not in dict(TERMS):
        raise Invalid("Choose how long.", code="bad_until", fields={"days": "Choose how long."})
    until = clock.now() + timedelta(days=int(days)) if days != "0" else None
    await standing.mute(session, staff, person_id=person_id, until=until, reason=form.get("reason"))


async def _unmute(session: AsyncSession, staff: Actor, person_id: int, form: Entered) -> None:
    await standing.unmute(session, staff, person_id=person_id, reason=form.get("reason"))


async def _ban(session: AsyncSession, staff: Actor, person_id: int, form: Entered) -> None:
    await standing.ban(session, staff, person_id=person_id, code=form.get("code"), reason=form.get("reason"))


async def _unban(session: AsyncSession, staff: Actor, person_id: int, form: Entered) -> None:
    await standing.unban(session, staff, person_id=person_id, reason=form.get("reason"))


async def _grant(session: AsyncSession, staff: Actor, person_id: int, form: Entered) -> None:
    given = form.get("role")
    if given not in set(Role):
        raise Invalid("Choose a role.", code="bad_role", fields={"role": "Choose a role."})
    policy.require_fresh(staff)
    await standing.grant(session, staff, person_id=person_id, role=Role(given), reason=form.get("reason"))


async def _second_step(session: AsyncSession, staff: Actor, person_id: int, form: Entered) -> None:
    policy.require_fresh(staff)
    await standing.reset_second_step(session, staff, person_id=person_id, reason=form.get("reason"))


_Doing = Callable[[AsyncSession, Actor, int, Entered], Awaitable[None]]
_DEEDS: Final[dict[str, _Doing]] = {
    "mute": _mute, "unmute": _unmute, "ban": _ban, "unban": _unban, "role": _grant,
    "second-step": _second_step,
}  # fmt: skip


async def _person(
    request: Request, staff: Actor, person_id: int, form: Entered, fault: Fault | None = None
) -> Response:
    if fault is not None and fault.code in ("prove_again", "staff_only"):
        raise fault
    async with state_of(request).database.reading() as session:
        account = await queries.account(session, staff, person_id=person_id)
        stands = await standing.of(session, person_id)
        deeds = tuple((await audit.page(session, staff, about=person_id)).items)
        cards = await queries.by_ids(session, {deed.actor_id for deed in deeds})
    page = PersonPage(
        account=account,
        standing=stands,
        deeds=deeds,
        names={number: card.username for number, card in cards.items()},
        form=form,
        may_judge=policy.can_judge(staff, person_id=person_id, role=stands.role),
        admin=staff.is_admin,
    )
    return render(request, "staff/person.html", page, status=forms.status_of(fault) if fault else 200)


@router.get(BLOCKLISTS)
async def blocklist(request: Request, staff: Staff, name: str = "", cursor: Cursor = None) -> Response:
    """A list in alphabetical order, and the form to add to it."""
    return await _blocklist(request, staff, name, Entered(), cursor)


@router.post(BLOCKLISTS + "/{name}/{deed}")
async def change_blocklist(request: Request, staff: Staff, name: Blocklist, deed: str) -> Response:
    """Add entries, one a line (`add`), or take one off (`remove`)."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            if deed == "remove":
                value = form.get("value")
                await blocklists.remove(session, staff, blocklist=name, value=value)
                text, details = f"“{value}” is off the list.", {"value": value[:300]}
            else:
                values = lines(form.get("values"))
                added = await blocklists.add(
                    session, staff, blocklist=name, values=values, note=form.get("note")
                )
                text, details = f"{added} new on the list.", {"values": ", ".join(values)[:500]}
            await audit.record(
                session,
                staff,
                action=f"blocklist.{'remove' if deed == 'remove' else 'add'}",
                reason=form.get("note").strip() or "No note given.",
                subject_kind="blocklist",
                details=details | {"list": name.value},
            )
    except Invalid as fault:
        return await _blocklist(request, staff, name, form.failed(fault), None, forms.status_of(fault))
    return redirect(request, f"{BLOCKLISTS}?name={name}", text=text)


async def _blocklist(
    request: Request, staff: Actor, name: str, form: Entered, cursor: str | None, status: int = 200
) -> Response:
    chosen = next((one for one in LISTS if one[0] == name), LISTS[0])
    async with state_of(request).database.reading() as session:
        found = await blocklists.page(session, staff, blocklist=Blocklist(chosen[0]), cursor=cursor)
    next_href = None
    if found.next_cursor:
        next_href = f"{BLOCKLISTS}?{urlencode({'name': chosen[0], 'cursor': found.next_cursor})}"
    page = BlocklistPage(
        name=chosen[0],
        hint=chosen[2],
        entries=tuple(found.items),
        tabs=tuple((label, f"{BLOCKLISTS}?name={key}", key == chosen[0]) for key, label, _ in LISTS),
        form=form,
        next_href=next_href,
    )
    return render(request, "staff/blocklists.html", page, block="entries_list", status=status)

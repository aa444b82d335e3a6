"""The staff's own place: what waits, failed tasks, the log. Every ruling is logged with who, what and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from civitas.domains.accounts import audit, queries, standing
from civitas.domains.accounts.audit import Deed
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import oversight
from civitas.domains.catalog.oversight import Load
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.templating import render
from civitas.faces.web.visits import member_visit, redirect
from civitas.infra.queue import dead_letters
from civitas.infra.queue.dead_letters import DeadLetter
from civitas.kit import paging

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
TASKS: Final = "/staff/tasks"


async def staff_visit(request: Request) -> Actor:
    """A moderator or administrator; Forbidden for everybody else."""
    member = await member_visit(request)
    member.require_moderator()
    return member


async def admin_visit(request: Request) -> Actor:
    """An administrator; Forbidden for everybody else."""
    member = await member_visit(request)
    member.require_admin()
    return member


Staff = Annotated[Actor, Depends(staff_visit)]
Admin = Annotated[Actor, Depends(admin_visit)]


@dataclass(frozen=True, slots=True)
class StaffHome:
    """What waits, in numbers, and what was done last."""

    load: Load
    letters: int
    people: Mapping[str, int]
    deeds: tuple[Deed, ...]
    cards: Mapping[int, Card]
    admin: bool

    @property
    def held(self) -> int:
        """Files that a scan holds back, in all."""
        return sum(self.load.held.values())


@dataclass(frozen=True, slots=True)
class TasksPage:
    """Tasks that failed for good."""

    letters: tuple[DeadLetter, ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class LogPage:
    """The staff's log."""

    deeds: tuple[Deed, ...]
    cards: Mapping[int, Card]
    actions: tuple[str, ...]
    action: str
    about: str
    next_href: str | None


@router.get("/staff")
async def home(request: Request, staff: Staff, session: Reading) -> Response:
    """What waits for staff."""
    letters = await dead_letters.page(session)
    log = await audit.page(session, staff)
    deeds = tuple(log.items[:8])
    page = StaffHome(
        load=await oversight.load(session, staff),
        letters=len(letters.items),
        people=await standing.counts(session),
        deeds=deeds,
        cards=await _cards(session, deeds),
        admin=staff.is_admin,
    )
    return render(request, "staff/home.html", page)


@router.get("/moderator")
async def old_place(request: Request, staff: Staff) -> Response:
    """Where staff's place is now."""
    return redirect(request, "/staff")


@router.get(TASKS)
async def tasks(request: Request, staff: Staff, session: Reading, cursor: Cursor = None) -> Response:
    """Tasks that failed so often that they are not tried again by themselves."""
    found = await dead_letters.page(session, cursor=cursor)
    next_href = f"{TASKS}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    return render(request, "staff/tasks.html", TasksPage(tuple(found.items), next_href), block="tasks_list")


@router.post(TASKS + "/{task_id:int}/{deed}")
async def settle(request: Request, admin: Admin, task_id: int, deed: str) -> Response:
    """Try a failed task again (`retry`), or forget it; administrators only, for a task may do anything."""
    form = await forms.read(request)
    retried = deed == "retry"
    async with state_of(request).database.unit() as session:
        settling = dead_letters.retry if retried else dead_letters.discard
        await settling(session, task_id=task_id)
        await audit.record(
            session,
            admin,
            action="task.retry" if retried else "task.discard",
            reason=form.get("reason").strip() or f"{'Retried' if retried else 'Discarded'} a failed task.",
            subject_kind="task",
            subject_id=task_id,
            details={"name": form.get("name")[:100]},
        )
    text = "The task is in its queue again." if retried else "The task is forgotten."
    return redirect(request, TASKS, text=text)


@router.get("/staff/log")
async def log(
    request: Request,
    staff: Staff,
    session: Reading,
    action: Annotated[str, Query(max_length=60)] = "",
    about: Annotated[str, Query(max_length=64)] = "",
    cursor: Cursor = None,
) -> Response:
    """Everything that staff did, the newest first."""
    person = (await queries.by_username(session, about)).id if about else None
    found = await audit.page(session, staff, action=action or None, about=person, cursor=cursor)
    deeds = tuple(found.items)
    pairs = [(name, value) for name, value in (("action", action), ("about", about)) if value]
    next_href = None
    if found.next_cursor:
        next_href = f"/staff/log?{urlencode([*pairs, ('cursor', found.next_cursor)])}"
    page = LogPage(deeds, await _cards(session, deeds), ACTIONS, action, about, next_href)
    return render(request, "staff/log.html", page, block="log_list")


ACTIONS: Final = (
    "ban", "unban", "mute", "unmute", "role.grant", "account.flags", "second_step.reset", "email.set",
    "model.unpublish", "model.restore", "model.decline_review", "model.transfer", "file.rescan",
    "purchase.refund", "purchase.invoice", "purchase.paid", "debt.collect", "debt.write_off", "wallet.thaw", "codes.issue",
    "codes.revoke", "bonus.declare", "bonus.end", "blocklist.add", "blocklist.remove", "task.retry", "task.discard",
    "buzz.adjust", "buzz.adjust.request", "buzz.adjust.approve", "buzz.adjust.reject", "buzz.freeze",
    "buzz.unfreeze", "buzz.refund", "studio.restrict", "studio.restriction.uphold", "studio.restriction.overturn",
    "studio.phrase.allow", "studio.phrase.withdraw", "studio.output.rate",
    "article.unpublish", "article.restore", "article.remove", "chat.read", "chat.remove", "chat.leave",
    "announcement.put_up", "announcement.change", "announcement.end",
)  # fmt: skip


async def _cards(session: Any, deeds: tuple[Deed, ...]) -> dict[int, Card]:
    ids = {deed.actor_id for deed in deeds} | {deed.person_id for deed in deeds if deed.person_id}
    return await queries.by_ids(session, ids)

"""Saved searches over the API: keeping them, and choosing how one hears of new matches."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.community.searches import keeping, looking
from civitas.domains.community.searches.addresses import Place
from civitas.domains.community.searches.feed_links import SearchFeedKey
from civitas.domains.community.searches.keeping import Kept, Wish
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, is_safe_site
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(prefix="/me/searches", tags=["Saved Searches"], dependencies=[CheckedForm])

SearchId = Annotated[int, Path(ge=1, le=2**62)]


class SearchShown(Answer):
    """A saved search. `told` is whether new matches are looked for: subscribed, and within the membership's room."""

    id: int
    name: str
    place: Place
    filters: dict[str, list[str]] = Field(description="As the parameters of the list's page.")
    url: str
    created_at: datetime
    notify: bool
    webhook_url: str | None
    feed_url: str | None = Field(description="The secret link of its Atom feed.")
    told: bool


class MatchShown(Answer):
    """A thing that meets a search."""

    id: int
    kind: str
    title: str
    url: str
    by: str
    at: datetime


class NewSearch(Body):
    """A list, the filters of its page by name, and how the search is called."""

    name: str = Field(max_length=200)
    place: Place
    filters: dict[str, list[str]] = Field(max_length=30)


class SearchChange(Body):
    """What is left out stays. An empty `webhookUrl` takes it away; `newFeedLink` ends the link before."""

    name: str | None = Field(default=None, max_length=200)
    notify: bool | None = None
    webhook_url: str | None = Field(default=None, max_length=2048)
    feed: bool | None = None
    new_feed_link: bool = False


@router.get("", operation_id="listSavedSearches", summary="List Saved Searches")
async def list_searches(request: Request, owner: Owner, session: Reading) -> list[SearchShown]:
    """One's searches by name."""
    await take(request, "read")
    return [_shown(request, one) for one in await keeping.mine(session, owner)]


@router.post("", operation_id="saveSearch", summary="Save A Search", status_code=201)
async def save(request: Request, body: NewSearch, writer: Writer, session: Unit) -> SearchShown:
    """Keep the filters of a list under a name."""
    pairs = [(name, value) for name, values in body.filters.items() for value in values]
    made = await keeping.save(session, writer, name=body.name, place=body.place, pairs=pairs)
    return _shown(request, made)


@router.patch("/{search_id}", operation_id="changeSavedSearch", summary="Change A Saved Search")
async def change(
    request: Request, search_id: SearchId, body: SearchChange, writer: Writer, session: Unit
) -> SearchShown:
    """Rename it, or choose how you hear of new matches: notifications, a webhook, an Atom feed.

    The webhook is called as [callbacks](#tag/Callbacks) are: signed, in order, tried again, logged.
    """
    wish = Wish(
        name=body.name,
        notify=body.notify,
        webhook_url=body.webhook_url,
        feed=body.feed,
        new_feed_link=body.new_feed_link,
    )
    own_hosts = {host.lower() for host in state_of(request).settings.callbacks.development_hosts}
    changed = await keeping.change(session, writer, search_id=search_id, wish=wish, own_hosts=own_hosts)
    return _shown(request, changed)


@router.delete(
    "/{search_id}", operation_id="forgetSavedSearch", summary="Forget A Saved Search", status_code=204
)
async def forget(search_id: SearchId, writer: Writer, session: Unit) -> None:
    """Keep a search no longer."""
    await keeping.forget(session, writer, search_id=search_id)


@router.get("/{search_id}/matches", operation_id="listSearchMatches", summary="List What Meets A Search")
async def matches(
    request: Request,
    search_id: SearchId,
    owner: Owner,
    session: Reading,
    limit: Annotated[int, Query(ge=1, le=looking.MOST)] = 50,
) -> list[MatchShown]:
    """The newest things that meet a search, as far as you see them."""
    await take(request, "read")
    kept = await keeping.one(session, owner, search_id=search_id)
    mask = owner.mask & SAFE_MASK if is_safe_site(request) else owner.mask
    found = await looking.matches(
        state_of(request).reads, owner, kept.place, kept.pairs, mask=mask, limit=limit
    )
    base = base_url(request)
    return [
        MatchShown(id=one.id, kind=one.kind, title=one.title, url=base + one.path, by=one.by, at=one.at)
        for one in found
    ]


def _shown(request: Request, one: Kept) -> SearchShown:
    filters: dict[str, list[str]] = {}
    for name, value in one.pairs:
        filters.setdefault(name, []).append(value)
    base = base_url(request)
    feed = None
    if one.feed_number is not None:
        token = SearchFeedKey.derived(state_of(request).secret).token(one.id, one.feed_number)
        feed = f"{base}/searches/feed/{token}"
    return SearchShown(
        id=one.id,
        name=one.name,
        place=one.place,
        filters=filters,
        url=base + one.href,
        created_at=one.created_at,
        notify=one.notify,
        webhook_url=one.webhook_url,
        feed_url=feed,
        told=one.told,
    )

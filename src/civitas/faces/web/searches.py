"""`/searches`: one's saved searches, saving one from a list, and the private feed of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.community.searches import addresses, feed_links, keeping, looking
from civitas.domains.community.searches.addresses import Place
from civitas.domains.community.searches.feed_links import SearchFeedKey
from civitas.domains.community.searches.keeping import Kept, Wish
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, is_safe_site
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import atom, forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Conflict, Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/searches"
IN_FEED: Final = 50
SearchId = Annotated[int, Path(ge=1, le=2**62)]
PLACES: Final = {
    Place.MODELS: "Models",
    Place.IMAGES: "Images",
    Place.VIDEOS: "Videos",
    Place.POSTS: "Posts",
}
# How parameters read in words; the others as they are.
_WORDS: Final = {
    "q": "“{}”", "tag": "#{}", "withoutTag": "without #{}", "tool": "with {}", "user": "by {}",
    "modelId": "model {}", "modelVersionId": "version {}", "fileFormats": "{} files", "withMeta": "tells its recipe",
    "fromPlatform": "made here", "originals": "originals", "remixes": "remixes", "followed": "people you follow",
    "unseen": "not seen yet", "earlyAccess": "early access", "favorites": "your favourites", "hidden": "hidden by you",
    "allowCommercialUse": "may: {}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchLine:
    """A search with what it filters in words, and the secret link of its feed."""

    kept: Kept
    place: str
    words: tuple[str, ...]
    feed_url: str | None


@dataclass(frozen=True, slots=True)
class SearchesPage:
    """One's searches."""

    lines: tuple[SearchLine, ...]


@dataclass(frozen=True, slots=True)
class SavePage:
    """The form that saves one."""

    form: Entered
    place: str
    query: str
    where: str
    words: tuple[str, ...]
    back: str
    notifiable: bool


@router.get(HERE)
async def show(request: Request, member: Member, session: Reading) -> Response:
    """One's searches by name."""
    lines = tuple(_line(request, one) for one in await keeping.mine(session, member))
    return render(request, "searches/list.html", SearchesPage(lines))


@router.get(f"{HERE}/new")
async def new(request: Request, member: Member) -> Response:
    """Give the filters of a list a name."""
    place, pairs = _asked(request.query_params.get("place", ""), request.url.query)
    return render(request, "searches/save.html", _page(Entered(), place, pairs))


@router.post(f"{HERE}/new")
async def save(request: Request, member: Member) -> Response:
    """Keep it, and be told of new matches if that is wanted."""
    form = await forms.read(request)
    place, pairs = _asked(form.get("place") or "", (form.get("query") or "")[:8000])
    try:
        async with state_of(request).database.unit() as session:
            made = await keeping.save(session, member, name=form.get("name") or "", place=place, pairs=pairs)
            if form.get("notify") == "true":
                await keeping.change(session, member, search_id=made.id, wish=Wish(notify=True))
    except (Invalid, Conflict) as fault:
        page = _page(form.failed(fault), place, pairs)
        return render(request, "searches/save.html", page, status=forms.status_of(fault))
    return redirect(request, made.href, text="Saved.", link=HERE, action="Your searches")


@router.post(f"{HERE}/{{search_id:int}}")
async def change(request: Request, member: Member, search_id: SearchId) -> Response:
    """Rename it, or choose how one hears of new matches."""
    form = await forms.read(request)
    wish = Wish(
        name=form.get("name"),
        notify=form.get("notify") == "true",
        webhook_url=form.get("webhook") or "",
        feed=form.get("feed") == "true",
        new_feed_link=form.get("new_link") == "true",
    )
    own_hosts = {host.lower() for host in state_of(request).settings.callbacks.development_hosts}
    try:
        async with state_of(request).database.unit() as session:
            await keeping.change(session, member, search_id=search_id, wish=wish, own_hosts=own_hosts)
    except (Invalid, Conflict) as fault:
        told = next(iter(fault.details.get("fields", {}).values()), fault.message)
        return redirect(request, f"{HERE}#search-{search_id}", kind="danger", text=told)
    return redirect(request, f"{HERE}#search-{search_id}", text="Saved.")


@router.post(f"{HERE}/{{search_id:int}}/forget")
async def forget(request: Request, member: Member, session: Unit, search_id: SearchId) -> Response:
    """Keep it no longer."""
    await keeping.forget(session, member, search_id=search_id)
    return redirect(request, HERE, text="Forgotten.")


@router.get(f"{HERE}/feed/{{token}}")
async def feed(
    request: Request, session: Reading, token: Annotated[str, Path(min_length=3, max_length=80)]
) -> Response:
    """The newest matches as Atom, for whoever has the secret link: what its person sees, and no more on the safe twin."""
    await take(request, "read")
    state = state_of(request)
    row, actor = await feed_links.opened(session, SearchFeedKey.derived(state.secret), token)
    mask = actor.mask & SAFE_MASK if is_safe_site(request) else actor.mask
    place = Place(row.place)
    found = await looking.matches(state.reads, actor, place, row.pairs, mask=mask, limit=IN_FEED)
    return atom.private(
        base=base_url(request),
        title=f"{row.name} · {state.settings.site.name}",
        path=addresses.href(row.place, row.pairs),
        own=f"{HERE}/feed/{token}",
        entries=[atom.Entry(one.title, one.path, one.by, one.at) for one in found],
    )


def _asked(place: str, query: str) -> tuple[Place, tuple[tuple[str, str], ...]]:
    if place not in set(Place):
        raise NotFound("There is no such list to save a search of.", code="no_such_list")
    pairs = parse_qsl(query, keep_blank_values=False, max_num_fields=200)
    return Place(place), tuple(pair for pair in pairs if pair[0] != "place")


def _page(form: Entered, place: Place, pairs: Sequence[tuple[str, str]]) -> SavePage:
    return SavePage(
        form=form,
        place=place.value,
        query=addresses.href("", pairs).partition("?")[2],
        where=PLACES[place],
        words=_words(pairs),
        back=addresses.href(place.value, pairs),
        notifiable=addresses.matters(pairs),
    )


def _line(request: Request, one: Kept) -> SearchLine:
    link = None
    if one.feed_number is not None:
        token = SearchFeedKey.derived(state_of(request).secret).token(one.id, one.feed_number)
        link = f"{base_url(request)}{HERE}/feed/{token}"
    return SearchLine(one, PLACES[one.place], _words(one.pairs), link)


def _words(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(_WORDS.get(name, "{}").format(value) for name, value in pairs if name != "seed")

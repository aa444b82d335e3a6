"""`/articles`: what people wrote, as a list, one to read in calm, and as a feed for readers of feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import Response

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import ANONYMOUS, SAFE_MASK, Actor
from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.tagging import fold_tag
from civitas.domains.community.articles import attachments, counting, reads
from civitas.domains.community.articles.pictures import Shown
from civitas.domains.community.articles.reads import Listed, Opened, Wanted
from civitas.domains.community.articles.tables import ArticleFile
from civitas.domains.community.articles.text import Heading, Reference
from civitas.domains.community.articles.types import Category, Period, Sort, Status
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, client_address
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import pictures, structured
from civitas.faces.web.pictures import Eyes, avatar_url, level_name
from civitas.faces.web.props import Creator, Level, Picture, Stat
from civitas.faces.web.reaction_bars import ReactionBar, bar_of
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor, redirect
from civitas.kit import clock
from civitas.kit.text import clean_line, slug

router = APIRouter(include_in_schema=False)

PAGE: Final = 24
READER_WIDTHS: Final = (640, 960, 1280)
_KNOWN: Final = ("q", "category", "tag", "by", "sort", "period")


@dataclass(frozen=True, slots=True)
class ArticleCard:
    """An article in a list."""

    id: int
    title: str
    summary: str
    href: str
    category: str | None
    minutes: int
    level: Level
    picture: Picture | None
    creator: Creator | None
    stats: tuple[Stat, ...]
    told: Listed


@dataclass(frozen=True, slots=True)
class ArticleList:
    """The context of the list."""

    cards: tuple[ArticleCard, ...]
    q: str
    tag: str
    by: str
    sort: str
    period: str
    category: str
    categories: tuple[tuple[str, str, bool], ...]
    sorts: tuple[tuple[str, str, bool], ...]
    periods: tuple[tuple[str, str, bool], ...]
    next_href: str | None
    first_page: bool

    @property
    def filtered(self) -> bool:
        """Whether anything narrows the list."""
        return bool(self.q or self.tag or self.by or self.category or self.period != Period.ALL_TIME)


@dataclass(frozen=True, slots=True)
class ArticlePage:
    """The context of the reader. `pieces` are safe HTML and pictures in their order."""

    card: ArticleCard
    pieces: tuple[Markup | Picture | str, ...]
    headings: tuple[Heading, ...]
    mine: bool
    staff: bool
    status: str
    staff_note: str | None
    canonical: str
    data: Markup | None
    cover_url: str | None
    bar: ReactionBar | None
    files: tuple[ArticleFile, ...]


@router.get("/articles")
async def show(request: Request, actor: Visitor, session: Reading) -> Response:
    """Public articles, filtered and in an order; `cursor` goes on."""
    asked = request.query_params
    wanted = _wanted(request, actor)
    cursor = asked.get("cursor") or None
    found = await reads.page(session, actor, wanted=wanted, cursor=cursor, limit=PAGE)
    cards = cards_of(found.items, eyes_of(actor))

    def href(**changes: str) -> str:
        kept = {name: asked[name][:100] for name in _KNOWN if asked.get(name)} | changes
        query = urlencode({name: value for name, value in kept.items() if value})
        return f"/articles?{query}" if query else "/articles"

    context = ArticleList(
        cards=cards,
        q=wanted.query,
        tag=wanted.tags[0] if wanted.tags else "",
        by=wanted.username or "",
        sort=wanted.sort,
        period=wanted.period,
        category=wanted.category or "",
        categories=tuple((one.capitalize(), href(category=one), one == wanted.category) for one in Category),
        sorts=tuple((one, href(sort=one), one == wanted.sort) for one in Sort),
        periods=tuple(
            (label, href(period=value), value == wanted.period) for value, label in _PERIODS.items()
        ),
        next_href=href(cursor=found.next_cursor) if found.next_cursor else None,
        first_page=cursor is None,
    )
    return render(request, "articles/list.html", context, block="results")


_PERIODS: Final = {
    Period.ALL_TIME: "All time",
    Period.YEAR: "This year",
    Period.MONTH: "This month",
    Period.WEEK: "This week",
    Period.DAY: "Today",
}


@router.get("/articles/rss.xml")
async def feed(request: Request, session: Reading) -> Response:
    """The newest articles that everybody may read (RSS 2.0), narrowed like the list."""
    await take(request, "read")
    wanted = _wanted(request, ANONYMOUS)
    found = await reads.page(session, ANONYMOUS, wanted=wanted, cursor=None, limit=PAGE)
    base, name = base_url(request), state_of(request).settings.site.name
    items = "".join(_item(one, base) for one in found.items)
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<channel><title>{escape(name)}: articles</title><link>{escape(base)}/articles</link>"
        f"<description>What people write on {escape(name)}.</description>{items}</channel></rss>\n"
    )
    headers = {"Cache-Control": "public, max-age=600"}
    return Response(body, media_type="application/rss+xml; charset=utf-8", headers=headers)


@router.get("/articles/{article_id:int}")
@router.get("/articles/{article_id:int}/{name}")
async def read(
    request: Request, actor: Visitor, session: Reading, article_id: int, name: str = ""
) -> Response:
    """One article; an old or missing name in the address leads to the present one."""
    found = await reads.opened(session, actor, article_id=article_id)
    about, base = found.about, base_url(request)
    right = href_of(about)
    if name != slug(about.title):
        return redirect(request, right)
    eyes = eyes_of(actor)
    public = about.status == Status.PUBLISHED and bool(about.level & SAFE_MASK)
    cover_url = None
    if about.cover and about.cover.level & SAFE_MASK:
        cover_url = base + image_path(about.cover.key, about.cover.name, width=1280)
    page = ArticlePage(
        card=card_of(about, eyes, widths=READER_WIDTHS),
        pieces=pieces_of(found, eyes),
        headings=found.text.headings,
        mine=actor.id == about.person_id,
        staff=actor.is_moderator,
        status=about.status,
        staff_note=found.staff_note,
        canonical=base + right,
        data=_data(about, base, base + right, cover_url) if public else None,
        cover_url=cover_url,
        bar=await bar_of(session, actor, Subject("article", article_id))
        if about.status == Status.PUBLISHED
        else None,
        files=tuple(
            file
            for file in await attachments.of_article(session, article_id)
            if file.scan_status == attachments.CLEAN
        ),
    )
    return render(request, "articles/article.html", page)


@router.post("/articles/{article_id:int}/seen", dependencies=[CheckedForm])
async def seen(request: Request, actor: Visitor, session: Unit, article_id: int) -> Response:
    """A browser tells that its person has read for a while; counted once a day, one's own never."""
    found = await reads.opened(session, actor, article_id=article_id)
    if found.about.status == Status.PUBLISHED and found.about.person_id != actor.id:
        await counting.seen(
            session,
            actor,
            article_id=article_id,
            address=client_address(request),
            secret=state_of(request).secret,
        )
    return Response(status_code=204)


def href_of(one: Listed) -> str:
    """The address of an article."""
    return f"/articles/{one.id}/{slug(one.title)}"


def card_of(one: Listed, eyes: Eyes, *, widths: tuple[int, ...] = pictures.SAMPLE_WIDTHS) -> ArticleCard:
    """An article as a card."""
    return ArticleCard(
        id=one.id,
        title=one.title or "Without a title",
        summary=one.summary,
        href=href_of(one),
        category=one.category,
        minutes=one.minutes,
        level=level_name(one.level),
        picture=picture_of(one.cover, eyes, "", widths) if one.cover else None,
        creator=Creator(one.username, avatar_url(one.avatar_key)) if one.username else None,
        stats=(
            Stat("heart", one.counts.reactions, "reactions"),
            Stat("comment", one.counts.comments, "comments"),
            Stat("eye", one.counts.views, "views"),
        ),
        told=one,
    )


def cards_of(found: Sequence[Listed], eyes: Eyes) -> tuple[ArticleCard, ...]:
    """Articles as cards, in their order."""
    return tuple(card_of(one, eyes) for one in found)


def picture_of(shown: Shown, eyes: Eyes, alt: str, widths: tuple[int, ...] = READER_WIDTHS) -> Picture:
    """A picture of an article as the components show it."""
    image = {
        "url": image_path(shown.key, shown.name),
        "width": shown.width,
        "height": shown.height,
        "hash": shown.blurhash,
        "nsfwLevel": shown.level,
    }
    return pictures.of_document(image, eyes, alt=alt, widths=widths)


def pieces_of(found: Opened, eyes: Eyes) -> tuple[Markup | Picture | str, ...]:
    """The text in pieces, as the reader and the preview show it."""
    return tuple(_piece(piece, found, eyes) for piece in found.text.pieces)


def _piece(piece: str | Reference, found: Opened, eyes: Eyes) -> Markup | Picture | str:
    if isinstance(piece, str):
        return Markup(piece)  # noqa: S704 - cleaned by articles.text
    shown = found.pictures.get(piece)
    return piece.alt if shown is None else picture_of(shown, eyes, piece.alt)


def _wanted(request: Request, actor: Actor) -> Wanted:
    asked = request.query_params
    sorts, periods = {str(one) for one in Sort}, {str(one) for one in Period}
    sort, period, category = asked.get("sort", ""), asked.get("period", ""), asked.get("category", "")
    tag = fold_tag(asked.get("tag", "")[:60])
    return Wanted(
        mask=actor.mask,
        sort=Sort(sort) if sort in sorts else Sort.NEWEST,
        period=Period(period) if period in periods else Period.ALL_TIME,
        category=category if category in {str(one) for one in Category} else None,
        tags=(tag,) if tag else (),
        username=clean_line(asked.get("by", ""))[:25].lstrip("@") or None,
        query=clean_line(asked.get("q", ""))[:100],
    )


def _data(about: Listed, base: str, href: str, image: str | None) -> Markup:
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Article",
        "@id": href,
        "headline": about.title,
        "description": about.summary,
        "datePublished": clock.rfc3339(about.published_at) if about.published_at else None,
        "dateModified": clock.rfc3339(about.updated_at),
        "keywords": list(about.tags),
        "timeRequired": f"PT{about.minutes}M",
    }
    if about.username:
        url = f"{base}/user/{quote(about.username)}"
        data["author"] = {"@type": "Person", "name": about.username, "url": url}
    if image:
        data["image"] = image
    return structured.script(data)


def _item(one: Listed, base: str) -> str:
    href = escape(base + href_of(one))
    tags = "".join(f"<category>{escape(tag)}</category>" for tag in one.tags)
    moment = format_datetime(one.published_at) if one.published_at else ""
    return (
        f"<item><title>{escape(one.title)}</title><link>{href}</link>"
        f'<guid isPermaLink="false">{escape(base)}/articles/{one.id}</guid><pubDate>{moment}</pubDate>'
        f"<dc:creator>{escape(one.username or '')}</dc:creator>{tags}"
        f"<description>{escape(one.summary)}</description></item>"
    )

"""Feeds of pictures as Atom (RFC 4287)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from civitas.domains.catalog.documents import image_path
from civitas.domains.gallery.feeds.cards import ImageFacts
from civitas.faces.web.image_cards import alt_of
from civitas.kit import clock

TYPE: Final = "application/atom+xml; charset=utf-8"
_LEGAL: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535))


def answer(*, base: str, title: str, path: str, own: str, found: Sequence[ImageFacts]) -> Response:
    """The feed of these pictures; `path` is the page that shows the same, `own` this document's address."""
    newest = max((facts.published_at for facts in found), default=clock.now())
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>{_text(title)}</title>",
        f"<id>{_text(base + own)}</id>",
        f"<updated>{clock.rfc3339(newest)}</updated>",
        f'<link rel="self" type="application/atom+xml" href={quoteattr(base + own)}/>',
        f"<link href={quoteattr(base + path)}/>",
        *(_entry(base, facts) for facts in found),
        "</feed>",
    ]
    return Response("\n".join(lines), media_type=TYPE, headers={"Cache-Control": "public, max-age=300"})


def _entry(base: str, facts: ImageFacts) -> str:
    href = f"{base}/images/{facts.id}"
    source = base + image_path(facts.key, facts.name, width=640)
    shown = f'<p><a href="{escape(href)}"><img src="{escape(source)}" alt={quoteattr(alt_of(facts))}></a></p>'
    return (
        f"<entry><title>{_text(alt_of(facts)[:120])}</title><id>{_text(href)}</id><link href={quoteattr(href)}/>"
        f"<published>{clock.rfc3339(facts.published_at)}</published>"
        f"<updated>{clock.rfc3339(facts.published_at)}</updated>"
        f"<author><name>{_text(facts.username)}</name><uri>{_text(f'{base}/user/{facts.username}')}</uri></author>"
        f'<content type="html">{_text(shown)}</content></entry>'
    )


def _text(value: str) -> str:
    """Text for XML: what the format has no way to say is left out."""
    return escape(value.translate(_LEGAL))


@dataclass(frozen=True, slots=True)
class Entry:
    """A thing in a plain feed: its title, its page, who made it, since when it is there."""

    title: str
    path: str
    by: str
    at: datetime


def private(*, base: str, title: str, path: str, own: str, entries: Sequence[Entry]) -> Response:
    """A feed for whoever has its secret address: kept by nobody on the way, found by no search engine."""
    newest = max((one.at for one in entries), default=clock.now())
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<title>{_text(title)}</title>",
        f"<id>{_text(base + own)}</id>",
        f"<updated>{clock.rfc3339(newest)}</updated>",
        f'<link rel="self" type="application/atom+xml" href={quoteattr(base + own)}/>',
        f"<link href={quoteattr(base + path)}/>",
        *(
            f"<entry><title>{_text(one.title)}</title><id>{_text(base + one.path)}</id>"
            f"<link href={quoteattr(base + one.path)}/><updated>{clock.rfc3339(one.at)}</updated>"
            f"<author><name>{_text(one.by or 'Somebody')}</name></author></entry>"
            for one in entries
        ),
        "</feed>",
    ]
    headers = {
        "Cache-Control": "private, max-age=300",
        "X-Robots-Tag": "noindex",
        "Referrer-Policy": "no-referrer",
    }
    return Response("\n".join(lines), media_type=TYPE, headers=headers)

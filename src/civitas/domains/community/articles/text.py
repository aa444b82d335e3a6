"""From what a writer typed to what a reader may be shown: Markdown or HTML, cleaned by an allow-list, in pieces.

Pictures come out as references, never as markup: whoever shows the text asks which of them the viewer may see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import Final

import nh3
from markdown_it import MarkdownIt

from civitas.domains.community.articles.types import MAX_CONTENT, SECONDS_A_PICTURE, WORDS_A_MINUTE
from civitas.kit.text import slug

_TAGS: Final = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "dd", "del", "details", "dfn", "dl"),
    *("dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd"),
    *("li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "strong", "sub", "summary", "sup", "table"),
    *("tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var", "wbr"),
}
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "code": {"class"},
    "img": {"src", "alt"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_LANGUAGE: Final = re.compile(r"language-[A-Za-z0-9_+-]{1,30}")
_IMAGE: Final = re.compile(r'<img((?:\s+[a-z]+="[^"]*")*)\s*/?>')
_SRC: Final = re.compile(r'\ssrc="([^"]*)"')
_ALT: Final = re.compile(r'\salt="([^"]*)"')
_BY_ID: Final = re.compile(r"/images/(\d{1,18})(?:[/?#].*)?")
_BY_KEY: Final = re.compile(r"/img/([0-9a-f-]{36})/.*")
_HEADING: Final = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_MARKUP: Final = re.compile(r"<[^>]*>")
_markdown = MarkdownIt("commonmark", {"html": True, "breaks": False}).enable(["table", "strikethrough"])
DEEPEST_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture that the text names, by its number or by its key, with the writer's words for it."""

    image_id: int | None
    key: str | None
    alt: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the text; `depth` from 1."""

    depth: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A cleaned text: HTML that is safe as it stands, with references to pictures between."""

    pieces: tuple[str | Reference, ...]
    headings: tuple[Heading, ...]
    words: int

    @property
    def references(self) -> tuple[Reference, ...]:
        """The pictures, in the order in which they come."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Reference))

    @property
    def minutes(self) -> int:
        """How long reading takes, at least one minute."""
        seconds = self.words * 60 / WORDS_A_MINUTE + len(self.references) * SECONDS_A_PICTURE
        return max(1, round(seconds / 60))

    @property
    def summary(self) -> str:
        """The first words without markup, for cards and previews of links."""
        plain = plain_of(" ".join(piece for piece in self.pieces if isinstance(piece, str)))
        return plain if len(plain) <= 200 else plain[:197].rsplit(" ", 1)[0] + "…"


@lru_cache(maxsize=256)
def read(source: str) -> Text:
    """Clean a text. Headings begin at h2, below the title; wide tables and code can be scrolled by keyboard."""
    clean = nh3.clean(
        _markdown.render(source[:MAX_CONTENT]),
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
    )
    words = len(plain_of(clean).split())
    marked, headings = _with_anchors(clean)
    framed = (
        marked.replace(
            "<table>", '<div class="table-scroll" role="region" aria-label="Table" tabindex="0"><table>'
        )
        .replace("</table>", "</table></div>")
        .replace("<pre>", '<pre tabindex="0">')
    )
    return Text(_split(framed), headings, words)


def plain_of(html: str) -> str:
    """The words of some HTML in one line."""
    return " ".join(unescape(_MARKUP.sub(" ", html)).split())


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if _LANGUAGE.fullmatch(value) else None
    return value


def _with_anchors(clean: str) -> tuple[str, tuple[Heading, ...]]:
    found = list(_HEADING.finditer(clean))
    top = min((int(match[1]) for match in found), default=1)
    headings: list[Heading] = []
    taken: set[str] = set()

    def place(match: re.Match[str]) -> str:
        depth = min(int(match[1]) - top + 1, 5)
        words = plain_of(match[2])
        if not words:
            return ""
        # Never the id of something of the page itself.
        anchor = base = f"part-{slug(words, fallback='x', limit=48)}"
        number = 2
        while anchor in taken:
            anchor, number = f"{base}-{number}", number + 1
        taken.add(anchor)
        if depth <= DEEPEST_LISTED:
            headings.append(Heading(depth, anchor, words))
        return f'<h{depth + 1} id="{anchor}">{match[2]}</h{depth + 1}>'

    return _HEADING.sub(place, clean), tuple(headings)


def _split(html: str) -> tuple[str | Reference, ...]:
    pieces: list[str | Reference] = []
    at = 0
    for match in _IMAGE.finditer(html):
        pieces.append(html[at : match.start()])
        at = match.end()
        source, alt = _SRC.search(match[1]), _ALT.search(match[1])
        words = unescape(alt[1]) if alt else ""
        pieces.append(_reference(unescape(source[1]) if source else "", words))
    pieces.append(html[at:])
    return tuple(piece for piece in pieces if piece)


def _reference(src: str, alt: str) -> Reference:
    """What is no picture of this site is a reference to nothing: only its words are left."""
    if (by_id := _BY_ID.fullmatch(src)) is not None:
        return Reference(int(by_id[1]), None, alt)
    if (by_key := _BY_KEY.fullmatch(src)) is not None:
        return Reference(None, by_key[1], alt)
    return Reference(None, None, alt)

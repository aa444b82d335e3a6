"""Text that people wrote, made safe to show: Markdown (CommonMark 0.31) with tables, over an allow-list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup

MAX_SOURCE = 100_000

_TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "code", "dd", "del", "details", "dl", "dt", "em", "hr", "i"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s"),
    *("strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "code": {"class"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_LANGUAGE = re.compile(r"language-[A-Za-z0-9_+-]{1,30}")
_HEADING = re.compile(r"<(/?)h([1-6])>")
_MENTION = re.compile(r"(?<![\w@/.])@([A-Za-z0-9_]{3,25})(?![\w@])", re.ASCII)
_markdown = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])


def _attribute(tag: str, name: str, value: str) -> str | None:
    if tag == "code" and name == "class":
        return value if _LANGUAGE.fullmatch(value) else None
    # Nothing is fetched from another host: a foreign picture keeps its alternative text only.
    if tag == "img" and name == "src":
        return value if value.startswith("/") and not value.startswith(("//", "/\\")) else None
    return value


def _link_mentions(state: StateCore) -> None:
    """`@name` in running text becomes a link where the name is one of the environment's `mentions`."""
    names: frozenset[str] = state.env.get("mentions", frozenset())
    for block in state.tokens if names else ():
        if block.type == "inline" and block.children and "@" in block.content:
            block.children = list(_linked(block.children, names))


def _linked(tokens: Sequence[Token], names: frozenset[str]) -> Iterator[Token]:
    inside = 0
    for token in tokens:
        inside += (token.type == "link_open") - (token.type == "link_close")
        if token.type != "text" or inside:
            yield token
            continue
        at = 0
        for found in _MENTION.finditer(token.content):
            if found[1].lower() not in names:
                continue
            yield _text(token.content[at : found.start()])
            yield Token("link_open", "a", 1, attrs={"href": f"/user/{found[1]}"})
            yield _text(found[0])
            yield Token("link_close", "a", -1)
            at = found.end()
        yield _text(token.content[at:])


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


_markdown.core.ruler.push("mentions", _link_mentions)


@lru_cache(maxsize=1024)
def markdown(source: str, mentions: frozenset[str] = frozenset()) -> Markup:
    """HTML of a person's Markdown or HTML, at most `MAX_SOURCE` characters of it.

    `@name` leads to the person where the folded name is one of `mentions`.

    Only an allow-list of tags and attributes survives, links carry `rel="nofollow ugc noopener"`, headings
    start at `h3`, whichever level their author began with, so that they stay below those of the page, and
    pictures of other hosts become their text.
    """
    if len(source) > MAX_SOURCE:
        source = source[:MAX_SOURCE] + " …"
    clean = nh3.clean(
        _markdown.render(source, {"mentions": mentions}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
    )
    down = 3 - min((int(level) for _, level in _HEADING.findall(clean)), default=3)
    shifted = _HEADING.sub(lambda found: f"<{found[1]}h{min(int(found[2]) + down, 6)}>", clean)
    return Markup(shifted)  # noqa: S704 - cleaned above

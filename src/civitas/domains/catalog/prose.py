"""Descriptions as existing clients of the Site API read them: sanitised HTML."""

from __future__ import annotations

from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

MAX_SOURCE = 100_000

_TAGS = {
    *(
        "a",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
    ),
    *("li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead"),
    *("tr", "u", "ul"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
_markdown = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])


@lru_cache(maxsize=1024)
def html(source: str) -> str | None:
    """The HTML of Markdown or HTML, from an allow-list of tags; None for an empty text.

    What exceeds `MAX_SOURCE` characters is cut. Links carry `rel="nofollow ugc noopener"`.
    """
    if not source.strip():
        return None
    return nh3.clean(
        _markdown.render(source[:MAX_SOURCE]),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
    ).strip()

"""A message as HTML: little Markdown, no pictures, no HTML of its writer's."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import nh3
from markdown_it import MarkdownIt

_TAGS: Final = {"a", "blockquote", "br", "code", "em", "li", "ol", "p", "pre", "s", "strong", "ul"}
_BARE: Final = re.compile(r"(?<![\w(<\"'/\]`])(https?://[^\s<>()\[\]`]{4,400})")
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("strikethrough").disable("image")


@lru_cache(maxsize=1024)
def html(content: str) -> str:
    """Cleaned by an allow-list; addresses become links that carry `rel="nofollow ugc noopener"`."""
    linked = content if "`" in content else _BARE.sub(r"<\1>", content)
    return nh3.clean(
        _markdown.render(linked),
        tags=set(_TAGS),
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
    ).strip()

"""What a hostile or careless writer typed, and what readers get."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from civitas.domains.community.articles import text
from civitas.domains.community.articles.text import Reference

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    '<iframe src="https://evil.example"></iframe>',
    '<svg onload="alert(1)"></svg>',
    '<math><mi xlink:href="javascript:alert(1)">x</mi></math>',
    '<div style="position:fixed">x</div>',
    "<style>body{display:none}</style>",
    '<form action="/logout"><button>x</button></form>',
    '<a href="https://x.example" onclick="alert(1)" id="main" target="_blank">x</a>',
    "<p id=main class=dialog data-dialog-open=x hx-get=/logout>x</p>",
    '<object data="x"></object><embed src="x"><base href="https://evil.example">',
    "![x](//evil.example/pixel.gif)",
    "![x](https://evil.example/pixel.gif)",
    '<img src="/images/1" alt="&quot;><script>alert(1)</script>">',
    "`<script>`\n\n    <script>indented</script>",
)


class _Tags(HTMLParser):
    """Every tag with its attributes, as a browser would find them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("source", HOSTILE)
def test_nothing_hostile_survives(source: str) -> None:
    read = text.read(source)
    tags = _Tags()
    tags.feed("".join(piece for piece in read.pieces if isinstance(piece, str)))
    for tag, attributes in tags.found:
        assert tag in {"p", "a", "code", "pre", "ul", "li", "em"}
        assert set(attributes) <= {"href", "title", "rel", "tabindex"}
        assert (attributes.get("href") or "https://x.example").startswith("https://x.example")
    assert all(one.image_id in (None, 1) and one.key is None for one in read.references)


def test_pictures_are_references_by_number_or_key_and_nothing_else() -> None:
    key = "3f2b8c5e-1d2a-4b6c-9e8f-0a1b2c3d4e5f"
    read = text.read(
        f"![A kite](/images/12)\n\n![Same](/images/12/a-kite?x=1)\n\n![By key](/img/{key}/width=450/a.jpeg)\n\n"
        "![Not ours](https://else.example/a.png) ![Not a picture](/account)"
    )
    assert read.references == (
        Reference(12, None, "A kite"),
        Reference(12, None, "Same"),
        Reference(None, key, "By key"),
        Reference(None, None, "Not ours"),
        Reference(None, None, "Not a picture"),
    )


def test_headings_stay_below_the_title_and_get_addresses_of_their_own() -> None:
    read = text.read("# Main\n\n## Main\n\n### Deep *one*\n\n###### Lowest")
    assert [(one.depth, one.anchor, one.text) for one in read.headings] == [
        (1, "part-main", "Main"),
        (2, "part-main-2", "Main"),
        (3, "part-deep-one", "Deep one"),
    ]
    html = "".join(str(piece) for piece in read.pieces)
    assert '<h2 id="part-main">Main</h2>' in html and "<h1" not in html and "<h6" in html


def test_tables_and_code_can_be_scrolled() -> None:
    read = text.read("| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint(1)\n```")
    html = "".join(str(piece) for piece in read.pieces)
    assert 'class="table-scroll"' in html and '<pre tabindex="0"><code class="language-python">' in html


def test_reading_takes_at_least_a_minute_and_grows_with_words_and_pictures() -> None:
    assert text.read("word").minutes == 1
    assert text.read("word " * 2200).minutes == 10
    assert text.read("![x](/images/1)\n\n" * 30).minutes == 5


def test_a_summary_has_words_only() -> None:
    assert (
        text.read("# Light\n\nIt **bends** <b>here</b> &amp; there").summary == "Light It bends here & there"
    )
    assert len(text.read("word " * 500).summary) <= 200

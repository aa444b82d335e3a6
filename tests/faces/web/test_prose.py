from __future__ import annotations

import time

import pytest

from civitas.faces.web.prose import MAX_SOURCE, markdown


def test_ordinary_markdown() -> None:
    html = markdown("# Title\n\nSome **bold** text\nand a line\n\n- one\n- two")
    assert "<h3>Title</h3>" in html
    assert "<strong>bold</strong> text<br" in html
    assert html.count("<li>") == 2


def test_tables_and_code() -> None:
    html = markdown("| a | b |\n| - | - |\n| 1 | 2 |\n\n```json\n{}\n```")
    assert "<th>a</th>" in html
    assert '<code class="language-json">' in html


def test_links_are_marked() -> None:
    html = markdown("[out](https://example.org/x)")
    assert '<a href="https://example.org/x" rel="nofollow ugc noopener">out</a>' in html


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
        "<p style='position:fixed'>x</p>",
        "<iframe src=//example.org></iframe>",
        "<form action=/logout><button>x</button></form>",
        "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
        '![x](/a" onload="alert(1))',
        "<h1 onclick=alert(1)>x</h1>",
        '<code class="language-x onload">x</code>',
    ],
)
def test_hostile_input_does_nothing(source: str) -> None:
    html = markdown(source).lower()
    for bad in (
        "<script",
        "<svg",
        "<iframe",
        "<form",
        "<button",
        "<math",
        "style=",
        '="javascript:',
        'class="',
    ):
        assert bad not in html
    assert not any(f" {name}=" in html.replace("&quot;", "") for name in ("onerror", "onclick"))


def test_pictures_of_other_hosts_become_their_text() -> None:
    html = markdown("![a cat](https://example.org/cat.png) ![b](//example.org/b.png) ![c](/images/3)")
    assert "example.org" not in html
    assert 'alt="a cat"' in html
    assert '<img src="/images/3" alt="c">' in html


def test_headings_stay_below_those_of_the_page() -> None:
    assert "<h3>a</h3><h6>b</h6>" in markdown("<h1>a</h1><h6>b</h6>")
    assert markdown("## a\n\n### b") == "<h3>a</h3>\n<h4>b</h4>\n"
    assert markdown("###### a") == "<h3>a</h3>\n"


@pytest.mark.parametrize("piece", ["[", "*a ", ">", "`a", "<a", "[a](", "**a*", "|a"])
def test_slow_input_is_bounded(piece: str) -> None:
    began = time.process_time()
    html = markdown(piece * (3 * MAX_SOURCE // len(piece)))
    assert time.process_time() - began < 8
    assert len(html) < 20 * MAX_SOURCE

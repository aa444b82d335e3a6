from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from civitas.faces.web import formats
from civitas.faces.web.props import ModelCard, Picture, type_name, type_pigment
from civitas.kit import clock

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1K"),
        (1049, "1K"),
        (12_345, "12.3K"),
        (99_999, "99.9K"),
        (128_400, "128K"),
        (999_999, "999K"),
        (1_204_000, "1.2M"),
        (7_000_000_000, "7B"),
        (-1500, "-1.5K"),
        (0.75, "0.8"),
    ],
)
def test_short(value: float, text: str) -> None:
    assert formats.short(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KB"),
        (228_463_616, "218 MB"),
        (6_938_078_334, "6.46 GB"),
        (2**41, "2 TB"),
    ],
)
def test_bytes(count: int, text: str) -> None:
    assert formats.size(count) == text


@pytest.mark.parametrize(
    ("away", "text"),
    [
        (timedelta(seconds=-20), "just now"),
        (timedelta(seconds=50), "50 seconds ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(days=13), "1 week ago"),
        (timedelta(days=40), "1 month ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(hours=-2), "in 2 hours"),
    ],
)
def test_relative(away: timedelta, text: str) -> None:
    with clock.held_at(NOON):
        assert formats.relative(NOON - away) == text


def test_ago_carries_the_exact_moment() -> None:
    with clock.held_at(NOON):
        html = formats.ago(NOON - timedelta(days=2))
    exact, long = "2026-03-03T12:00:00.000Z", "3 March 2026, 12:00 UTC"
    assert html == f'<time datetime="{exact}" title="{long}">2 days ago</time>'


def test_plural() -> None:
    assert formats.plural(1, "file") == "1 file"
    assert formats.plural(1204, "file") == "1,204 files"
    assert formats.plural(2, "entry", "entries") == "2 entries"


def test_the_colour_of_a_blurhash_is_its_average() -> None:
    # 0 in all four digits is black; ~ is 82, so "TSUA" style digits are exercised by the white of FFFFFF.
    assert formats.hash_colour("L00000fQfQfQfQfQfQfQfQfQfQfQ") == "#000000"
    assert formats.hash_colour("00TSUA") == "#ffffff"
    for bad in (None, "", "00~~~~", "L0é000", "abc"):
        assert formats.hash_colour(bad) is None
    assert Picture("/x.webp", 10, 10).colour.startswith("#")


def test_pigments_are_stable_and_ignore_case() -> None:
    assert formats.pigment("Mira") == formats.pigment("mira")
    assert {formats.pigment(f"name{n}") for n in range(200)} == set(range(8))


def test_every_type_has_a_name_and_a_pigment() -> None:
    assert type_name("LORA") == "LoRA"
    assert type_name("Checkpoint") == "Checkpoint"
    assert type_pigment("LORA") == "vermilion"
    assert type_pigment("Something new") == "slate"
    assert ModelCard(1, "A", "/models/1", "LORA").stats == ()

"""Numbers of rows as people and programs write them."""

from __future__ import annotations

import pytest

from civitas.kit.ids import row_id, row_ids


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)],
)
def test_digits_are_a_number(text: str, number: int) -> None:
    assert row_id(text) == number


@pytest.mark.parametrize("text", ["", " 7", "-7", "+7", "7.0", "1e3", "0x7", "٣", "²", "1_000", "9" * 19])
def test_anything_else_is_none(text: str) -> None:
    assert row_id(text) is None


def test_of_many_those_that_are_numbers_stay_in_their_order() -> None:
    assert row_ids(["3", "x", "1", "", "3"]) == [3, 1, 3]
    assert row_ids([]) == []

from __future__ import annotations

from pathlib import Path

import pytest

from civitas.domains.catalog import base_models, licences
from civitas.domains.catalog.licences import Commercial, Permissions, Tier
from civitas.kit.errors import Invalid

ALL = [
    Permissions(credit, (use,), derivatives, licence)
    for credit in (True, False)
    for use in Commercial
    for derivatives in (True, False)
    for licence in (True, False)
]


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ([], ["None"]),
        (["None"], ["None"]),
        (["Image"], ["Image"]),
        (["Rent", "None"], ["Image", "RentCivit", "Rent"]),
        (["Sell"], ["Image", "RentCivit", "Rent", "Sell"]),
    ],
)
def test_uses_imply_the_lesser_ones(given: list[str], complete: list[str]) -> None:
    assert list(licences.implied(given)) == complete


def test_an_unknown_use_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        licences.implied(["Lease"])
    assert caught.value.code == "bad_commercial_use"


def test_tiers_and_flags_agree_both_ways() -> None:
    for tier in (Tier.OPEN, Tier.CREATOR, Tier.RESTRICTED):
        assert licences.tier_of(licences.permissions_of(tier)) is tier
    assert licences.tier_of(Permissions(commercial=(Commercial.RENT,))) is Tier.CUSTOM
    assert not licences.permissions_of(Tier.RESTRICTED).allows(Commercial.IMAGE)
    with pytest.raises(Invalid):
        licences.permissions_of(Tier.CUSTOM)


def test_short_ids_are_distinct_and_read_back() -> None:
    assert len({licences.short_id(flags) for flags in ALL}) == len(ALL)
    assert [licences.from_short_id(licences.short_id(flags)) for flags in ALL] == ALL
    assert licences.short_id(Permissions(False, (Commercial.RENT,), False, False)) == "by-rent-nd-sa"
    with pytest.raises(Invalid):
        licences.from_short_id("by-anything")


def test_the_explanation_says_yes_and_no() -> None:
    lines = licences.explain(Permissions(False, (Commercial.IMAGE,), True, False))
    assert [(line.flag, line.allowed) for line in lines] == [
        ("allowNoCredit", False),
        ("allowCommercialUse", True),
        ("allowCommercialUse", False),
        ("allowCommercialUse", False),
        ("allowCommercialUse", False),
        ("allowDerivatives", True),
        ("allowDifferentLicense", False),
    ]
    assert all(line.text.startswith("You may not ") != line.allowed for line in lines)


def test_a_non_commercial_base_takes_commerce_away() -> None:
    ideogram = base_models.packaged().get("Ideogram 4.0").licence
    left = licences.effective(Permissions(), ideogram)
    assert left.permissions.commercial == (Commercial.NONE,)
    assert left.permissions.allow_derivatives
    assert not left.may_monetise
    assert left.forbidden_levels == 28
    assert len(left.reasons) == 2


def test_a_plain_base_takes_nothing_away() -> None:
    licence = base_models.packaged().get("SD 1.5").licence
    for flags in ALL:
        assert licences.effective(flags, licence) == licences.effective(flags, None)


@pytest.mark.parametrize(
    "text",
    [
        "licence = 5",
        '[[licence]]\nid = "x"',
        '[[licence]]\nid = "X Y"\nname = "a"',
        '[[licence]]\nid = "x"\nname = "a"\nforbidden_levels = 99',
        '[[licence]]\nid = "x"\nname = "a"\nurl = "javascript:1"',
        "not toml",
    ],
)
def test_a_wrong_data_file_is_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "more.toml"
    path.write_text(text)
    with pytest.raises(Invalid) as caught:
        licences.load(path)
    assert caught.value.code == "bad_data_file"


def test_a_missing_data_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        licences.load(tmp_path / "nothing.toml")

"""Prompts are judged by their words, however they are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.domains.studio import prompt_rules
from civitas.domains.studio.prompt_audit import Auditor, Category, Weight, ages
from civitas.domains.studio.prompt_words import readings, words
from civitas.kit.errors import Invalid

AUDITOR = Auditor(prompt_rules.packaged())


def categories(prompt: str, **options: bool) -> set[Category]:
    return {finding.category for finding in AUDITOR.audit(prompt, **options).findings}


@pytest.mark.parametrize(
    "prompt",
    [
        "a child, nude",
        "naked little girl",
        "n u d e, c.h.i.l.d",
        "nude ch1ld",
        "(nude:1.3), (child:0.8)",
        "16 yo, topless",
        "16yo girl in lingerie",
        "a fifteen years old in a bikini, sexy",
        "n@ked t0ddler",
        "NAKED CHILDREN",
        "n\u00fade ch\u00edld",
        "sexy schoolgirls",
        "chiiiild, nuuuude",
    ],
)
def test_a_minor_in_a_sexual_context_is_refused_however_it_is_written(prompt: str) -> None:
    audit = AUDITOR.audit(prompt)
    assert [finding.category for finding in audit.hard] == [Category.INAPPROPRIATE_MINOR]
    assert audit.hard[0].words


@pytest.mark.parametrize(
    "prompt",
    [
        "a red circle above a blue square, night sky",
        "naked mole rat in a burrow, baby blue wall",
        "a peacock, butterfly, cocktail on a table",
        "middlesex village, classic car, grass, assassin, button",
        "Moby Dick, oil painting",
        "25 years old woman, portrait",
        "a sonata in a minor key",
        "<lora:child_style:0.8> mountain",
        "30 children's books",
    ],
)
def test_innocent_prompts_are_not_refused(prompt: str) -> None:
    assert AUDITOR.audit(prompt).hard == ()
    assert AUDITOR.audit(prompt).soft == ()


def test_a_child_alone_makes_the_result_safe_and_nothing_else() -> None:
    audit = AUDITOR.audit("a child flying a kite")
    assert audit.safe_only
    assert [(one.category, one.weight) for one in audit.findings] == [(Category.MINOR_AGE, Weight.SAFE_ONLY)]
    assert "\u201cchild\u201d" in audit.findings[0].told()


def test_the_negative_prompt_may_name_what_shall_not_be_seen() -> None:
    assert AUDITOR.audit("a castle", "child, nude").findings == ()


def test_profanity_is_minded_on_the_safe_site_only_and_softly() -> None:
    assert categories("a fucking great castle") == set()
    audit = AUDITOR.audit("a fucking great castle", safe_site=True)
    assert [finding.category for finding in audit.soft] == [Category.PROFANITY]


def test_words_that_are_harmful_only_together() -> None:
    assert categories("a bomb crater, grey sky") == set()
    assert categories("how to make a pipe bomb, infographic") == {Category.HARMFUL_COMBO}


def test_what_was_cleared_for_a_person_is_not_found() -> None:
    assert AUDITOR.audit("scat cat band").hard
    assert AUDITOR.audit("scat cat band", allowed=["scat cat"]).findings == ()


def test_a_prompt_too_long_to_check_is_refused_but_not_counted() -> None:
    audit = AUDITOR.audit("x" * 20_001)
    assert [finding.category for finding in audit.soft] == [Category.TOO_LONG]
    assert audit.hard == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("16 yo", ("16 yo",)),
        ("aged 9", ("9",)),
        ("17yo", ("17yo",)),
        ("18 years old", ()),
        ("5 cats", ()),
        ("2 years later", ()),
    ],
)
def test_ages(text: str, found: tuple[str, ...]) -> None:
    assert ages(words(text)) == found


def test_an_operator_adds_and_takes_away(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('persons = ["Jane Q Example"]\nforbidden = ["-vore", "zeppelin*"]\n', encoding="utf-8")
    rules = prompt_rules.load(file)
    auditor = Auditor(rules)
    assert auditor.audit("zeppelins over town").hard
    assert not auditor.audit("vore").findings
    assert auditor.audit("jane q. example, nude").hard[0].category is Category.INAPPROPRIATE_PERSON
    assert auditor.audit("Jane Q Example reading").safe_only


def test_a_broken_file_names_itself(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("minors = 5", encoding="utf-8")
    with pytest.raises(Invalid, match=r"rules\.toml"):
        prompt_rules.load(file)


@given(st.text(max_size=400))
def test_any_text_is_read_and_never_raises(text: str) -> None:
    AUDITOR.audit(text, safe_site=True)
    assert readings(text)


@pytest.mark.parametrize("piece", ["a ", "a.", "(", "<lora:", "1 yo ", "@", "a-b-"])
def test_the_longest_hostile_prompt_is_read(piece: str) -> None:
    AUDITOR.audit((piece * 20_000)[:20_000])

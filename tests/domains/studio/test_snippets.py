"""Snippets: names in prompts, and the sets behind them."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.domains.accounts.types import SYSTEM_ID, Role
from civitas.domains.studio import snippets
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

SETS = {"colour": ["red", "blue"], "shape": ["circle", "square", "star"], "thing": ["a #colour #shape"]}


def test_batch_goes_through_every_combination_the_last_name_fastest() -> None:
    made = snippets.expand("a #colour #shape", SETS, mode="batch", most=10)
    assert made.prompts == (
        "a red circle",
        "a red square",
        "a red star",
        "a blue circle",
        "a blue square",
        "a blue star",
    )
    assert not made.cut


def test_batch_stops_where_it_is_told_and_says_so() -> None:
    made = snippets.expand("#shape #shape #shape", SETS, mode="batch", most=4)
    assert made.prompts == (
        "circle circle circle",
        "circle circle square",
        "circle circle star",
        "circle square circle",
    )
    assert made.cut


def test_random_draws_repeat_with_their_seed() -> None:
    one = snippets.expand("#thing over #thing", SETS, mode="random", most=8, seed=7)
    assert one == snippets.expand("#thing over #thing", SETS, mode="random", most=8, seed=7)
    assert one != snippets.expand("#thing over #thing", SETS, mode="random", most=8, seed=8)
    assert len(set(one.prompts)) > 1
    assert all("#" not in prompt for prompt in one.prompts)


def test_unknown_names_stay_and_are_reported_and_a_hash_can_be_plain() -> None:
    made = snippets.expand(r"#nothing, issue \#colour, C#colour &#39; #Colour", SETS, mode="batch", most=4)
    assert made.unknown == ("nothing",)
    assert made.prompts == (
        "#nothing, issue #colour, C#colour &#39; red",
        "#nothing, issue #colour, C#colour &#39; blue",
    )


@pytest.mark.parametrize("mode", ["batch", "random"])
def test_a_circle_is_refused(mode: snippets.Mode) -> None:
    circle = {"a": ["x #b"], "b": ["y #a"]}
    with pytest.raises(Invalid) as refused:
        snippets.expand("#a", circle, mode=mode, most=3, seed=1)
    assert refused.value.code == "snippets_too_deep"


def test_growth_is_bounded() -> None:
    bomb = {"a": ["#b " * 60], "b": ["#c " * 60], "c": ["word " * 90]}
    with pytest.raises(Invalid) as refused:
        snippets.expand("#a", bomb, mode="random", most=1, seed=1)
    assert refused.value.code == "prompt_too_long"


async def test_own_sets_hide_everybodys_of_the_same_name(session: AsyncSession) -> None:
    person = actor_for(await make_person(session))
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    shared = await snippets.save(session, staff, name="Colour", entries=["grey"], for_everybody=True)
    assert shared.person_id == SYSTEM_ID
    await snippets.save(session, staff, name="light", entries=["noon"], for_everybody=True)
    await snippets.save(session, person, name="#colour", entries=[" red ", "", "red", "green"])
    assert await snippets.available(session, person) == {"colour": ["red", "green"], "light": ["noon"]}
    await snippets.save(session, person, name="colour", entries=["violet"])
    assert [(one.name, one.entries) for one in await snippets.own(session, person)] == [
        ("colour", ["violet"])
    ]
    await snippets.remove(session, person, name="colour")
    assert (await snippets.available(session, person, ["colour"])) == {"colour": ["grey"]}
    with pytest.raises(NotFound):
        await snippets.remove(session, person, name="colour")


async def test_bad_sets_are_refused(session: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
    person = actor_for(await make_person(session))
    for name in ("", "1a", "a b", "x" * 41):
        with pytest.raises(Invalid):
            await snippets.save(session, person, name=name, entries=["a"])
    for entries in ([], ["  "], ["x" * 501], [str(number) for number in range(1001)]):
        with pytest.raises(Invalid):
            await snippets.save(session, person, name="a", entries=entries)
    with pytest.raises(Forbidden):
        await snippets.save(session, person, name="a", entries=["a"], for_everybody=True)
    monkeypatch.setattr(snippets, "MOST_SETS", 1)
    await snippets.save(session, person, name="a", entries=["a"])
    with pytest.raises(Conflict):
        await snippets.save(session, person, name="b", entries=["a"])

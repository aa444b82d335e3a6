"""Presets and how alike prompts are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.domains.studio import presets, similarity
from civitas.kit.errors import Conflict, Invalid, NotFound


async def test_presets_are_ones_own_and_have_names_of_their_own(session: AsyncSession) -> None:
    person, other = actor_for(await make_person(session)), actor_for(await make_person(session))
    made = await presets.make(
        session, person, name=" Night  scenes ", settings={"steps": 20}, ecosystem="sd1"
    )
    assert made.name == "Night scenes"
    with pytest.raises(Conflict):
        await presets.make(session, person, name="Night scenes", settings={})
    await presets.make(session, other, name="Night scenes", settings={})
    everywhere = await presets.make(session, person, name="Quick", settings={"steps": 8})
    await presets.make(session, person, name="Large", settings={}, ecosystem="sdxl")
    shown = await presets.page(session, person, ecosystem="sd1")
    assert [preset.name for preset in shown.items] == ["Quick", "Night scenes"]
    changed = await presets.change(session, person, preset_id=everywhere.id, settings={"steps": 6})
    assert (changed.name, changed.settings) == ("Quick", {"steps": 6})
    with pytest.raises(NotFound):
        await presets.change(session, other, preset_id=everywhere.id, name="Mine")
    await presets.remove(session, person, preset_id=everywhere.id)
    with pytest.raises(NotFound):
        await presets.remove(session, person, preset_id=everywhere.id)


async def test_pages_of_presets_neither_drop_nor_repeat(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "PAGE", 2)
    person = actor_for(await make_person(session))
    for number in range(5):
        await presets.make(session, person, name=f"p{number}", settings={})
    seen, cursor = [], None
    while True:
        shown = await presets.page(session, person, cursor=cursor)
        seen += [preset.name for preset in shown.items]
        if (cursor := shown.next_cursor) is None:
            break
    assert seen == ["p4", "p3", "p2", "p1", "p0"]


async def test_bad_presets_are_refused(session: AsyncSession) -> None:
    person = actor_for(await make_person(session))
    for name, description, settings in (
        ("", "", {}),
        ("x" * 101, "", {}),
        ("ok", "x" * 501, {}),
        ("ok", "", {"prompt": "x" * 70_000}),
    ):
        with pytest.raises(Invalid):
            await presets.make(session, person, name=name, description=description, settings=settings)


def test_weights_case_and_networks_are_no_difference() -> None:
    assert similarity.similarity("A (red:1.3) circle, <lora:x:1>", "a red circle") == 1
    assert similarity.similarity("", "") == 1
    assert similarity.similarity("a red circle", "seven green frogs") == 0


def test_a_remix_may_change_some_words_and_not_all() -> None:
    source = "a red circle above a blue square, night sky, soft light, detailed"
    assert similarity.is_remix("a red circle above a blue square, night sky, soft light, flat", source)
    assert not similarity.is_remix("a red circle", source)


@given(st.text(max_size=200), st.text(max_size=200))
def test_likeness_is_a_share_and_goes_both_ways(one: str, other: str) -> None:
    likeness = similarity.similarity(one, other)
    assert 0 <= likeness <= 1
    assert likeness == similarity.similarity(other, one)

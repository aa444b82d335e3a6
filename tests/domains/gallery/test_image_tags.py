"""Tags on pictures: the owner's, and how votes let them fall and rise; tools, recipes and pictures that look alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import X
from civitas.domains.gallery import image_recipes, image_tags, tools, twins
from civitas.kit.errors import Fault, Forbidden, Invalid, NotFound


async def shown(session: AsyncSession, image: int) -> dict[str, int]:
    """The tags that are shown, with their scores."""
    found = await image_tags.of_images(session, actor_for(0), [image])
    return {one.name: one.score for one in found[image]}


async def test_a_tag_falls_away_and_returns(session: AsyncSession) -> None:
    ana = await make_person(session)
    voters = [actor_for(await make_person(session)) for _ in range(3)]
    image = await make_image(session, await make_post(session, ana))
    await image_tags.set_tags(session, actor_for(ana), image_id=image, tags=["#Boat", "sea"])
    for voter in voters:
        await image_tags.vote(session, voter, image_id=image, tag="boat", value=-1)
    assert await shown(session, image) == {"sea": 0}
    # Voting the same again counts once.
    assert await image_tags.vote(session, voters[0], image_id=image, tag="Boat", value=-1) == -3
    assert await image_tags.vote(session, voters[0], image_id=image, tag="boat", value=1) == -1
    assert await shown(session, image) == {"sea": 0, "boat": -1}
    await image_tags.set_tags(session, actor_for(ana), image_id=image, tags=["sea"])
    assert await shown(session, image) == {"sea": 0}


async def test_what_people_propose_is_shown_when_enough_agree(session: AsyncSession) -> None:
    image = await make_image(session, await make_post(session))
    voters = [actor_for(await make_person(session)) for _ in range(3)]
    for count, voter in enumerate(voters, 1):
        assert await image_tags.vote(session, voter, image_id=image, tag="kite", value=1) == count
        assert ("kite" in await shown(session, image)) is (count == 3)
    for voter in voters:
        await image_tags.vote(session, voter, image_id=image, tag="kite", value=0)
    with pytest.raises(NotFound):
        await image_tags.vote(session, voters[0], image_id=image, tag="kite", value=-1)


async def test_who_cannot_see_it_cannot_vote(session: AsyncSession) -> None:
    ben = actor_for(await make_person(session))
    draft = await make_image(session, await make_post(session, published=False))
    mature = await make_image(session, await make_post(session), nsfw_level=X)
    for image in (draft, mature, 999_999):
        with pytest.raises(NotFound):
            await image_tags.vote(session, ben, image_id=image, tag="a", value=1)
    image = await make_image(session, await make_post(session))
    for tag, value in (("", 1), ("a", 2)):
        with pytest.raises(Fault):
            await image_tags.vote(session, ben, image_id=image, tag=tag, value=value)


async def test_tools_and_techniques(session: AsyncSession) -> None:
    ana = await make_person(session)
    image = await make_image(session, await make_post(session, ana))
    await tools.set_tools(
        session,
        actor_for(ana),
        image_id=image,
        chosen=[("tool", "comfyui", " with\nnodes "), ("technique", "img2img", None)],
    )
    found = [(one.kind, one.name, one.note) for one in (await tools.of_images(session, [image]))[image]]
    assert found == [("tool", "ComfyUI", "with nodes"), ("technique", "img2img", None)]
    await tools.set_tools(session, actor_for(ana), image_id=image, chosen=[("tool", "Krita", None)])
    assert [one.name for one in (await tools.of_images(session, [image]))[image]] == ["Krita"]
    with pytest.raises(Invalid):
        await tools.set_tools(session, actor_for(ana), image_id=image, chosen=[("tool", "img2img", None)])
    with pytest.raises(Forbidden):
        await tools.set_tools(session, actor_for(await make_person(session)), image_id=image, chosen=[])


def test_an_operator_adds_to_the_list(tmp_path: Path) -> None:
    more = tmp_path / "tools.toml"
    more.write_text('tool = [{ name = "Our Studio", type = "Editor" }]', encoding="utf-8")
    tools.use(more)
    assert "Our Studio" in [one.name for one in tools.offered("tool")]
    more.write_text('tool = [{ name = "x", type = "Nonsense" }]', encoding="utf-8")
    with pytest.raises(Invalid):
        tools.use(more)
    tools.use(None)
    assert "Our Studio" not in [one.name for one in tools.offered("tool")]


async def test_the_same_picture_posted_again_is_told(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    before = await make_post(session, ana, title="Before")
    first = await make_image(session, before, perceptual_hash=-(2**63))
    await make_image(session, await make_post(session, ben), perceptual_hash=-(2**63))
    await make_image(session, before, perceptual_hash=2**63 - 1)
    post = await make_post(session, ana, published=False)
    second = await make_image(session, post, perceptual_hash=-(2**63) + 0b10101)
    await make_image(session, post, perceptual_hash=0b111111 << 40)
    (twin,) = await twins.of_post(session, actor_for(ana), post_id=post)
    assert (twin.image_id, twin.other_id, twin.other_title, twin.distance) == (second, first, "Before", 3)
    with pytest.raises(Fault):
        await twins.of_post(session, actor_for(ben), post_id=post)


async def test_a_recipe_with_its_lineage(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    meta = {"prompt": "a kite", "steps": 20}
    source = await make_image(session, await make_post(session, ana), meta=meta, hide_meta=True)
    remix = await make_image(session, await make_post(session, ben), meta=meta, remix_of_id=source)
    await make_image(session, await make_post(session, ben, published=False), remix_of_id=source)
    theirs = await image_recipes.one(session, actor_for(ben), image_id=source)
    assert (theirs.meta, theirs.parameters, theirs.remix_ids) == (None, None, [remix])
    own = await image_recipes.one(session, actor_for(ana), image_id=source)
    assert own.meta == meta and own.parameters == "a kite\nsteps: 20".replace("steps", "Steps")
    assert (await image_recipes.one(session, actor_for(ana), image_id=remix)).remix_of_id == source

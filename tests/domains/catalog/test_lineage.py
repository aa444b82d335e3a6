"""Parents, merges, forks, and the graph they make."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import Actor, make_actor
from tests.factories.catalog import make_model, make_published_model, make_version, set_status

from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.catalog import ancestry, drafts, forking, lineage, queries, tagging
from civitas.domains.catalog.forms import LineageForm, ModelPatch
from civitas.domains.catalog.tables import Model, ModelVersion, VersionParent
from civitas.infra.db.database import Database
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound


def form(**parts: Any) -> LineageForm:
    return LineageForm.model_validate(parts)


def parents(*ids: int, relation: str = "fine_tuned_from") -> LineageForm:
    return form(derivedFrom=[{"versionId": version_id, "relation": relation} for version_id in ids])


async def _public(session: AsyncSession, actor: Actor, **columns: Any) -> int:
    _, [version_id] = await make_published_model(session, actor.id, **columns)
    return version_id


async def test_parents_are_versions_here_or_airs(session: AsyncSession) -> None:
    actor = await make_actor(session)
    child, parent = await _public(session, actor), await _public(session, actor)
    found = await lineage.describe(
        session,
        actor,
        version_id=child,
        form=form(
            derivedFrom=[
                {"versionId": parent, "relation": "trained_on", "note": "epoch 3"},
                {"air": "urn:air:sdxl:checkpoint:civitai:101@202", "relation": "merged_from"},
            ]
        ),
    )
    assert [(one.version_id, one.relation, one.note) for one in found.parents] == [
        (parent, "trained_on", "epoch 3"),
        (None, "merged_from", None),
    ]
    assert found.parents[1].air == "urn:air:sdxl:checkpoint:civitai:101@202"
    again = await lineage.describe(session, actor, version_id=child, form=form(derivedFrom=[]))
    assert again.parents == ()


@pytest.mark.parametrize(
    "part",
    [
        {"derivedFrom": [{"relation": "trained_on"}]},
        {"derivedFrom": [{"versionId": 1, "air": "x:1", "relation": "trained_on"}]},
        {"derivedFrom": [{"versionId": 1, "relation": "stolen_from"}]},
        {"derivedFrom": [{"versionId": 0, "relation": "trained_on"}]},
        {"derivedFrom": [{"versionId": 1, "relation": "trained_on"}] * 51},
        {"merge": {"steps": []}},
        {"merge": {"steps": [{"type": "sum", "a": {"version": 1}, "b": {}, "multiplier": 0.5}]}},
        {"merge": {"steps": [{"type": "difference", "a": {"name": "x"}, "b": {"name": "y"}, "multiplier": 1}]}},
        {"merge": {"steps": [{"type": "sum", "a": {"name": "x"}, "b": {"name": "y"}, "multiplier": 5.1}]}},
        {"merge": {"steps": [{"type": "sum", "a": {"name": "x"}, "b": {"name": "y"}, "multiplier": "nan"}]}},
        {"merge": {"steps": [{"type": "sum", "a": {"name": "x"}, "b": {"name": "y"}, "c": {"name": "z"},
                              "multiplier": 1}]}},
        {"recommended": [{"versionId": 1, "strength": 1e9}]},
        {"unknown": []},
    ],
)  # fmt: skip
def test_malformed_lineage_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LineageForm.model_validate(part)


async def test_parents_must_be_there_and_visible(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    child = await _public(session, actor)
    hidden = await make_version(session, await make_model(session, other.id))
    mine = await make_version(session, await make_model(session, actor.id))
    for version_id in (2**50, hidden):
        with pytest.raises(Invalid) as caught:
            await lineage.describe(session, actor, version_id=child, form=parents(version_id))
        assert caught.value.code == "parent_not_found"
    await lineage.describe(session, actor, version_id=child, form=parents(mine))
    with pytest.raises(Invalid) as caught:
        await lineage.describe(session, actor, version_id=child, form=parents(child))
    assert caught.value.code == "own_parent"
    with pytest.raises(Invalid) as caught:
        await lineage.describe(session, actor, version_id=child, form=parents(mine, mine))
    assert caught.value.code == "repeated_parent"
    bad = form(derivedFrom=[{"air": "not an air", "relation": "trained_on"}])
    with pytest.raises(Invalid) as caught:
        await lineage.describe(session, actor, version_id=child, form=bad)
    assert caught.value.code == "bad_air"
    with pytest.raises(Forbidden):
        await lineage.describe(session, other, version_id=child, form=parents(mine))


async def test_a_lineage_is_no_circle(session: AsyncSession) -> None:
    actor = await make_actor(session)
    chain = [await _public(session, actor) for _ in range(4)]
    for child, parent in zip(chain[1:], chain[:-1], strict=True):
        await lineage.describe(session, actor, version_id=child, form=parents(parent))
    with pytest.raises(Conflict) as caught:
        await lineage.describe(session, actor, version_id=chain[0], form=parents(chain[3]))
    assert caught.value.code == "lineage_cycle"


async def test_two_edits_cannot_close_a_circle(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        actor = await make_actor(session)
        a, b = await _public(session, actor), await _public(session, actor)

    async def describe(child: int, parent: int) -> Any:
        async with database.unit() as session:
            return await lineage.describe(session, actor, version_id=child, form=parents(parent))

    results = await asyncio.gather(describe(a, b), describe(b, a), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Origins"]
    await database.close()


def step(kind: str, a: Any, b: Any, c: Any = None, multiplier: float = 0.5) -> dict[str, Any]:
    found = {"type": kind, "a": a, "b": b, "multiplier": multiplier}
    return found | ({"c": c} if c else {})


async def test_a_recipe_feeds_its_steps_and_names_its_parents(session: AsyncSession) -> None:
    actor = await make_actor(session)
    child, one, two = [await _public(session, actor) for _ in range(3)]
    recipe = form(
        merge={
            "steps": [
                step("sum", {"version": one}, {"version": two}),
                step(
                    "difference",
                    {"result": 0},
                    {"air": "urn:air:sdxl:checkpoint:civitai:1@2"},
                    {"name": "a lost model"},
                    1,
                ),
            ]
        }
    )
    found = await lineage.describe(session, actor, version_id=child, form=recipe)
    assert [one_step.kind for one_step in found.merge] == ["sum", "difference"]
    assert found.merge[1].a == {"result": 0}
    assert {(parent.version_id, parent.relation) for parent in found.parents} == {
        (one, "merged_from"),
        (two, "merged_from"),
    }
    kept = await lineage.describe(session, actor, version_id=child, form=parents(one))
    assert {parent.version_id for parent in kept.parents} == {one, two}
    assert len(kept.merge) == 2
    gone = await lineage.describe(session, actor, version_id=child, form=form(merge=None))
    assert ([parent.version_id for parent in gone.parents], gone.merge) == ([one], ())


@pytest.mark.parametrize("result", [0, 1, 99])
async def test_a_step_uses_earlier_results_only(session: AsyncSession, result: int) -> None:
    actor = await make_actor(session)
    child = await _public(session, actor)
    recipe = form(merge={"steps": [step("sum", {"name": "x"}, {"result": result})]})
    with pytest.raises(Invalid) as caught:
        await lineage.describe(session, actor, version_id=child, form=recipe)
    assert caught.value.code == "later_result"


async def test_recommendations_keep_their_order(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    version, one, two = [await _public(session, actor) for _ in range(3)]
    wanted = form(recommended=[{"versionId": two, "strength": 0.7}, {"versionId": one, "note": "VAE"}])
    found = await lineage.describe(session, actor, version_id=version, form=wanted)
    assert [(each.version_id, each.strength, each.note) for each in found.recommended] == [
        (two, 0.7, None),
        (one, None, "VAE"),
    ]
    for wrong in ([version], [one, one], [2**50]):
        with pytest.raises(Invalid):
            await lineage.describe(
                session, actor, version_id=version,
                form=form(recommended=[{"versionId": each} for each in wrong]),
            )  # fmt: skip
    model_id = await session.scalar(select(ModelVersion.model_id).where(ModelVersion.id == two))
    await set_status(session, model_id or 0, "Unpublished")
    told = await queries.version_origins(session, other, version_id=version)
    assert [each.version_id for each in told.recommended] == [one]


async def test_ingredients_others_may_not_see_lose_their_number(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    child = await _public(session, actor)
    secret = await make_version(session, await make_model(session, actor.id))
    recipe = form(merge={"steps": [step("sum", {"version": secret}, {"name": "x"})]})
    await lineage.describe(session, actor, version_id=child, form=recipe)
    told = await queries.version_origins(session, other, version_id=child)
    assert (told.parents, told.merge[0].a) == ((), {"name": "a model that is not public"})


async def test_a_fork_takes_texts_and_says_from_whom(session: AsyncSession) -> None:
    creator, actor = await make_actor(session, "first_creator"), await make_actor(session)
    model_id, [version_id] = await make_published_model(
        session,
        creator.id,
        name="Ink",
        description="How it was made.",
        tags=("ink", "style"),
        allow_commercial_use=["None"],
        version={"trained_words": ["inkwash"], "base_model": "SD 1.5"},
    )
    model = await forking.fork(session, actor, model_id=model_id)
    assert (model.status, model.person_id, model.name) == ("Draft", actor.id, "Ink (fork)")
    assert (model.description, model.forked_from_version_id) == ("How it was made.", version_id)
    assert model.source is not None
    assert model.source["creator"] == "first_creator"
    assert list(await tagging.tags_of(session, model.id)) == ["ink", "style"]
    version = await session.scalar(select(ModelVersion).where(ModelVersion.model_id == model.id))
    assert version is not None
    assert (version.trained_words, version.base_model) == (["inkwash"], "SD 1.5")
    parent = await session.execute(
        select(VersionParent.parent_id, VersionParent.relation).where(VersionParent.version_id == version.id)
    )
    assert parent.one() == (version_id, "forked_from")


async def test_forks_respect_the_licence(session: AsyncSession) -> None:
    creator, actor = await make_actor(session), await make_actor(session)
    closed, _ = await make_published_model(session, creator.id, allow_derivatives=False)
    with pytest.raises(Forbidden) as caught:
        await forking.fork(session, actor, model_id=closed)
    assert caught.value.code == "no_derivatives"
    assert (await forking.fork(session, creator, model_id=closed, name="Mine")).name == "Mine"
    alike, _ = await make_published_model(
        session, creator.id, allow_different_license=False, allow_no_credit=False, license_text="Be kind."
    )
    model = await forking.fork(session, actor, model_id=alike)
    assert (model.allow_no_credit, model.license_text) == (False, "Be kind.")
    with pytest.raises(Forbidden) as refused:
        await drafts.update(
            session, actor, model_id=model.id, patch=ModelPatch.model_validate({"allowNoCredit": True})
        )
    assert refused.value.code == "property_locked"


async def test_what_cannot_be_seen_cannot_be_forked(session: AsyncSession) -> None:
    creator, actor = await make_actor(session), await make_actor(session)
    draft = await make_model(session, creator.id)
    model_id, _ = await make_published_model(session, creator.id)
    hidden = await make_version(session, model_id)
    for kwargs in ({"model_id": draft}, {"model_id": model_id, "version_id": hidden}):
        with pytest.raises(NotFound):
            await forking.fork(session, actor, **kwargs)
    with pytest.raises(Conflict):
        await forking.fork(session, creator, model_id=draft)


async def test_the_graph_reaches_both_ways(session: AsyncSession) -> None:
    actor = await make_actor(session)
    ids = [await _public(session, actor) for _ in range(5)]
    for child, parent in zip(ids[1:], ids[:-1], strict=True):
        await lineage.describe(session, actor, version_id=child, form=parents(parent))
    air = form(derivedFrom=[{"air": "urn:air:sdxl:checkpoint:civitai:1@2", "relation": "trained_on"}])
    await lineage.describe(session, actor, version_id=ids[0], form=air)
    middle = await session.scalar(select(ModelVersion.model_id).where(ModelVersion.id == ids[2]))
    graph = await ancestry.graph(session, ANONYMOUS, model_id=middle or 0)
    places = {node.version_id: node.depth for node in graph.nodes if node.kind == "version"}
    assert places == dict(zip(ids, (-2, -1, 0, 1, 2), strict=True))
    assert [node.air for node in graph.nodes if node.kind == "external"] == [
        "urn:air:sdxl:checkpoint:civitai:1@2"
    ]
    assert (len(graph.edges), graph.roots, graph.truncated) == (5, (f"v{ids[2]}",), False)
    near = await ancestry.graph(session, ANONYMOUS, model_id=middle or 0, depth=1)
    assert near.truncated
    assert {node.version_id for node in near.nodes} == set(ids[1:4])


async def test_the_graph_shows_no_more_than_one_may_see(session: AsyncSession) -> None:
    creator, viewer = await make_actor(session), await make_actor(session)
    top, middle, bottom, draft = [await _public(session, creator) for _ in range(4)]
    for child, parent in ((middle, top), (bottom, middle), (draft, bottom)):
        await lineage.describe(session, creator, version_id=child, form=parents(parent))
    models = dict(
        (
            await session.execute(
                select(ModelVersion.id, ModelVersion.model_id).where(
                    ModelVersion.id.in_([top, middle, bottom, draft])
                )
            )
        ).all()
    )
    await set_status(session, models[middle], "Unpublished")
    await set_status(session, models[draft], "Draft")
    await set_status(session, models[top], "Deleted")
    graph = await ancestry.graph(session, viewer, model_id=models[bottom])
    kinds = {(node.kind, node.version_id) for node in graph.nodes}
    assert kinds == {("tombstone", top), ("hidden", None), ("version", bottom)}
    assert len(graph.edges) == 2
    assert not any(str(middle) in edge.source + edge.target for edge in graph.edges if "h" not in edge.source)
    own = await ancestry.graph(session, creator, model_id=models[bottom])
    assert {node.version_id for node in own.nodes} == {top, middle, bottom, draft}
    with pytest.raises(NotFound):
        await ancestry.graph(session, viewer, model_id=models[middle])


async def test_a_wide_graph_is_cut(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [root] = await make_published_model(session, actor.id)
    for _ in range(6):
        child = await _public(session, actor)
        await lineage.describe(session, actor, version_id=child, form=parents(root))
    graph = await ancestry.graph(session, ANONYMOUS, model_id=model_id, limit=3)
    assert graph.truncated
    assert len(graph.edges) <= 4
    assert (await session.get_one(Model, model_id)).status == "Published"

"""How mature a picture is by what it was asked to be: the words of its prompts, and the models that made it.

Words of `sexual` make it X, of `revealing` R, of `suggestive` PG-13, and without any of them it is PG; a model that its
creator calls mature makes it R at least. What has no words at all is not judged by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.maturity import Making, Ruling, rules_maturity, stricter
from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.studio import blocking

GRAPHS: Final = ("comfy", "customComfy")
# Words that no picture is made of.
SPOKEN: Final = frozenset(
    {
        "chatCompletion", "promptEnhancement", "textToSpeech", "transcription", "echo", "xGuardModeration",
        "shieldstralModeration", "aceStepAudio", "miniMaxMusic3",
    }
)  # fmt: skip
_WORDS: Final = ("prompt", "text")
MOST_TEXTS: Final = 200


def texts_of(step_type: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """What a step's input says that is to be seen: its prompts, and of a graph all texts but those to be kept away from."""
    if step_type in SPOKEN:
        return ()
    found = _of_graph(given) if step_type in GRAPHS else _of_fields(given)
    return tuple(dict.fromkeys(text for text in found if text.strip()))[:MOST_TEXTS]


def _of_fields(given: Any, depth: int = 0) -> Iterator[str]:
    if depth > 8:
        return
    if isinstance(given, Mapping):
        for name, value in given.items():
            if isinstance(value, str) and name in _WORDS:
                yield value
            elif isinstance(value, Mapping | list):
                yield from _of_fields(value, depth + 1)
    elif isinstance(given, list):
        for value in given:
            yield from _of_fields(value, depth + 1)


def _of_graph(given: Mapping[str, Any]) -> Iterator[str]:
    graph = given.get("comfyWorkflow") or given.get("workflow")
    nodes = graph.get("prompt", graph) if isinstance(graph, Mapping) else {}
    inputs = {
        str(number): node.get("inputs") or {}
        for number, node in (nodes.items() if isinstance(nodes, Mapping) else ())
        if isinstance(node, Mapping) and isinstance(node.get("inputs") or {}, Mapping)
    }
    wanted, unwanted = set[str](), set[str]()
    for values in inputs.values():
        for name, value in values.items():
            if isinstance(value, list) and len(value) == 2:
                (unwanted if name == "negative" else wanted).add(str(value[0]))
    for number, values in inputs.items():
        if number in unwanted and number not in wanted:
            continue
        yield from (value for value in values.values() if isinstance(value, str) and " " in value.strip())
        yield from (str(values[name]) for name in _WORDS if isinstance(values.get(name), str))


@rules_maturity
async def by_words_and_models(session: AsyncSession, making: Making) -> Ruling:
    """The rule of this site: the stricter of words and models; blocked when the words are never to be made."""
    texts = texts_of(making.step_type, making.input)
    if not texts:
        return Ruling()
    auditor = blocking.rules()
    for text in texts:
        audit = await blocking.look(session, Actor(id=making.person_id), prompt=text)
        if audit.hard:
            return Ruling(None, " ".join(finding.told() for finding in audit.hard)[:200])
    models = "r" if making.versions and await _mature(session, making) else None
    return Ruling(stricter(models, *(auditor.level(text) for text in texts)))


async def _mature(session: AsyncSession, making: Making) -> bool:
    found = await session.scalar(
        select(Model.id)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(
            ModelVersion.id.in_(making.versions),
            or_(Model.nsfw, (Model.nsfw_level != 0) & (Model.nsfw_level.op("&")(SAFE_MASK) == 0)),
        )
        .limit(1)
    )
    return found is not None

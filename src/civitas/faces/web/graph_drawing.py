"""A ComfyUI graph as boxes in columns, from what a file says: bounded in everything, whatever is in it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MOST_NODES: Final = 300
MOST_ROWS: Final = 8
LONGEST: Final = 30
WIDE: Final = 232
ACROSS: Final = 300
HEAD: Final = 30
ROW: Final = 20
GAP: Final = 22


@dataclass(frozen=True, slots=True)
class Box:
    """One node: where it stands, what it is and what is set in it."""

    x: int
    y: int
    height: int
    title: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole graph; `lines` are paths, `left_out` counts nodes beyond the most that are drawn."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Node:
    title: str
    rows: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]


def draw(comfy: Mapping[str, Any]) -> Drawing | None:
    """What a recipe's graph looks like: of the API's form, else of the editor's; None where neither can be read."""
    nodes = dict(_of_api(comfy.get("prompt"))) or dict(_of_editor(comfy.get("workflow")))
    if not nodes:
        return None
    kept = dict(list(nodes.items())[:MOST_NODES])
    columns = _columns(kept)
    boxes: dict[str, Box] = {}
    heights: dict[int, int] = {}
    for name, node in kept.items():
        column = columns[name]
        height = HEAD + ROW * len(node.rows) + (8 if node.rows else 0)
        top = heights.get(column, GAP)
        boxes[name] = Box(GAP + column * ACROSS, top, height, node.title, node.rows)
        heights[column] = top + height + GAP
    lines = [
        _line(boxes[source], boxes[name])
        for name, node in kept.items()
        for source in node.sources
        if source in boxes and source != name
    ]
    width = 2 * GAP + max(columns.values()) * ACROSS + WIDE
    return Drawing(width, max(heights.values()), tuple(boxes.values()), tuple(lines), len(nodes) - len(kept))


def _of_api(prompt: Any) -> Iterator[tuple[str, _Node]]:
    for name, node in prompt.items() if isinstance(prompt, Mapping) else ():
        if not isinstance(node, Mapping) or not isinstance(node.get("class_type"), str):
            continue
        inputs = node.get("inputs")
        given = list(inputs.items())[:64] if isinstance(inputs, Mapping) else []
        sources = tuple(str(value[0]) for _, value in given if _is_link(value))
        rows = [_row(key, value) for key, value in given if not _is_link(value)]
        meta = node.get("_meta")
        title = meta.get("title") if isinstance(meta, Mapping) else None
        yield str(name), _Node(_short(title or node["class_type"]), tuple(rows[:MOST_ROWS]), sources)


def _of_editor(workflow: Any) -> Iterator[tuple[str, _Node]]:
    nodes = workflow.get("nodes") if isinstance(workflow, Mapping) else None
    links = workflow.get("links") if isinstance(workflow, Mapping) else None
    sources: dict[str, list[str]] = {}
    for link in links if isinstance(links, list) else ():
        if isinstance(link, list) and len(link) >= 4:
            sources.setdefault(str(link[3]), []).append(str(link[1]))
    for node in nodes if isinstance(nodes, list) else ():
        if not isinstance(node, Mapping) or not isinstance(node.get("type"), str):
            continue
        rows = [_row("", one) for one in _listed(node.get("widgets_values"))[:MOST_ROWS]]
        name = str(node.get("id"))
        yield (
            name,
            _Node(_short(node.get("title") or node["type"]), tuple(rows), tuple(sources.get(name, ())[:64])),
        )


def _listed(values: Any) -> list[Any]:
    if isinstance(values, Mapping):
        return list(values.values())
    return values if isinstance(values, list) else []


def _is_link(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def _short(value: Any, most: int = LONGEST) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)[:200]).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _row(name: Any, value: Any) -> tuple[str, str]:
    """A setting in one line of the box."""
    label = _short(name, LONGEST // 2)
    if isinstance(value, float) and math.isfinite(value):
        value = f"{value:g}"
    known = isinstance(value, str | int | float | bool)
    return label, _short(value, LONGEST + 4 - len(label)) if known else "…"


def _columns(nodes: Mapping[str, _Node]) -> dict[str, int]:
    """How many steps each is behind what it begins from; what goes round in a circle stays where it was met."""
    found: dict[str, int] = {}
    for start in nodes:
        way: list[str] = [start]
        within = {start}
        while way:
            name = way[-1]
            waiting = next(
                (
                    one
                    for one in nodes[name].sources
                    if one in nodes and one not in found and one not in within
                ),
                None,
            )
            if waiting is not None:
                way.append(waiting)
                within.add(waiting)
                continue
            before: Sequence[int] = [found[one] for one in nodes[name].sources if one in found]
            found.setdefault(name, max(before, default=-1) + 1)
            way.pop()
    return found


def _line(source: Box, target: Box) -> str:
    x1, y1 = source.x + WIDE, source.y + HEAD // 2
    x2, y2 = target.x, target.y + HEAD // 2
    bend = max(40, abs(x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"

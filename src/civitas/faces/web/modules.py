"""Several ES modules as one: a phone on a slow line waits once instead of twenty times.

Each module becomes a function that is called at once and gives what it exported, in the order in which a browser would have
run them. What they import and export stands at the beginning of a line, by name; nothing else of the language is read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Final

_IMPORT: Final = re.compile(
    r"""^import\s+(?:\{([^}]*)\}\s*from\s+)?["'](\.[^"']+)["'];?[ \t]*$""", re.MULTILINE
)
_EXPORT: Final = re.compile(r"^export\s+((?:async\s+)?(?:function\*?|class|const)\s+([\w$]+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_NOTE: Final = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)


def join(files: Mapping[str, str], entry: str) -> tuple[str, frozenset[str]]:
    """The module `entry` and all that it imports as one that exports everything, and the names of what is in it.

    Raises ValueError for two exports of one name, a circle of imports, and forms of either that are not read.
    """
    order: list[str] = []
    _visit(files, entry, order, ())
    places = {name: f"m{place}" for place, name in enumerate(order)}
    owners: dict[str, str] = {}
    parts = []
    for name in order:
        body, exported = _body(name, files[name], places)
        for one in exported:
            if one in owners:
                raise ValueError(f"{owners[one]} and {name} both export {one}")
            owners[one] = name
        parts.append(f"const {places[name]} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n")
    for one, name in owners.items():
        parts.append(f"const {places[name]}_{one} = {places[name]}.{one};\n")
    named = ", ".join(f"{places[name]}_{one} as {one}" for one, name in owners.items())
    return "".join([*parts, f"export {{ {named} }};\n"]), frozenset(order)


def redirected(name: str, text: str, inside: Collection[str], whole: str) -> str:
    """The module `name`, importing from `whole` what it would import from one of those `inside` it."""

    def turned(found: re.Match[str]) -> str:
        if _resolved(name, found[2]) not in inside:
            return found[0]
        target = posixpath.relpath(whole, posixpath.dirname(name))
        names = f"{{{found[1]}}} from " if found[1] is not None else ""
        return f'import {names}"./{target}";'

    return _IMPORT.sub(turned, text)


def _resolved(name: str, given: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), given))


def _visit(files: Mapping[str, str], name: str, order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"{name} imports itself, through {', '.join(above)}")
    if name in order:
        return
    if name not in files:
        raise ValueError(f"{above[-1] if above else 'nothing'} imports {name}, which is not there")
    for found in _IMPORT.finditer(files[name]):
        _visit(files, _resolved(name, found[2]), order, (*above, name))
    order.append(name)


def _body(name: str, text: str, places: Mapping[str, str]) -> tuple[str, list[str]]:
    def taken(found: re.Match[str]) -> str:
        if found[1] is None:
            return ""
        names = re.sub(r"\s+as\s+", ": ", found[1].strip())
        return f"const {{ {names} }} = {places[_resolved(name, found[2])]};"

    exported = [found[2] for found in _EXPORT.finditer(text)]
    body = _NOTE.sub("", _EXPORT.sub(r"\1", _IMPORT.sub(taken, text)))
    if (strange := _OTHER.search(body)) is not None:
        raise ValueError(f"{name}: {strange[0]}")
    return body, exported

"""Which names a pickle may import.

The list of harmless names is what counts: whatever is not on it is at least suspicious. The list of dangerous names
only makes the warning louder. Both are in `globals.toml`.
"""

from __future__ import annotations

import _compat_pickle
import tomllib
from importlib import resources
from typing import Final

from civitas.infra.scanners.report import Verdict

_DATA: Final = tomllib.loads(
    resources.files("civitas.infra.scanners.inspection").joinpath("globals.toml").read_text(encoding="utf-8")
)
HARMLESS: Final = frozenset(
    f"{module}.{name}" for module, names in _DATA["harmless"].items() for name in names
)
_BELOW: Final = frozenset(_DATA["dangerous"]["below"])
_DANGEROUS: Final = frozenset(_DATA["dangerous"]["names"])
COMPUTED = "(computed while loading)"


def judge(module: str, name: str, allowed: frozenset[str]) -> Verdict:
    """Judge `module.name`; `allowed` are full names that the operator trusts beyond ours.

    Names of Python 2 are judged by what Python 3 makes of them, unless they are bad as they are.
    """
    modern_module, modern_name = _modern(module, name)
    judged = [_judge_one(module, name, allowed)]
    if (modern_module, modern_name) != (module, name):
        modern = _judge_one(modern_module, modern_name, allowed)
        # A Python 2 name is nowhere on the lists itself: only what it means counts, if that is known.
        return Verdict.DANGEROUS if Verdict.DANGEROUS in (modern, judged[0]) else modern
    return judged[0]


def _modern(module: str, name: str) -> tuple[str, str]:
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def _judge_one(module: str, name: str, allowed: frozenset[str]) -> Verdict:
    full = f"{module}.{name}"
    if full in HARMLESS or full in allowed:
        return Verdict.CLEAN
    steps = full.split(".")
    prefixes = {".".join(steps[:count]) for count in range(1, len(steps) + 1)}
    # Protocol 4 walks dots in the name: OrderedDict.__init__.__globals__ reaches everything.
    if full in _DANGEROUS or prefixes & _BELOW or COMPUTED in full or "__" in name:
        return Verdict.DANGEROUS
    return Verdict.SUSPICIOUS

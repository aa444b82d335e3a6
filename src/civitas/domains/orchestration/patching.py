"""JSON Patch (RFC 6902) on what may be changed of a workflow or a step; nothing else can be reached by it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jsonpatch
import orjson
from jsonpointer import JsonPointerException

from civitas.kit.errors import Conflict, Invalid

MOST_OPERATIONS: Final = 100
LARGEST: Final = 2 << 20
_POINTERS: Final = ("path", "from")


def patched(document: Mapping[str, Any], operations: Sequence[Any]) -> dict[str, Any]:
    """The document after the operations, all of them or none.

    Raises Invalid (`bad_patch`) with the place of the operation that cannot be applied, Conflict (`patch_test_failed`)
    for a `test` that does not hold.
    """
    if len(operations) > MOST_OPERATIONS:
        raise _bad("", f"a patch has at most {MOST_OPERATIONS} operations")
    found: dict[str, Any] = copy.deepcopy(dict(document))
    for place, operation in enumerate(operations):
        where = f"[{place}]"
        if not isinstance(operation, dict):
            raise _bad(where, "an operation is an object with op and path")
        _reach(where, operation, document)
        try:
            made: Any = jsonpatch.JsonPatch([operation]).apply(found, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise Conflict(
                f"The test at {where} does not hold; nothing was changed.", code="patch_test_failed"
            ) from None
        except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, KeyError, ValueError) as error:
            raise _bad(where, str(error)[:200]) from None
        # After every one: copying into itself doubles what there is.
        if not isinstance(made, dict) or len(orjson.dumps(made)) > LARGEST:
            raise _bad(where, f"it would make more than {LARGEST >> 20} MiB")
        found = made
    return found


def _reach(where: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    for name in _POINTERS:
        pointer = operation.get(name)
        if name in operation and (
            not isinstance(pointer, str) or pointer.lstrip("/").split("/")[0] not in document
        ):
            allowed = ", ".join(f"/{field}" for field in document)
            raise _bad(f"{where}.{name}", f"only {allowed} can be changed")


def _bad(where: str, why: str) -> Invalid:
    return Invalid(
        f"This patch cannot be applied: {why}. Nothing was changed.",
        code="bad_patch",
        fields={where or "patch": why},
    )

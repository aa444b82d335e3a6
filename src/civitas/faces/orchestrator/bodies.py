"""Bodies of JSON: of a media type that says so, bounded, and looked at before anything is done with them."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import Request

from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.schemas.bounds import bounded
from civitas.domains.orchestration.schemas.checking import Checked
from civitas.kit.errors import Fault, Invalid

JSON: Final = ("application/json", "text/json")
PATCH: Final = "application/json-patch+json"


class UnsupportedMedia(Fault):
    """The body is of a type that nobody reads here."""

    code = "unsupported_media_type"

    @property
    def status(self) -> int:
        return 415


async def json_of(request: Request) -> Any:
    """The body as JSON. Raises UnsupportedMedia, TooLarge, Invalid."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMedia(f"Send JSON (application/json), not {kind[:100]}.")
    raw = await request.body()
    if not raw:
        raise Invalid("Send a body of JSON.", code="no_body", fields={"$": "A body is required."})
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        # The decoder also gives up on what is nested too deep.
        told = f"This is not JSON that can be read: {error}"
        raise Invalid(told[:300], code="bad_json", fields={"$": told[:300]}) from None
    bounded(value)
    return value


def checked(found: Checked) -> Any:
    """The value that was checked. Raises Invalid with what is wrong by path."""
    if found.problems:
        where, told = next(iter(found.problems.items()))
        more = f" ({len(found.problems)} fields are not valid)" if len(found.problems) > 1 else ""
        raise Invalid(f"{where}: {told}{more}", code="validation_failed", fields=found.problems)
    return found.value


async def body_of(request: Request, schema: str) -> Any:
    """The body held against a published schema, with defaults. Raises as the two above do."""
    return checked(checking.body(schema, await json_of(request)))

"""What all bodies of the API share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Body(BaseModel):
    """A request body: camelCase names, unknown ones refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", str_max_length=200_000
    )


class Answer(BaseModel):
    """A response body: camelCase names, built from attributes."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


def camel_keys(value: Any) -> Any:
    """JSON-ready data of ours with its snake_case keys in camelCase; keys that are no identifiers stay."""
    if isinstance(value, dict):
        return {to_camel(key) if "_" in key else key: camel_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [camel_keys(inner) for inner in value]
    return value

"""What all messages between orchestrator and agents have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

PROTOCOL = 1


class Message(BaseModel):
    """A message: camelCase on the wire, immutable here. Unknown fields are ignored, so that either side may be newer."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

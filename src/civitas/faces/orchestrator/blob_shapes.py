"""Outputs with their blobs put in, as the published schemas have them there.

An output keeps `{"$blob": id}` where a blob belongs. What that becomes depends on the schema: a blob, a text (its
address), or an object with some of a blob's fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from civitas.contracts.wire.jobs import BLOB, MediaKind
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media import shapes
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.schemas.interface import Schema

FIELD: Final = "field"
# What clients know as "allow and pay for mature content to see it".
WITHHELD: Final = "canUpgrade"


@dataclass(frozen=True, slots=True)
class Blobs:
    """What is known of the blobs of an answer, and how they may be shown."""

    facts: Mapping[str, BlobFacts]
    links: MediaLinks
    hide_mature: bool = False
    # Mature blobs of a workflow that was paid as safe wait until it is allowed and paid for.
    withheld: bool = False
    # Previews of what is still being made, by the job.
    previews: Mapping[str, str] = field(default_factory=dict)

    def shown(self, blob_id: str) -> dict[str, Any]:
        """One blob; one that is gone is said to be not available."""
        facts = self.facts.get(blob_id)
        if facts is None:
            return shapes.gone(blob_id)
        hidden = facts.level.mature and (self.hide_mature or self.withheld)
        made = shapes.blob(facts, self.links, hide=hidden)
        if hidden:
            made["available"] = False
            if self.withheld and made["blockedReason"] is None:
                made["blockedReason"] = WITHHELD
        if facts.kind is MediaKind.FILE and (facts.media_type or "").startswith("image/"):
            made["type"] = MediaKind.IMAGE.value
        preview = self.previews.get(facts.job_id or "")
        if preview is not None and facts.available_at is None and facts.kind is MediaKind.IMAGE:
            made["previewUrl"] = preview
        return {name: value for name, value in made.items() if value is not None}

    def put_in(self, value: Any, schema: Schema | bool | None) -> Any:
        """An output with its blobs in the form that the schema has there."""
        rule = schema if isinstance(schema, dict) else {}
        if isinstance(value, dict):
            found = value.get(BLOB)
            if isinstance(found, str):
                return self._fitting(found, value, rule)
            if isinstance(mark := value.get(shapes.ARCHIVE), dict):
                return self.links.archive_url(mark["id"], datetime.fromisoformat(mark["expires"]))
            known = _choice(rule, value)
            properties = known.get("properties", {})
            return {
                name: self.put_in(inner, properties.get(name, known.get("additionalProperties")))
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.put_in(inner, rule.get("items")) for inner in value]
        return value

    def _fitting(self, blob_id: str, value: dict[str, Any], rule: Schema) -> Any:
        made = self.shown(blob_id)
        part = value.get(FIELD)
        if isinstance(part, str):
            return blob_id if part == "id" else made.get(part)
        kind = rule.get("type")
        if kind == "string" or (isinstance(kind, list) and "string" in kind):
            return made.get("url")
        made |= {name: more for name, more in value.items() if name != BLOB}
        known = _choice(rule, made).get("properties")
        return {name: one for name, one in made.items() if name in known} if known else made


def ids_in(value: Any) -> Iterator[str]:
    """Every blob that an output or input refers to."""
    yield from sorted(shapes.blob_ids(value))


def _choice(rule: Schema, value: Mapping[str, Any]) -> Schema:
    """The schema that a discriminator chooses, or the schema itself."""
    while "discriminator" in rule:
        told = rule["discriminator"]
        chosen = told["mapping"].get(value.get(told["propertyName"]))
        if chosen is None:
            return {}
        rule = chosen
    return rule

"""Workflows of one step as the jobs of the older API."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from civitas.domains.orchestration.dispatch.estimating import Outlook
from civitas.domains.orchestration.media import shapes as media
from civitas.domains.orchestration.shown import Estimate, ShownStep, ShownWorkflow
from civitas.domains.orchestration.templates import Template
from civitas.domains.orchestration.types import Status
from civitas.faces.orchestrator.blob_shapes import Blobs
from civitas.faces.orchestrator.older_requests import JOB_TYPE, PROPERTIES
from civitas.faces.orchestrator.shapes import QUARTERS
from civitas.kit import clock
from civitas.kit.errors import Invalid

PROVIDER: Final = "Civitas"
MOST_TOKEN: Final = 4096
MOST_IDS: Final = 64
_EVENTS: Final = {
    Status.UNASSIGNED: "Initialized",
    Status.PREPARING: "Claimed",
    Status.SCHEDULED: "Claimed",
    Status.PROCESSING: "Updated",
    Status.SUCCEEDED: "Succeeded",
    Status.FAILED: "Failed",
    Status.EXPIRED: "Expired",
    Status.CANCELED: "Deleted",
}

Json = dict[str, Any]


def token_of(ids: Sequence[str]) -> str:
    """The token for jobs that were asked for together. It is no secret: whose they are is looked at each time."""
    return base64.urlsafe_b64encode(orjson.dumps([{"Jobs": list(ids)}])).decode()


def ids_of(token: str) -> list[str]:
    """The jobs of a token. Raises Invalid (`bad_token`)."""
    wrong = Invalid("This token is not one of ours.", code="bad_token", fields={"token": "Not one of ours."})
    if len(token) > MOST_TOKEN:
        raise wrong
    try:
        found = orjson.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        ids = [one for part in found for one in part["Jobs"]]
    except (binascii.Error, ValueError, TypeError, KeyError):
        raise wrong from None
    if not 0 < len(ids) <= MOST_IDS or not all(isinstance(one, str) and len(one) <= 64 for one in ids):
        raise wrong
    return ids


def job(shown: ShownWorkflow, blobs: Blobs, outlooks: Mapping[str, Outlook], *, detailed: bool) -> Json:
    """A job: `scheduled` while it is under way, its result when there is one, and what happened last."""
    step = shown.steps[0]
    made: Json = {
        "jobId": shown.id,
        "cost": shown.cost.total / QUARTERS,
        "properties": shown.notes.get(PROPERTIES) or {},
        "result": _result(step, blobs),
        "lastEvent": _event(shown, step),
        "serviceProviders": _providers(step, outlooks),
        "scheduled": not shown.status.final,
    }
    if detailed:
        made["job"] = {"$type": shown.notes.get(JOB_TYPE, step.type), "id": shown.id, **step.input}
    return made


def would_be(template: Template, found: Estimate) -> Json:
    """A job that was only asked about."""
    return {
        "jobId": None,
        "cost": found.cost.total / QUARTERS,
        "properties": template.notes.get(PROPERTIES) or {},
        "result": None,
        "scheduled": False,
        "serviceProviders": {
            PROVIDER: {"support": "Available" if all(one.served for one in found.steps) else "Unavailable"}
        },
    }


def _result(step: ShownStep, blobs: Blobs) -> Any:
    """One blob alone, several as a list, and anything else as the step gave it."""
    ids = _ordered(step.output)
    if not ids:
        return dict(step.output) if step.output is not None else None
    made = [_blob(one, blobs) for one in ids]
    return made[0] if len(made) == 1 else made


def _ordered(value: Any) -> list[str]:
    """The blobs of an output in the order in which they stand there."""
    known = media.blob_ids(value)
    found: list[str] = []
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, Mapping):
            pending.extend(reversed(list(one.values())))
        elif isinstance(one, Sequence) and not isinstance(one, str):
            pending.extend(reversed(one))
        elif isinstance(one, str) and one in known and one not in found:
            found.append(one)
    return found


def _blob(blob_id: str, blobs: Blobs) -> Json:
    shown = blobs.shown(blob_id)
    made = {"blobKey": blob_id, "available": shown["available"]}
    if "url" in shown:
        made |= {"blobUrl": shown["url"], "blobUrlExpirationDate": shown["urlExpiresAt"]}
    return made


def _event(shown: ShownWorkflow, step: ShownStep) -> Json:
    newest = max(step.jobs, key=lambda one: (one.attempt, one.number), default=None)
    reason = step.reason or step.blocked_reason
    return {
        "jobId": shown.id,
        "type": _EVENTS[shown.status],
        "dateTime": clock.rfc3339(shown.completed_at or shown.changed_at),
        "context": {"reason": reason} if reason else {},
        "retryAttempt": newest.attempt - 1 if newest else 0,
        "cost": shown.cost.total / QUARTERS,
        "jobProperties": shown.notes.get(PROPERTIES) or {},
        "jobType": str(shown.notes.get(JOB_TYPE, step.type)),
        "claimHasCompleted": shown.status.final,
        "jobHasCompleted": shown.status.final,
    }


def _providers(step: ShownStep, outlooks: Mapping[str, Outlook]) -> Json:
    found = next((outlooks[one.id] for one in step.jobs if one.id in outlooks), None)
    if found is None:
        return {}
    position: Json = {"precedingJobs": found.preceding or 0}
    if found.start_at is not None:
        position["estimatedStartDate"] = clock.rfc3339(found.start_at)
    return {PROVIDER: {"support": found.support.value.capitalize(), "queuePosition": position}}

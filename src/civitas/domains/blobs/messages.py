"""Deferred work of the blobs domain."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VerifyUpload:
    """Read a completed upload once: digests, then a blob."""

    upload_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class AbortUpload:
    """Throw away the parts of an upload that will not be finished."""

    upload_id: uuid.UUID

"""Facts about bytes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BlobVerified:
    """An upload was read from end to end and its bytes are kept; `purpose` is what the uploader said."""

    blob_id: int
    upload_id: uuid.UUID
    person_id: int
    purpose: str


@dataclass(frozen=True, slots=True)
class UploadFailed:
    """An upload's bytes were not what was promised; nothing of it is kept."""

    upload_id: uuid.UUID
    person_id: int
    code: str

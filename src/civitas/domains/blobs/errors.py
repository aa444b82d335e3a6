"""What can go wrong with bytes on their way in."""

from __future__ import annotations

from civitas.kit.errors import Conflict, Invalid, NotFound, TooLarge


class UploadNotFound(NotFound):
    """No such upload, or somebody else's."""

    code = "upload_not_found"

    def __init__(self) -> None:
        super().__init__("This upload was not found; it may have expired. Start it again.")


class UploadState(Conflict):
    """The upload is past the point at which this can be done."""

    code = "upload_state"


class FileTooLarge(TooLarge):
    """The file is larger than this instance takes."""

    code = "file_too_large"


class BadPlan(Invalid):
    """The announced upload cannot be planned."""

    code = "upload_plan"

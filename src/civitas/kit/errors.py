"""The one exception family that crosses rooms.

A domain raises a `Fault` subclass; each face renders it in its own way (DESIGN section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

Kind = Literal[
    "invalid",
    "unauthorised",
    "payment",
    "forbidden",
    "not_found",
    "conflict",
    "gone",
    "too_large",
    "unsupported",
    "unprocessable",
    "limited",
    "unavailable",
]

STATUS: Mapping[Kind, int] = {
    "invalid": 400,
    "unauthorised": 401,
    "payment": 402,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "gone": 410,
    "too_large": 413,
    "unsupported": 415,
    "unprocessable": 422,
    "limited": 429,
    "unavailable": 503,
}


class Fault(Exception):
    """Something a person or program can understand and act upon.

    `message` is one sentence that says what happened and what to do. `code` is stable and machine-readable.
    `details` is JSON-ready and is shown to the caller, so it never holds a secret.
    """

    kind: ClassVar[Kind] = "invalid"
    code: str = "invalid"

    def __init__(
        self, message: str, *, code: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.details: dict[str, Any] = dict(details or {})

    @property
    def status(self) -> int:
        """The HTTP status that fits the kind (RFC 9110)."""
        return STATUS[self.kind]


class Invalid(Fault):
    """The input cannot be accepted as it is; `fields` names the wrong fields and says why."""

    kind, code = "invalid", "invalid"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        fields: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, details=details)
        self.fields: dict[str, str] = dict(fields or {})
        if self.fields:
            self.details["fields"] = self.fields


class Unauthorised(Fault):
    """Nobody is signed in, or the credentials do not hold."""

    kind, code = "unauthorised", "unauthorised"


class PaymentNeeded(Fault):
    """The caller cannot pay for this."""

    kind, code = "payment", "payment_needed"


class Forbidden(Fault):
    """Somebody is signed in but may not do this."""

    kind, code = "forbidden", "forbidden"


class NotFound(Fault):
    """There is no such thing, or the caller may not know that there is."""

    kind, code = "not_found", "not_found"


class Conflict(Fault):
    """The thing is not in a state that allows this, or somebody else was first."""

    kind, code = "conflict", "conflict"


class Gone(Fault):
    """The thing existed and was removed for good."""

    kind, code = "gone", "gone"


class TooLarge(Fault):
    """The input is larger than a limit that is checked before it is read."""

    kind, code = "too_large", "too_large"


class Unsupported(Fault):
    """The input is of a type that is not taken here, whatever it holds."""

    kind, code = "unsupported", "unsupported"


class Unprocessable(Fault):
    """The input is of a type that is taken, and is not what it should be: broken, lying, or blocked."""

    kind, code = "unprocessable", "unprocessable"


class Limited(Fault):
    """Too many requests; `retry_after` is in whole seconds."""

    kind, code = "limited", "limited"

    def __init__(self, message: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(message, code=code, details={"retryAfter": retry_after})
        self.retry_after = retry_after


class Unavailable(Fault):
    """A part that this needs is not configured or does not answer; trying later may help."""

    kind, code = "unavailable", "unavailable"

"""Faults as problem documents (RFC 9457), which is how the Orchestration API tells them.

`errors` maps the path of each wrong field (`steps[0].input.width`) to sentences; it is there whenever the input was
wrong, if only empty, because clients read it without looking.
"""

from __future__ import annotations

from typing import Any, Final

from civitas.kit.errors import Fault, Invalid

MEDIA_TYPE: Final = "application/problem+json"
_PREFIXES: Final = ("/v2/", "/v1/")
# The reference API knows no 402: who cannot pay is refused as who may not, and existing clients act upon 403.
_STATUS: Final = {402: 403}
_TITLES: Final = {
    400: ("Bad Request", "15.5.1"),
    401: ("Unauthorized", "15.5.2"),
    403: ("Forbidden", "15.5.4"),
    404: ("Not Found", "15.5.5"),
    405: ("Method Not Allowed", "15.5.6"),
    409: ("Conflict", "15.5.10"),
    410: ("Gone", "15.5.11"),
    413: ("Content Too Large", "15.5.14"),
    415: ("Unsupported Media Type", "15.5.16"),
    422: ("Unprocessable Content", "15.5.21"),
    500: ("Internal Server Error", "15.6.1"),
    503: ("Service Unavailable", "15.6.4"),
}


def wanted(path: str) -> bool:
    """Whether faults below this path are told as problem documents."""
    return path.startswith(_PREFIXES)


def status_of(fault: Fault) -> int:
    """The status that goes with it."""
    return _STATUS.get(fault.status, fault.status)


def told(status: int, detail: str, code: str, *, path: str, request_id: str = "") -> dict[str, Any]:
    """A problem document without particulars."""
    title, section = _TITLES.get(status, ("Too Many Requests" if status == 429 else "Error", ""))
    made: dict[str, Any] = {
        "type": f"https://www.rfc-editor.org/rfc/rfc9110#section-{section}" if section else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": path[:500],
        "code": code,
    }
    if request_id:
        made["traceId"] = request_id
    return made


def body_of(fault: Fault, *, path: str, request_id: str = "") -> dict[str, Any]:
    """The problem document for a fault, its details beside the members of the standard."""
    made = told(status_of(fault), fault.message, fault.code, path=path, request_id=request_id)
    made |= {name: value for name, value in fault.details.items() if name not in made and name != "fields"}
    if isinstance(fault, Invalid):
        made["errors"] = {where: [sentence] for where, sentence in fault.fields.items()}
        if made["errors"]:
            made["title"] = "One or more fields are not valid"
    return made

"""Error pages in friendly words: what happened, and what one can do now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse

from civitas.faces.web.templating import render, toast_header


@dataclass(frozen=True, slots=True)
class Words:
    """A headline, what it means, and the link that helps most."""

    title: str
    text: str
    action: str = "Go to the home page"
    href: str = "/"


_WORDS: Mapping[int, Words] = {
    400: Words(
        "We could not read that",
        "Something in the address or the form is not as we expected. Go back, check it, and send it once more.",
    ),
    401: Words("Sign in to see this", "This page belongs to somebody with an account.", "Sign in", "/login"),
    403: Words(
        "This room is closed to you",
        "It exists, but your account may not open it. If you think it should, ask the person who shared it.",
    ),
    404: Words(
        "Nothing hangs here",
        "The page was moved, renamed, or never existed. Search finds most things by a word of their name or by a hash.",
        "Browse models",
        "/models",
    ),
    405: Words("That does not work here", "This address answers other kinds of requests only."),
    409: Words(
        "Somebody was faster",
        "The thing you changed has changed since you opened it. Load it again and repeat what you still want.",
    ),
    410: Words(
        "Taken down for good",
        "What was here has been removed and will not come back. Its files are no longer served.",
        "Browse models",
        "/models",
    ),
    413: Words(
        "That is too large", "It is beyond the limit for this place. Large files go through the uploader."
    ),
    429: Words(
        "A little slower, please", "Too many requests came from you in a short time. Nothing is lost."
    ),
    500: Words(
        "We broke something",
        "This is our fault, not yours. It has been written down. Trying again in a moment often helps.",
    ),
    503: Words(
        "Back in a moment",
        "A part that this page needs is not answering. It is probably starting or being updated.",
    ),
}


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What the error template takes; `detail` is the sentence of the fault, where one is safe to show."""

    status: int
    words: Words
    detail: str | None
    retry_after: int | None
    request_id: str | None


def error_page(
    request: Request,
    status: int,
    *,
    detail: str | None = None,
    retry_after: int | None = None,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page for `status`; statuses without their own words use those of their class.

    `retry_after` in whole seconds is shown and sent as Retry-After (RFC 9110). For htmx a toast goes along,
    because htmx does not swap in an error.
    """
    words = _WORDS.get(status) or _WORDS[500 if status >= 500 else 400]
    sent = dict(headers or {})
    if retry_after is not None:
        sent["Retry-After"] = str(retry_after)
    if request.headers.get("hx-request") == "true":
        sent |= toast_header("danger", detail or words.title)
    context = ErrorPage(status, words, detail, retry_after, request_id)
    return render(request, "errors/error.html", context, status=status, headers=sent)

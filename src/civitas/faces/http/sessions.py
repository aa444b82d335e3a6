"""Cookies: the session's secret and, before sign-in, a visitor's number."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response

from civitas.faces.http.state import state_of
from civitas.kit.ids import new_secret

SESSION = "civitas_session"
VISITOR = "civitas_visitor"
YEAR_S = 365 * 24 * 3600


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the visitor reaches us by https."""
    configured = state_of(connection).settings.site.base_url or ""
    return connection.url.scheme in {"https", "wss"} or configured.startswith("https://")


def session_token(connection: HTTPConnection) -> str | None:
    """The session's secret from the cookie."""
    return connection.cookies.get(SESSION)


def visitor_of(connection: HTTPConnection) -> str:
    """What tokens of forms are bound to: the session when there is one, else the visitor cookie."""
    held = connection.scope.get("state", {}).get("visitor")
    return session_token(connection) or connection.cookies.get(VISITOR) or str(held or "")


def ensure_visitor(connection: HTTPConnection) -> None:
    """Give a browser without a session a number, so that its forms can be told from forged ones.

    The shield sends it with the response, whatever the response is.
    """
    if session_token(connection) or connection.cookies.get(VISITOR):
        return
    state = connection.scope.setdefault("state", {})
    if "visitor" not in state:
        state["visitor"] = new_secret(16)
        secure = "; Secure" if is_secure(connection) else ""
        state.setdefault("cookies", []).append(
            f"{VISITOR}={state['visitor']}; Path=/; HttpOnly; SameSite=Lax{secure}"
        )


def start(connection: HTTPConnection, response: Response, token: str, max_age_s: int = YEAR_S) -> None:
    """Send the session's secret; the server decides when it ends."""
    _set(connection, response, SESSION, token, max_age_s)


def end(connection: HTTPConnection, response: Response) -> None:
    """Take the session's cookie back."""
    response.delete_cookie(SESSION, path="/", secure=is_secure(connection), httponly=True, samesite="lax")


def _set(
    connection: HTTPConnection, response: Response, name: str, value: str, max_age_s: int | None
) -> None:
    response.set_cookie(
        name, value, max_age=max_age_s, path="/", secure=is_secure(connection), httponly=True, samesite="lax"
    )

"""Links to blobs for whoever may see them, from any request."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from civitas.domains.orchestration.media.links import MediaLinks
from civitas.faces.http.state import state_of

__all__ = ["MediaLinks", "links_of"]


def links_of(request: Request) -> MediaLinks:
    """The instance's links, without a host: they lead to wherever the request came."""
    found = getattr(request.app.state, "media_links", None)
    if found is None:
        found = request.app.state.media_links = MediaLinks.derived(state_of(request).secret)
    return cast(MediaLinks, found)

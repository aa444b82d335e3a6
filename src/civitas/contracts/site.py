"""How this instance calls itself, for texts that leave it: mails, feeds, callbacks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteInfo:
    """The site's name and its public address without a trailing slash, such as `https://hub.example.org`."""

    name: str
    base_url: str

    def url(self, path: str) -> str:
        """The absolute URL of a path on this site."""
        return f"{self.base_url.rstrip('/')}/{path.lstrip('/')}"

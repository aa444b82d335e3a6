"""How the mail of the day reads: a pure function from what is unread to a mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from civitas.contracts.site import SiteInfo
from civitas.domains.community.notifications.digests import Digest
from civitas.kit.text import clean_line

UNSUBSCRIBE: Final = "/notifications/unsubscribe"
WISHES: Final = "/account/notifications"


@dataclass(frozen=True, slots=True)
class DigestLetter:
    """A finished mail without its recipient."""

    subject: str
    text: str
    html: str
    headers: Mapping[str, str]


def compose(digest: Digest, site: SiteInfo, token: str) -> DigestLetter:
    """The mail, with a way out that works without signing in (RFC 8058)."""
    stop = site.url(f"{UNSUBSCRIBE}?token={quote(token)}")
    wishes, everything = site.url(WISHES), site.url("/notifications")
    # What others wrote cannot make lines or links of its own.
    lines = [(clean_line(one.text)[:300], site.url(one.path)) for one in digest.lines]
    more = digest.total - len(lines)
    rest = f"And {more:,} more." if more > 0 else ""
    hello = f"Hello {digest.username}," if digest.username else "Hello,"
    why = f"You get this mail because you asked {site.name} for it, once a day at most."
    parts = [hello, "This is what you have not read:"]
    parts += [f"- {words}\n  {url}" for words, url in lines]
    parts += [rest] if rest else []
    parts += [
        f"All notifications:\n{everything}",
        f"{why}\nChoose what you are told: {wishes}\nNo such mail any more: {stop}",
        f"{site.name}\n{site.base_url}",
    ]
    items = "".join(
        f'<li style="margin:0 0 10px"><a href="{escape(url)}" style="color:#1f5eff">{escape(words)}</a></li>'
        for words, url in lines
    )
    html = (
        '<!doctype html><html lang="en"><body style="font-family:system-ui,sans-serif;font-size:16px;'
        'line-height:1.5;color:#111;max-width:36em;margin:24px auto;padding:0 16px">'
        f"<p>{escape(hello)}</p><p>This is what you have not read:</p>"
        f'<ul style="padding-left:20px">{items}</ul>'
        + (f"<p>{escape(rest)}</p>" if rest else "")
        + f'<p><a href="{escape(everything)}" style="display:inline-block;padding:12px 20px;border-radius:8px;'
        'background:#1f5eff;color:#ffffff;text-decoration:none;font-weight:600">All notifications</a></p>'
        f'<p style="font-size:13px;color:#555">{escape(why)} '
        f'<a href="{escape(wishes)}">Choose what you are told</a> &middot; '
        f'<a href="{escape(stop)}">No such mail any more</a></p>'
        f'<p style="font-size:13px;color:#555"><a href="{escape(site.base_url)}">{escape(site.name)}</a></p>'
        "</body></html>"
    )
    what = "1 thing" if digest.total == 1 else f"{digest.total:,} things"
    return DigestLetter(
        clean_line(f"{what} that you have not read at {site.name}"),
        "\n\n".join(parts) + "\n",
        html,
        {
            "List-Unsubscribe": f"<{stop}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        },
    )

"""What our mails say: pure functions from facts to a subject, a plain text and simple HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from civitas.contracts.site import SiteInfo
from civitas.kit.text import clean_line

# Where the mailed links lead; each page shows a button, so that a mail scanner's visit uses nothing up.
LINK_PATHS = {
    "join": "/join/confirm",
    "verify": "/account/email/verify",
    "sign_in": "/login/link",
    "reset": "/password/reset",
    "change_old": "/account/email/confirm",
    "change_new": "/account/email/confirm",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A finished mail without its recipient."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class _Draft:
    subject: str
    paragraphs: tuple[str, ...]
    button: tuple[str, str] | None = None
    after: tuple[str, ...] = ()


def compose(letter: str, site: SiteInfo, context: Mapping[str, str]) -> Letter:
    """The mail called `letter`; `context` holds what it names. KeyError for a letter that does not exist."""
    clean = {key: clean_line(value)[:500] for key, value in context.items()}
    return _finish(_LETTERS[letter](site, clean), site)


def link(site: SiteInfo, purpose: str, secret: str) -> str:
    """The absolute address that a mailed secret opens."""
    path = LINK_PATHS[purpose]
    end = "old" if purpose == "change_old" else "new" if purpose == "change_new" else ""
    return site.url(f"{path}?token={quote(secret)}" + (f"&end={end}" if end else ""))


def _hello(context: Mapping[str, str]) -> str:
    return f"Hello {context['username']}," if context.get("username") else "Hello,"


def _join(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"Finish joining {site.name}",
        (
            _hello(context),
            f"Welcome to {site.name}. Confirm that this address is yours, and your account is ready.",
        ),
        ("Confirm and sign in", context["url"]),
        (
            "The link works once, within 24 hours.",
            "If you did not ask for an account, ignore this mail: without the link nothing happens.",
        ),
    )


def _join_again(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"You already have an account at {site.name}",
        (
            _hello(context),
            f"Somebody, probably you, just tried to join {site.name} with this address. "
            f"It already belongs to your account, {context['username']}, so nothing was changed.",
        ),
        ("Sign in", site.url("/login")),
        (
            "If you have forgotten your password, ask for a new one on that page.",
            "If it was not you, you need not do anything.",
        ),
    )


def _verify(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"Confirm your address for {site.name}",
        (_hello(context), f"Please confirm that {context['email']} is yours."),
        ("Confirm this address", context["url"]),
        ("The link works once, within 24 hours.", "If you did not expect this mail, ignore it."),
    )


def _sign_in(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"Your link to sign in to {site.name}",
        (_hello(context), f"Here is the link you asked for. It signs you in to {site.name}."),
        ("Sign in", context["url"]),
        (
            "The link works once, within 15 minutes. Do not pass it on: whoever has it is you.",
            "If you did not ask for it, ignore this mail.",
        ),
    )


def _reset(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"Choose a new password for {site.name}",
        (_hello(context), "You asked to choose a new password. Until you do, the old one stays."),
        ("Choose a new password", context["url"]),
        (
            "The link works once, within an hour. Afterwards every browser has to sign in again.",
            "If you did not ask for it, ignore this mail; your password is safe.",
        ),
    )


def _change_old(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"Confirm the change of your address at {site.name}",
        (
            _hello(context),
            f"You asked to change the address of your account from {context['old']} to {context['new']}. "
            "We ask at both addresses, so that nobody can take your account over.",
        ),
        ("Yes, change my address", context["url"]),
        (
            "The link works once, within 24 hours. The change is made when both links were used.",
            "If it was not you, do not use the link, and change your password now.",
        ),
    )


def _change_new(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    return _Draft(
        f"Confirm your new address at {site.name}",
        (_hello(context), f"You asked to use {context['new']} for your account at {site.name}."),
        ("Yes, this address is mine", context["url"]),
        (
            "The link works once, within 24 hours.",
            "If you have no account with us, ignore this mail.",
        ),
    )


def _notice(subject: str, told: str, advice: str) -> Callable[[SiteInfo, Mapping[str, str]], _Draft]:
    """A letter that states one fact about the account and says what to do if it was not the owner."""

    def draft(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
        facts = {"site": site.name, "detail": "", **context}
        return _Draft(
            subject.format_map(facts),
            (_hello(context), told.format_map(facts)),
            None,
            (advice.format_map(facts),) if advice else (),
        )

    return draft


def _about_draft(
    subject: str, told: str, button: str, after: str, path: str = ""
) -> Callable[[SiteInfo, Mapping[str, str]], _Draft]:
    """A letter about the person's own model, which can be turned off."""

    def draft(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
        facts = {"site": site.name, "detail": "", "more": "", **context}
        return _Draft(
            subject.format_map(facts),
            (_hello(context), told.format_map(facts)),
            (button, site.url(f"{context.get('path', '')}{path}")),
            (after, f"You need not get mails of this kind: {site.url('/account/preferences#mails')}"),
        )

    return draft


def _told(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    """Whatever a domain has to say in its own words; `path` is where the button leads."""
    button = (
        (context.get("label") or "Look at it", site.url(context["path"])) if context.get("path") else None
    )
    return _Draft(context["subject"], (_hello(context), context["told"]), button)


_NOT_YOU = "If it was not you, choose a new password right away and sign out all other browsers."


def _gift_card(site: SiteInfo, context: Mapping[str, str]) -> _Draft:
    message = (f"\u201c{context['message']}\u201d",) if context.get("message") else ()
    return _Draft(
        f"A gift for you: {context['worth']} at {site.name}",
        (
            "Hello,",
            f"Somebody gave you {context['worth']} at {site.name}.",
            *message,
            f"Your code: {context['code']}",
        ),
        ("Redeem it", context["url"]),
        ("The code works once. Whoever has it can use it, so do not pass it on.",),
    )


_LETTERS: dict[str, Callable[[SiteInfo, Mapping[str, str]], _Draft]] = {
    "join": _join,
    "join_again": _join_again,
    "verify": _verify,
    "sign_in": _sign_in,
    "reset": _reset,
    "change_old": _change_old,
    "change_new": _change_new,
    "gift_card": _gift_card,
    "told": _told,
    "password_changed": _notice(
        "Your password at {site} was changed",
        "The password of your account was changed. Every other browser was signed out.",
        _NOT_YOU,
    ),
    "address_changed": _notice(
        "Your address at {site} was changed",
        "The address of your account is now {detail}. Mail goes there from now on.",
        "If it was not you, write to the people who run {site}.",
    ),
    "way_in_added": _notice(
        "A new way to sign in to {site}",
        "This was added to your account: {detail}. It can be used to sign in from now on.",
        _NOT_YOU,
    ),
    "second_step_on": _notice(
        "Two-step sign-in at {site} is on",
        "From now on we ask for a code from your app. Keep the recovery codes in a safe place.",
        _NOT_YOU,
    ),
    "second_step_off": _notice(
        "Two-step sign-in at {site} is off", "We no longer ask for a code from your app.", _NOT_YOU
    ),
    "key_made": _notice(
        "A new API key at {site}",
        "An API key called {detail} was made for your account.",
        "If it was not you, revoke it on your account page and choose a new password.",
    ),
    "left": _notice(
        "Your account at {site} was deleted",
        "Your account was deleted as you asked. For 30 days the people who run {site} can bring it back; "
        "after that nobody can.",
        "Thank you for having been here.",
    ),
    "restored": _notice(
        "Your account at {site} is back",
        "Your account was restored. Ask for a link by mail to sign in, and choose a new password then.",
        "",
    ),
    "draft_aging": _about_draft(
        "Your draft {detail} will be removed",
        "You have not touched your draft {detail} for a month. On {more} it will be removed from {site}.",
        "Look at the draft",
        "To keep it, change anything about it, or publish it. What was removed can be brought back for a month.",
        "/manage",
    ),
    "schedule_failed": _about_draft(
        "{detail} was not published",
        "{detail} was due to be published at {site}, but something is still missing, so it is a draft again. "
        "Missing: {more}.",
        "See what is missing",
        "Once nothing is missing you can publish it, or plan it anew.",
        "/review",
    ),
    "collaboration": _about_draft(
        "Work on {detail} together?",
        "{more} asks you to work on the model {detail} at {site} together. You could change and publish it.",
        "Answer",
        "As long as you do not accept, nothing happens.",
    ),
    "banned": _notice(
        "Your account at {site} was closed",
        "Staff closed your account for this reason: {detail}.",
        "If you think that this is a mistake, answer this mail or write to the people who run {site}.",
    ),
    "unbanned": _notice(
        "Your account at {site} is open again",
        "Staff opened your account again. You can sign in as before.",
        "",
    ),
    "muted": _notice(
        "Your account at {site} was muted",
        "You can read but not write until {detail}.",
        "If you think that this is a mistake, answer this mail or write to the people who run {site}.",
    ),
    "membership_started": _notice(
        "Your membership at {site} has begun", "Your membership runs: {detail}. Thank you.", ""
    ),
    "membership_renewed": _notice(
        "Your membership at {site} goes on", "Your membership was renewed: {detail}. Thank you.", ""
    ),
    "membership_changed": _notice(
        "Your membership at {site} was changed", "Your membership is now: {detail}.", ""
    ),
    "membership_renews_soon": _notice(
        "Your membership at {site} renews soon",
        "Your membership renews by itself: {detail}.",
        "If you do not want that, cancel it on the page of your membership before then; it runs to the end of "
        "what is paid.",
    ),
    "membership_ends_soon": _notice(
        "Your membership at {site} ends soon",
        "Your membership ends: {detail}. Nothing is charged.",
        "If you want to go on, choose a membership on the page of memberships.",
    ),
    "membership_late": _notice(
        "The payment of your membership at {site} did not come",
        "We could not renew your membership. For the days of grace everything stays: {detail}.",
        "Look after your way of paying, or choose another one on the page of your membership.",
    ),
    "membership_ended": _notice(
        "Your membership at {site} has ended",
        "Your membership has ended: {detail}. Your Buzz and everything you made stays yours.",
        "",
    ),
    "membership_gift": _notice(
        "You were given a membership at {site}",
        "You were given a membership: {detail}. It begins by itself, after whatever membership you have now.",
        "",
    ),
}

NAMES = frozenset(_LETTERS)


def _finish(draft: _Draft, site: SiteInfo) -> Letter:
    lines = [*draft.paragraphs]
    if draft.button:
        lines.append(f"{draft.button[0]}:\n{draft.button[1]}")
    lines += draft.after
    lines.append(f"{site.name}\n{site.base_url}")
    blocks = [f"<p>{escape(paragraph)}</p>" for paragraph in draft.paragraphs]
    if draft.button:
        label, url = draft.button
        blocks.append(
            f'<p><a href="{escape(url)}" style="display:inline-block;padding:12px 20px;border-radius:8px;'
            f'background:#1f5eff;color:#ffffff;text-decoration:none;font-weight:600">{escape(label)}</a></p>'
            f'<p style="font-size:13px;color:#555">Or open this address: {escape(url)}</p>'
        )
    blocks += [f'<p style="font-size:14px;color:#333">{escape(line)}</p>' for line in draft.after]
    html = (
        '<!doctype html><html lang="en"><body style="font-family:system-ui,sans-serif;font-size:16px;'
        'line-height:1.5;color:#111;max-width:36em;margin:24px auto;padding:0 16px">'
        + "".join(blocks)
        + f'<p style="font-size:13px;color:#555"><a href="{escape(site.base_url)}">{escape(site.name)}</a></p>'
        "</body></html>"
    )
    return Letter(clean_line(draft.subject), "\n\n".join(lines) + "\n", html)

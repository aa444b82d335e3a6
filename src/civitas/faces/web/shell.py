"""What every page knows before its own content: who looks, which theme, what just happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from starlette.requests import Request

Theme = Literal["system", "light", "dark"]
FlashKind = Literal["ok", "info", "warn", "danger"]
THEME_COOKIE = "theme"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person, as far as the frame of a page shows them."""

    id: int
    username: str
    avatar_url: str | None = None
    is_moderator: bool = False
    is_admin: bool = False
    unread: int = 0
    # Rooms in which something is unread.
    chats: int = 0
    # What can be spent of each colour, in quarters; None where nobody asked.
    buzz: Mapping[str, int] | None = None

    @property
    def url(self) -> str:
        """The address of the person's own profile."""
        return f"/user/{self.username}"

    @property
    def buzz_total(self) -> int:
        """All that can be spent, in quarters."""
        return sum((self.buzz or {}).values())


@dataclass(frozen=True, slots=True)
class Flash:
    """One message about what just happened, with at most one thing to do about it."""

    kind: FlashKind
    text: str
    href: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class NavItem:
    """A place in the main navigation; `icon` names a drawing of the sprite."""

    label: str
    href: str
    icon: str


@dataclass(frozen=True, slots=True)
class Site:
    """What the operator calls this instance."""

    name: str = "Civitas"
    tagline: str = "A home for generative models and the people who make them"
    url: str = ""
    sign_up_open: bool = True
    source_url: str = ""
    note: str = ""
    # Whether this is the safe-for-work twin, and the address of the other one where visitors can reach it.
    safe: bool = False
    twin_url: str | None = None


NAV = (
    NavItem("Models", "/models", "cube"),
    NavItem("Images", "/images", "images"),
    NavItem("Videos", "/videos", "play"),
    NavItem("Posts", "/posts", "grid"),
    NavItem("Articles", "/articles", "file"),
    NavItem("Create", "/create", "sparkle"),
)
# What stands under More: narrower windows find the places above there as well.
MORE = (
    NavItem("Collections", "/collections", "bookmark"),
    NavItem("Creators", "/creators", "users"),
    NavItem("Leaderboards", "/leaderboard", "star"),
    NavItem("Tags", "/tags", "tag"),
    NavItem("Buzz shop", "/shop", "bolt"),
)


class Announced(Protocol):
    """What the frame shows of an announcement."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def title(self) -> str:
        """What it says in short."""


@dataclass(frozen=True, slots=True)
class AdvertShown:
    """An advert of the house in the frame. `ticket` is empty for who earns nothing by it; `worth` is in quarters."""

    title: str
    text: str
    href: str
    src: str | None
    alt: str
    ticket: str
    seconds: int
    worth: int


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame's context. Put one on `request.state.shell`; without it a page is rendered for a stranger."""

    viewer: Viewer | None = None
    csrf_token: str = ""
    theme: Theme = "system"
    flash: tuple[Flash, ...] = ()
    path: str = "/"
    query: str = ""
    lang: str = "en"
    direction: Literal["ltr", "rtl"] = "ltr"
    site: Site = Site()
    nav: tuple[NavItem, ...] = NAV
    more: tuple[NavItem, ...] = MORE
    announcements: tuple[Announced, ...] = ()
    # Nothing mature is shown until the browser is closed or the key is pressed again.
    discreet: bool = False
    advert: AdvertShown | None = None

    def inside(self, href: str) -> bool:
        """Whether the page is at `href` or below it, for `aria-current`."""
        return self.path == href or (href != "/" and self.path.startswith(href.rstrip("/") + "/"))

    @property
    def here(self) -> str:
        """The page's own path and query, to come back to after signing in."""
        return f"{self.path}?{self.query}" if self.query else self.path


def theme_of(request: Request) -> Theme:
    """The theme the visitor chose, from their cookie; anything unknown means that they follow the system."""
    match request.cookies.get(THEME_COOKIE):
        case "light":
            return "light"
        case "dark":
            return "dark"
        case _:
            return "system"


def shell_of(request: Request) -> Shell:
    """The request's Shell as the application made it, or that of a stranger."""
    found = getattr(request.state, "shell", None)
    if isinstance(found, Shell):
        return found
    return Shell(theme=theme_of(request), path=request.url.path, query=request.url.query)

"""All settings of an instance: environment first, then `civitas.toml`, then the defaults.

Each adapter keeps its own model; this one only puts them together.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from civitas.contracts.agent_rules import AgentRules
from civitas.infra.agent_settings import AgentSettings
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.imaging.settings import ImagingSettings
from civitas.infra.limiting.settings import LimitSettings
from civitas.infra.mail.settings import MailSettings
from civitas.infra.media.settings import MediaSettings
from civitas.infra.outbound.settings import CallbackSettings, PushSettings
from civitas.infra.payments.settings import PaymentSettings
from civitas.infra.payouts.settings import PayoutSettings
from civitas.infra.scanners.settings import ScannerSettings
from civitas.infra.search.settings import IndexSettings
from civitas.infra.storage.settings import StorageSettings
from civitas.infra.telemetry.settings import TelemetrySettings


def default_home() -> Path:
    """`~/.civitas`; for root, whose home the database's own user may not enter, `/var/lib/civitas`."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/civitas")
    return Path.home() / ".civitas"


class SiteSettings(BaseModel):
    """How the site presents itself and is reached."""

    name: str = Field(default="Civitas", max_length=60, description="The name in the header and in mails.")
    base_url: str | None = Field(
        default=None,
        description="The address people use, such as `https://hub.example.org`. Empty: what the browser asked for.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    serve_processes: int = Field(default=1, ge=1, le=64, description="Serving processes that `up` starts.")
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed.",
    )
    trusted_hosts: list[str] = Field(
        default_factory=list, description="Host names that are answered; empty answers every one."
    )
    safe_hosts: list[str] = Field(
        default=["green.localhost"],
        description="Host names under which the safe-for-work twin answers: the same accounts, nothing above PG-13 for "
        "anybody, green Buzz. Empty: there is none.",
    )
    allow_sign_up: bool = Field(default=True, description="Whether strangers can make an account.")
    development: bool = Field(
        default=False,
        description="Shows the mailbox page to everyone on this machine and offers payments that take no money. "
        "Never in production.",
    )
    compress: bool = Field(
        default=True,
        description="Pages and JSON go out compressed to those who accept it. Switch it off where a proxy in front does that.",
    )
    max_body_mb: float = Field(
        default=10,
        gt=0,
        description="Largest request body except file parts, in MiB; more is refused with 413.",
    )
    max_part_mb: int = Field(default=64, ge=5, description="Largest part of an upload, in MiB.")
    max_file_gb: float = Field(default=50, gt=0, description="Largest file that can be uploaded, in GiB.")
    request_timeout_s: float = Field(
        default=60,
        gt=0,
        description="A page or API request that is not a transfer ends with 503 after this long.",
    )
    source_url: str = Field(
        default="",
        max_length=500,
        pattern=r"^(https?://[^\s<>\"]+)?$",
        description="Where the source of what runs here is offered, linked in the footer. The AGPL (section 13) asks "
        "whoever runs a changed copy for others to offer it. Empty: no link.",
    )
    region_note: str = Field(default="", max_length=500, description="A line shown in the footer.")


class SocialProvider(BaseModel):
    """One sign-in provider; it is offered when both values are set."""

    client_id: str | None = Field(default=None, description="Client id that the provider gave you.")
    client_secret: SecretStr | None = Field(
        default=None, description="Client secret that the provider gave you."
    )

    @property
    def configured(self) -> bool:
        """Whether people can sign in with it."""
        return bool(self.client_id and self.client_secret)


class SocialSettings(BaseModel):
    """Sign-in with accounts from elsewhere."""

    google: SocialProvider = Field(default_factory=SocialProvider, description="Google sign-in.")
    github: SocialProvider = Field(default_factory=SocialProvider, description="GitHub sign-in.")
    discord: SocialProvider = Field(default_factory=SocialProvider, description="Discord sign-in.")
    reddit: SocialProvider = Field(default_factory=SocialProvider, description="Reddit sign-in.")


class CatalogSettings(BaseModel):
    """The catalogue's data that an operator may extend."""

    extra_base_models: Path | None = Field(
        default=None, description="A TOML file with further base models, in the format of the shipped one."
    )
    upload_expires_hours: int = Field(
        default=72, ge=1, description="An upload that was not finished is swept after this many hours."
    )
    orphan_grace_hours: int = Field(
        default=48, ge=1, description="Bytes that nothing needs any more are deleted after this many hours."
    )
    link_minutes: int = Field(default=60, ge=1, description="How long a signed download link holds.")


class GallerySettings(BaseModel):
    """The gallery's data that an operator may extend."""

    extra_tools: Path | None = Field(
        default=None,
        description="A TOML file with further tools and techniques, in the format of the shipped one.",
    )


class BuzzSettings(BaseModel):
    """The economy."""

    economy: Path | None = Field(
        default=None,
        description="A TOML file that is laid over the shipped rules of the economy; what it does not name stays.",
    )


class AdvertSettings(BaseModel):
    """Adverts of the house."""

    file: Path | None = Field(
        default=None,
        description="A TOML file of your own adverts (`[[adverts]]` with key, title, text, link, picture, alt, start, until), "
        "shown below lists to people without a membership, who earn Blue Buzz by seeing them. Empty: there are none.",
    )


class StudioSettings(BaseModel):
    """What people make on site."""

    prompt_rules: Path | None = Field(
        default=None,
        description="A TOML file that is laid over the shipped rules for prompts: its words are added, `-word` takes one away.",
    )


class Settings(BaseSettings):
    """Everything an operator may set: `CIVITAS_SITE__PORT=9000`, or `[site] port = 9000` in civitas.toml."""

    model_config = SettingsConfigDict(env_prefix="CIVITAS_", env_nested_delimiter="__", extra="forbid")

    home: Path = Field(default_factory=default_home, description="The data folder.")
    secret_key: SecretStr | None = Field(
        default=None,
        description="Signs links and sessions; at least 32 characters. Empty: made once and kept in the data folder.",
    )
    site: SiteSettings = Field(default_factory=SiteSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    scanners: ScannerSettings = Field(default_factory=ScannerSettings)
    imaging: ImagingSettings = Field(default_factory=ImagingSettings)
    catalog: CatalogSettings = Field(default_factory=CatalogSettings)
    buzz: BuzzSettings = Field(default_factory=BuzzSettings)
    adverts: AdvertSettings = Field(default_factory=AdvertSettings)
    studio: StudioSettings = Field(default_factory=StudioSettings)
    payments: PaymentSettings = Field(default_factory=PaymentSettings)
    payouts: PayoutSettings = Field(default_factory=PayoutSettings)
    agents: AgentRules = Field(default_factory=AgentRules)
    agent: AgentSettings = Field(default_factory=AgentSettings)
    media: MediaSettings = Field(default_factory=MediaSettings)
    gallery: GallerySettings = Field(default_factory=GallerySettings)
    index: IndexSettings = Field(default_factory=IndexSettings)
    callbacks: CallbackSettings = Field(default_factory=CallbackSettings)
    push: PushSettings = Field(default_factory=PushSettings)
    social: SocialSettings = Field(default_factory=SocialSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the file named by CIVITAS_CONFIG, or civitas.toml here or in home."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_files())


def config_files() -> list[Path]:
    """The configuration files that are read, the later ones winning."""
    named = os.environ.get("CIVITAS_CONFIG")
    if named:
        return [Path(named)]
    home = Path(os.environ.get("CIVITAS_HOME") or default_home())
    return [home / "civitas.toml", Path("civitas.toml")]


def load(**overrides: object) -> Settings:
    """Read the settings; `DATABASE_URL` and `PORT`, which platforms set, count when ours are not given.

    Raises pydantic.ValidationError with the names of what is wrong.
    """
    settings = Settings(**overrides)  # type: ignore[arg-type]
    if settings.database.url is None and (url := os.environ.get("DATABASE_URL")):
        settings.database.url = url.replace("postgres://", "postgresql://", 1)
    if "port" not in settings.site.model_fields_set and (port := os.environ.get("PORT")):
        settings.site.port = int(port)
    return settings

"""How much one caller may ask for."""

from __future__ import annotations

from pydantic import BaseModel, Field


class LimitSettings(BaseModel):
    """Requests per minute by kind; a person is counted by account, a stranger by address."""

    enabled: bool = Field(default=True, description="Turn all rate limits off, for a private instance.")
    read_per_minute: int = Field(default=1200, ge=1, description="Reads of pages and API by one caller.")
    write_per_minute: int = Field(default=240, ge=1, description="Changes by one caller.")
    sign_in_per_minute: int = Field(
        default=10, ge=1, description="Attempts to sign in, up or reset, by address."
    )
    mail_per_hour: int = Field(default=8, ge=1, description="Mails that one address or account can cause.")
    reaction_per_minute: int = Field(
        default=60, ge=1, description="Reactions set or taken back by one person."
    )
    download_per_minute: int = Field(default=60, ge=1, description="Downloads started by one caller.")

"""Where mail goes."""

from __future__ import annotations

from pydantic import BaseModel, Field, SecretStr


class MailSettings(BaseModel):
    """SMTP, or nothing for the built-in mailbox."""

    host: str | None = Field(
        default=None, description="SMTP server. Empty: mail is kept on the development mailbox page."
    )
    port: int = Field(default=587, ge=1, le=65535, description="SMTP port.")
    username: str | None = Field(default=None, description="SMTP user, when the server asks for one.")
    password: SecretStr | None = Field(default=None, description="SMTP password.")
    encryption: str = Field(
        default="starttls", pattern="^(starttls|tls|none)$", description="`starttls`, `tls` or `none`."
    )
    sender: str = Field(default="Civitas <civitas@localhost>", description="The From line.")

"""The instance's secret: from the settings, or made once and kept in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from civitas.infra.settings import Settings
from civitas.kit.errors import Invalid

FILE = "secret.key"
MIN_LENGTH = 32


def instance_secret(settings: Settings) -> bytes:
    """The secret that signs links, forms and cookies; the same in every process of the instance.

    Raises Invalid when the configured one is too short to be one.
    """
    if settings.secret_key is not None:
        value = settings.secret_key.get_secret_value()
        if len(value) < MIN_LENGTH:
            raise Invalid(f"secret_key has {len(value)} characters; it needs at least {MIN_LENGTH}.")
        return value.encode()
    path: Path = settings.home / FILE
    if not path.exists():
        settings.home.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{FILE}.{os.getpid()}")
        partial.touch(mode=0o600)
        partial.write_text(secrets.token_urlsafe(48))
        try:
            os.link(partial, path)
        except FileExistsError:
            pass  # another process was first; its secret counts
        finally:
            partial.unlink()
    return path.read_text().strip().encode()

"""The store that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.s3 import S3Store
from civitas.infra.storage.settings import StorageSettings
from civitas.infra.storage.signing import LinkSigner
from civitas.infra.storage.store import Store


def open_store(settings: StorageSettings, home: Path, signing_key: bytes, public_base: str = "") -> Store:
    """The bucket of `settings.url`, or the local folder (`home`/storage unless set).

    `signing_key` (16 bytes or more, the same in every process) and `public_base` (an origin, or "" for relative
    links) serve the local store's links. Raises Invalid (`storage_url`), Unavailable (`storage_closed`).
    Nothing is sent to a bucket yet.
    """
    if settings.url is None:
        return LocalStore(settings.local_path or home / "storage", LinkSigner(signing_key, public_base))
    return S3Store.open(settings)

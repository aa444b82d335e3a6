"""The two clients of a bucket, made from the settings; nothing is sent here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from obstore.store import S3Store as Bucket

from civitas.infra.storage.settings import StorageSettings
from civitas.kit.errors import Invalid

_TIMEOUT = timedelta(seconds=60)
_TRIES = 3


def read_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of `s3://bucket/prefix`. Raises Invalid (`storage_url`)."""
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "//" in prefix:
        raise Invalid(
            "The storage address must be `s3://bucket` or `s3://bucket/prefix`; leave it empty for a local "
            "folder.",
            code="storage_url",
        )
    return parts.netloc, prefix


def data_store(settings: StorageSettings, bucket: str, prefix: str) -> Bucket:
    """obstore's client, which moves the bytes."""
    config: dict[str, Any] = {"region": settings.s3_region}
    if settings.s3_endpoint:
        config["endpoint"] = settings.s3_endpoint
    if settings.s3_access_key and settings.s3_secret_key:
        config["access_key_id"] = settings.s3_access_key
        config["secret_access_key"] = settings.s3_secret_key.get_secret_value()
    return Bucket(
        bucket,
        prefix=prefix or None,
        virtual_hosted_style_request=not settings.s3_path_style,
        client_options={
            "allow_http": settings.s3_allow_http,
            "connect_timeout": "5s",
            "timeout": _TIMEOUT,
        },
        retry_config={"max_retries": _TRIES - 1, "retry_timeout": _TIMEOUT},
        **config,
    )


def control_client(settings: StorageSettings, endpoint: str | None) -> Any:
    """botocore's client for one address. Raises Invalid (`storage_url`) for `http://` without leave."""
    if endpoint and not settings.s3_allow_http and not endpoint.startswith("https://"):
        raise Invalid("An S3 endpoint without TLS needs `s3_allow_http`.", code="storage_url")
    secret = settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None
    return botocore.session.Session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=secret,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if settings.s3_path_style else "virtual"},
            connect_timeout=5,
            read_timeout=_TIMEOUT.total_seconds(),
            retries={"total_max_attempts": _TRIES, "mode": "standard"},
            # botocore would else ask every part for a CRC that browsers do not send
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )

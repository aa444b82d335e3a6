"""What an operator may set about the place where files are kept."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr


class StorageSettings(BaseModel):
    """Where model files, images and other uploads are kept."""

    url: str | None = Field(
        default=None,
        description="`s3://bucket` or `s3://bucket/prefix` keeps files in an S3-compatible bucket. "
        "Empty: files are kept in a local folder.",
    )
    local_path: Path | None = Field(
        default=None,
        description="The local folder for files, used when `url` is empty. Empty: `storage` in the data "
        "folder. Several serving processes may share one folder.",
    )
    s3_endpoint: str | None = Field(
        default=None,
        description="Address of an S3-compatible server, for example `http://minio:9000`. Empty: Amazon S3.",
    )
    s3_public_endpoint: str | None = Field(
        default=None,
        description="Address of the same server as browsers reach it; signed links use it. "
        "Empty: the same as `s3_endpoint`.",
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key: str | None = Field(
        default=None,
        description="Access key. Empty: the standard AWS environment variables or the machine's own role.",
    )
    s3_secret_key: SecretStr | None = Field(
        default=None, description="Secret that belongs to the access key."
    )
    s3_allow_http: bool = Field(
        default=False,
        description="Allow an endpoint without TLS (`http://`); only for a server in your own network.",
    )
    s3_path_style: bool = Field(
        default=False,
        description="Put the bucket's name in the path and not in the host name; MinIO and most "
        "self-hosted servers need this.",
    )

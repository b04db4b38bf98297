"""S3 services: who we are there, and one store a bucket."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from obstore.store import S3Store

#: A call must not hang on a service that does not answer, but a large file may take long as long as something comes:
#: "timeout" is of a whole answer, and 30 seconds if it is not given. A job has its own retries around these.
_CLIENT: Mapping[str, Any] = {
    "allow_http": True,
    "connect_timeout": "3s",
    "read_timeout": "30s",
    "timeout": "365days",
}
_RETRY: Mapping[str, Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}


class NoCredentialsError(Exception):
    """No credentials were found where boto3 looks for them."""


def open_bucket(
    bucket: str,
    endpoint: str | None,
    credentials: Mapping[str, str] | None = None,
    prefix: str | None = None,
) -> S3Store:
    """Return a store for one bucket.

    Args:
        bucket: its name.
        endpoint: the service's URL; ``None`` for Amazon's own.
        credentials: ``aws_access_key_id``, ``aws_secret_access_key``, perhaps ``aws_session_token``; without
            them the environment, the profile files or the instance role, as boto3 reads them.
        prefix: only keys below it.

    Raises:
        NoCredentialsError: there are none.
    """
    options: dict[str, Any] = {"client_options": _CLIENT, "retry_config": _RETRY, "prefix": prefix}
    if endpoint is not None:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if credentials is not None:
        options |= {
            "access_key_id": credentials["aws_access_key_id"],
            "secret_access_key": credentials["aws_secret_access_key"],
            "region": credentials.get("region", "us-east-1"),
        }
        if "aws_session_token" in credentials:
            options["session_token"] = credentials["aws_session_token"]
    else:
        provider = standard_credentials()
        options |= {"credential_provider": provider, "region": provider.config.get("region", "us-east-1")}
    return S3Store(bucket, **options)


@lru_cache(maxsize=1)
def standard_credentials() -> Any:
    """Return obstore's provider of the credentials that boto3 finds in this process.

    Raises:
        NoCredentialsError: there are none.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider  # takes a fifth of a second, and few need it

    try:
        return Boto3CredentialProvider()
    except ValueError:
        raise NoCredentialsError(
            "No S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile for the server."
        ) from None

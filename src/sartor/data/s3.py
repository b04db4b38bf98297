"""S3 services: who we are there, and one store a bucket."""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

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


#: What obstore says of a failure, and what it means.
_MEANINGS: Final = (
    (
        "error sending request|tcp connect|timed out",
        "the S3 service at {endpoint} does not answer; see whether it runs and --s3-endpoint is right",
    ),
    ("NoSuchBucket", "there is no bucket {bucket} at {endpoint}"),
    (
        "InvalidAccessKeyId|SignatureDoesNotMatch|401 Unauthorized",
        "{endpoint} does not accept the credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the server, "
        "or a role's in sartor.toml",
    ),
    (
        "403 Forbidden|not allowed",
        "{endpoint} does not allow it to these credentials in the bucket {bucket}; see the policies of both",
    ),
    (
        "without LOCATION|AuthorizationHeaderMalformed|PermanentRedirect",
        "the bucket {bucket} is of another region; set AWS_REGION for the server",
    ),
    (
        r"status code:? (?P<status>5\d\d|429)",
        "{endpoint} is overloaded or broken: it answers {status}; see its log",
    ),
    (r"status code:? (?P<status>\d{3})", "{endpoint} refuses it with {status} {code}in the bucket {bucket}"),
    ("response body error|IncompleteBody", "the answer of {endpoint} broke off"),
)
#: Amazon's own word for a refusal, in the body of an answer.
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
#: What of obstore's words is for its makers.
_INNER_WORDS: Final = re.compile(
    r"Kernel error -> |Generic S3 error: |Error performing list request: | in [0-9.]+[mµ]?s(?=[, ])|"
    r", after [0-9]+ retries.*?(?= +- )"
)
#: What obstore writes below its words, and how Delta draws an arrow to each cause.
_DEBUG: Final = re.compile(r"\n\nDebug source:.*", re.DOTALL)
_ARROW: Final = re.compile(r"\s*\n\s*(?:\x1b\[[0-9;]*m)?↳(?:\x1b\[[0-9;]*m)?\s*")


class NoCredentialsError(OSError):
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


def in_words(error: BaseException, bucket: str, endpoint: str | None) -> str:
    """Return what an error of obstore or Delta means, in a line, with what to set.

    Args:
        error: as it was raised.
        bucket: the bucket's name.
        endpoint: the service's URL; ``None`` for Amazon's own.
    """
    line = _ARROW.sub(": ", _DEBUG.sub("", str(error)).strip()).partition("\n")[0] or type(error).__name__
    told = {"bucket": bucket, "endpoint": endpoint or "Amazon S3", "said": _INNER_WORDS.sub("", line)}
    code = _CODE.search(line)
    told["code"] = f"({code[1]}) " if code else ""
    for pattern, words in _MEANINGS:
        found = re.search(pattern, line)
        if found is not None:
            return words.format(**told, **found.groupdict())
    return told["said"]


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

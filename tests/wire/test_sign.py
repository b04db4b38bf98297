"""Signatures: what botocore signs is accepted, and whatever is changed afterwards is refused."""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sartor.errors import ApiError
from sartor.policies.principal import Principal
from sartor.wire.sign import Authority, Caller, HttpRequest, verify

URL = "http://127.0.0.1:4900/"
WHO = Principal("111122223333", "arn:aws:iam::111122223333:user/anna", "anna")


@dataclass(frozen=True)
class Key:
    access_key_id: str = "AKIDEXAMPLE"
    secret_access_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    account: str = "111122223333"
    principal: Principal = WHO


def signer(access_key_id: str, token: str | None, _now: float) -> Key | None:
    """Return the one key, which is lasting."""
    return Key() if access_key_id == Key.access_key_id and not token else None


def signed(
    auth: Any = SigV4Auth,
    url: str = URL,
    secret: str = Key.secret_access_key,
    service: str = "personalize",
    token: str | None = None,
) -> HttpRequest:
    request = AWSRequest(
        "POST",
        url,
        data=b'{"name": "x"}',
        headers={"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "A.B"},
    )
    auth(Credentials(Key.access_key_id, secret, token), service, "eu-west-1").add_auth(request)
    prepared = request.prepare()
    _, _, rest = prepared.url.partition("//")
    host, _, tail = rest.partition("/")
    path, _, query = f"/{tail}".partition("?")
    headers = {
        name.lower(): value if isinstance(value, str) else value.decode()
        for name, value in prepared.headers.items()
    }
    return HttpRequest("POST", path, query, {"host": host, **headers}, prepared.body or b"")


def refusal(request: HttpRequest, now: float | None = None) -> str:
    with pytest.raises(ApiError) as refused:
        verify(request, signer, time.time() if now is None else now)
    return refused.value.code


@pytest.mark.parametrize("auth", [SigV4Auth, SigV4QueryAuth])
@pytest.mark.parametrize("url", [URL, URL + "events", URL + "?b=2&a=1&a=%20x&empty=", URL + "?b=x:y/z&a=1"])
def test_what_botocore_signs_names_the_keys_account_and_the_signed_region(auth: Any, url: str) -> None:
    caller = verify(signed(auth, url), signer, time.time())
    assert caller == Caller("111122223333", "eu-west-1", Key.access_key_id, WHO)


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"name": "y"}'},
        {"method": "PUT"},
        {"path": "/other"},
        {"query": "a=1"},
    ],
)
def test_a_changed_request_is_refused(change: dict[str, Any]) -> None:
    assert refusal(replace(signed(), **change)) == "InvalidSignatureException"


@pytest.mark.parametrize("name", ["host", "x-amz-target", "x-amz-date"])
def test_a_changed_signed_header_is_refused(name: str) -> None:
    request = signed()
    value = "20260101T000000Z" if name == "x-amz-date" else "other"
    assert refusal(replace(request, headers={**request.headers, name: value})) == "InvalidSignatureException"


def test_an_amazon_header_that_is_not_signed_is_refused() -> None:
    request = signed()
    assert (
        refusal(replace(request, headers={**request.headers, "x-amz-other": "1"}))
        == "InvalidSignatureException"
    )


def test_a_signed_header_that_was_removed_is_refused() -> None:
    request = signed()
    headers = {name: value for name, value in request.headers.items() if name != "x-amz-target"}
    assert refusal(replace(request, headers=headers)) == "InvalidSignatureException"


def test_another_secret_is_refused() -> None:
    assert refusal(signed(secret="wrong")) == "InvalidSignatureException"


def test_another_service_is_refused() -> None:
    assert refusal(signed(service="s3")) == "InvalidSignatureException"


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ApiError) as refused:
        verify(signed(), lambda *_: None, time.time())
    assert refused.value.code == "UnrecognizedClientException"


@pytest.mark.parametrize("minutes", [-16, 16, 60 * 24])
def test_a_clock_that_is_more_than_fifteen_minutes_off_is_refused(minutes: int) -> None:
    assert refusal(signed(), time.time() + minutes * 60) == "InvalidSignatureException"


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_that_is_less_than_fifteen_minutes_off_is_accepted(minutes: int) -> None:
    assert verify(signed(), signer, time.time() + minutes * 60).account == "111122223333"


def test_a_signed_url_lives_as_long_as_it_says() -> None:
    request = signed(SigV4QueryAuth)  # an hour
    assert verify(request, signer, time.time() + 3500).account == "111122223333"
    assert refusal(request, time.time() + 3700) == "InvalidSignatureException"


def test_a_changed_lifetime_of_a_signed_url_is_refused() -> None:
    request = signed(SigV4QueryAuth)
    assert (
        refusal(replace(request, query=request.query.replace("Expires=3600", "Expires=9999")))
        == "InvalidSignatureException"
    )


@pytest.mark.parametrize(
    "lifetime",
    [
        "0",
        "604801",
        "000604800999999",
        "0000000010" + "0" * 5000,
        "9" * 5000,
        "-1",
        "+60",
        "6_0",
        "１６",
        "1e3",
    ],
)
def test_a_lifetime_that_no_signed_url_can_have_is_refused(lifetime: str) -> None:
    request = signed(partial(SigV4QueryAuth, expires=lifetime))
    assert refusal(request) == "IncompleteSignatureException"


def test_zeros_before_a_lifetime_do_not_make_it_longer() -> None:
    request = signed(partial(SigV4QueryAuth, expires="0000000010"))
    assert verify(request, signer, time.time() + 5).account == "111122223333"
    assert refusal(request, time.time() + 15) == "InvalidSignatureException"


@pytest.mark.parametrize(
    "moment", ["２0260101T000000Z", "2026111T000000Z", "20261301T000000Z", "0" * 5000, ""]
)
def test_a_time_in_another_form_is_refused(moment: str) -> None:
    request = signed()
    assert (
        refusal(replace(request, headers={**request.headers, "x-amz-date": moment}))
        == "IncompleteSignatureException"
    )


def test_a_stated_body_hash_must_be_the_bodys() -> None:
    request = signed()
    stated = {**request.headers, "x-amz-content-sha256": "0" * 64}
    assert refusal(replace(request, headers=stated)) == "InvalidSignatureException"


def test_an_unsigned_request_is_refused() -> None:
    request = replace(signed(), headers={"host": "x"})
    assert refusal(request) == "MissingAuthenticationTokenException"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/x/personalize/aws4_request, Signature=0",
        "AWS4-HMAC-SHA256 ,,,===",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/2026/eu-west-1/personalize/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-target, Signature=ü",
    ],
)
def test_a_malformed_signature_is_refused(header: str) -> None:
    request = signed()
    code = refusal(replace(request, headers={**request.headers, "authorization": header}))
    assert code in ("IncompleteSignatureException", "InvalidSignatureException")


@pytest.mark.parametrize("auth", [SigV4Auth, SigV4QueryAuth])
def test_a_token_comes_with_the_signature_and_is_signed_itself(auth: Any) -> None:
    asked = []

    def of_a_session(access_key_id: str, token: str | None, now: float) -> Key:
        asked.append((access_key_id, token, now))
        return Key()

    request = signed(auth, token="token+/=")
    assert verify(request, of_a_session, time.time()).principal == WHO
    assert [one[:2] for one in asked] == [(Key.access_key_id, "token+/=")]
    assert refusal(request) == "UnrecognizedClientException"
    other = replace(
        request,
        headers={name: value.replace("token+", "other+") for name, value in request.headers.items()},
        query=request.query.replace("token%2B", "other%2B"),
    )
    with pytest.raises(ApiError, match="does not match"):
        verify(other, of_a_session, time.time())


def test_a_signature_is_for_one_service() -> None:
    request = signed(service="sts")
    assert verify(request, signer, time.time(), "sts").account == Key.account
    assert refusal(request) == "InvalidSignatureException"
    with pytest.raises(ApiError, match="correct service: 'sts'"):
        verify(signed(), signer, time.time(), "sts")


def test_an_open_server_takes_the_region_that_the_client_claims() -> None:
    authority = Authority(signer, open_to=("000000000000", "us-east-1"))
    unsigned = HttpRequest("POST", "/", "", {}, b"")
    assert authority.caller(unsigned, 0.0) == Caller("000000000000", "us-east-1", "")
    assert authority.caller(signed(secret="any"), 0.0).region == "eu-west-1"

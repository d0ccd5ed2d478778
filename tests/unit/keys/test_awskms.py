"""AWS KMS: what is sent there, and what its refusals and troubles become. moto stands in for it, under a small fake."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import botocore.exceptions as aws
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from tests.contract.kms_fake import StricterKms
from tests.contract.makers import BOTO3, INSTANCE, REGION, kms_client
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys.awskms import AwsKmsProvider

SECRET = bytes(range(32))
PLACE = b"SRM1 a place with names in it: zoe"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DIGEST = re.compile(r"[0-9a-f]{64}")


def over(client: Any, instance_id: str, key_id: str = "") -> AwsKmsProvider:
    return AwsKmsProvider(lambda: client, instance_id, key_id)


@pytest.fixture
def kms() -> Iterator[StricterKms]:
    with ExitStack() as stack:
        yield kms_client(stack)


@pytest.fixture
def provider(kms: StricterKms) -> AwsKmsProvider:
    return over(kms, INSTANCE)


def test_decrypt_always_names_the_key(provider: AwsKmsProvider, kms: StricterKms) -> None:
    ref = provider.create_version()
    provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE)
    assert [arguments["KeyId"] for name, arguments in kms.calls if name == "decrypt"] == [ref]


def test_what_cloudtrail_shows_is_a_uuid_and_a_digest_and_no_name(provider: AwsKmsProvider, kms: StricterKms) -> None:
    ref = provider.create_version()
    provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE)
    for name, arguments in kms.calls:
        if name in ("encrypt", "decrypt"):
            assert UUID.fullmatch(arguments["EncryptionContext"].pop("strongroom-vault"))
            assert DIGEST.fullmatch(arguments["EncryptionContext"].pop("strongroom-context"))
            assert arguments["EncryptionContext"] == {}
    assert "zoe" not in str([arguments for name, arguments in kms.calls])


def test_every_version_is_a_kms_key_of_its_own_and_its_ref_is_the_arn(provider: AwsKmsProvider) -> None:
    refs = {provider.create_version() for _ in range(2)}
    assert len(refs) == 2
    assert all(ref.startswith(f"arn:aws:kms:{REGION}:") for ref in refs)


def test_a_key_that_is_pending_deletion_is_refused_and_the_sentence_says_so(provider: AwsKmsProvider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    provider.destroy(ref)
    with pytest.raises(KeyProviderError, match="pending deletion"):
        provider.unwrap(ref, wrapped, PLACE)


def test_it_is_scheduled_for_the_shortest_wait(provider: AwsKmsProvider, kms: StricterKms) -> None:
    provider.destroy(provider.create_version())
    assert kms.calls[-1][1]["PendingWindowInDays"] == 7


def test_a_key_that_is_gone_altogether_may_be_destroyed_again(provider: AwsKmsProvider) -> None:
    with Stubber(boto_client()) as stub:
        stub.add_client_error("schedule_key_deletion", "NotFoundException")
        over(stub.client, INSTANCE).destroy("arn:aws:kms:eu-west-1:1:key/gone")


def test_after_a_rotation_within_kms_old_key_material_still_unwraps(provider: AwsKmsProvider, kms: StricterKms) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    kms.rotate_material(ref)
    assert provider.unwrap(ref, wrapped, PLACE) == SECRET


def test_old_key_material_that_was_deleted_is_told_as_such(provider: AwsKmsProvider, kms: StricterKms) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    kms.rotate_material(ref)
    kms.delete_old_material(ref)
    with pytest.raises(KeyProviderError, match="key material is gone"):
        provider.unwrap(ref, wrapped, PLACE)
    assert provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE) == SECRET


def test_an_answer_of_another_key_is_not_believed(provider: AwsKmsProvider, kms: StricterKms) -> None:
    class Liar:
        def decrypt(self, **_: Any) -> dict[str, Any]:
            return {"KeyId": "arn:aws:kms:eu-west-1:1:key/other", "Plaintext": SECRET}

    with pytest.raises(BlobError):
        over(Liar(), INSTANCE).unwrap("arn:aws:kms:eu-west-1:1:key/mine", b"wrapped", PLACE)


def test_bytes_over_kms_s_own_limit_are_not_even_sent(provider: AwsKmsProvider, kms: StricterKms) -> None:
    with pytest.raises(BlobError):
        provider.unwrap("arn", bytes(6145), PLACE)
    assert kms.calls == []


# -- The key that the operator names -----------------------------------------------------------------------------


def test_a_named_key_becomes_the_version(kms: StricterKms) -> None:
    arn = kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName="alias/strongroom", TargetKeyId=arn)
    assert over(kms, INSTANCE, "alias/strongroom").create_version() == arn


def test_a_named_key_for_signing_or_a_disabled_one_is_refused(kms: StricterKms) -> None:
    signing = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(KeyProviderError, match="not a symmetric encryption key"):
        over(kms, INSTANCE, signing).create_version()
    disabled = kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=disabled)
    with pytest.raises(KeyProviderError, match="is Disabled"):
        over(kms, INSTANCE, disabled).create_version()


# -- Troubles ----------------------------------------------------------------------------------------------------


def boto_client() -> Any:
    return BOTO3.client("kms")


def outcome(code: str, status: int = 400) -> Exception:
    with Stubber(boto_client()) as stub:
        stub.add_client_error("encrypt", code, http_status_code=status)
        with pytest.raises((KeyProviderError, KeyProviderUnavailable, BlobError)) as caught:
            over(stub.client, INSTANCE).wrap("arn", SECRET, PLACE)
    return caught.value


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("KMSInternalException", 500),
        ("DependencyTimeoutException", 503),
        ("KeyUnavailableException", 500),
        ("SomethingNew", 502),
    ],
)
def test_what_passes_by_itself_may_be_asked_again(code: str, status: int) -> None:
    assert isinstance(outcome(code, status), KeyProviderUnavailable)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDeniedException", "key policy"),
        ("ExpiredTokenException", "expired"),
        ("DisabledException", "disabled"),
        ("NotFoundException", "no such key"),
        ("SomethingNewException", "SomethingNewException"),
    ],
)
def test_a_refusal_is_not_asked_again_and_says_what_to_do(code: str, advice: str) -> None:
    error = outcome(code)
    assert isinstance(error, KeyProviderError)
    assert advice in str(error)


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def fail(**_: Any) -> None:
            raise self.error

        return fail


@pytest.mark.parametrize(
    "error",
    [
        aws.EndpointConnectionError(endpoint_url="https://kms.internal"),
        aws.ConnectTimeoutError(endpoint_url="https://kms.internal"),
        aws.ReadTimeoutError(endpoint_url="https://kms.internal"),
        aws.ConnectionClosedError(endpoint_url="https://kms.internal"),
        aws.CredentialRetrievalError(provider="role", error_msg="timeout"),
    ],
)
def test_a_network_that_fails_is_an_outage_and_names_no_address(error: Exception) -> None:
    with pytest.raises(KeyProviderUnavailable) as caught:
        over(Failing(error), INSTANCE).wrap("arn", SECRET, PLACE)
    assert "internal" not in str(caught.value)


def test_without_credentials_it_says_so() -> None:
    with pytest.raises(KeyProviderError, match="No AWS credentials"):
        over(Failing(aws.NoCredentialsError()), INSTANCE).wrap("arn", SECRET, PLACE)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.usefixtures("credentials")
def test_without_a_region_it_names_the_setting() -> None:
    with pytest.raises(KeyProviderError, match="STRONGROOM_AWS_KMS_REGION"):
        AwsKmsProvider.connect(INSTANCE).probe()


def test_being_made_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.session, "Session", lambda: pytest.fail("Credentials were looked for."))
    AwsKmsProvider.connect(INSTANCE, region=REGION)


@pytest.mark.usefixtures("credentials")
def test_botocore_waits_less_than_the_guard_and_retries_nothing() -> None:
    client: Any = AwsKmsProvider.connect(INSTANCE, region=REGION)._client()
    config = client.meta.config
    assert config.connect_timeout + config.read_timeout <= 3
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.usefixtures("credentials")
def test_the_endpoint_is_the_one_of_the_setting() -> None:
    client: Any = AwsKmsProvider.connect(INSTANCE, region=REGION, endpoint="https://vpce-1.kms.example")._client()
    assert client.meta.endpoint_url == "https://vpce-1.kms.example"


def test_a_probe_without_the_right_to_it_is_an_answer_too() -> None:
    with Stubber(boto_client()) as stub:
        stub.add_client_error("generate_random", "AccessDeniedException")
        over(stub.client, INSTANCE).probe()
        stub.add_client_error("generate_random", "ExpiredTokenException")
        with pytest.raises(KeyProviderError, match="expired"):
            over(stub.client, INSTANCE).probe()


@pytest.mark.usefixtures("credentials")
def test_over_moto_alone_it_wraps_and_unwraps() -> None:
    with mock_aws():
        provider = AwsKmsProvider.connect(str(uuid.uuid4()), region=REGION)
        ref = provider.create_version()
        wrapped = provider.wrap(ref, json.dumps({}).encode(), PLACE)
        assert provider.unwrap(ref, wrapped, PLACE) == b"{}"
        with pytest.raises(BlobError):
            provider.unwrap(ref, wrapped, b"another place")

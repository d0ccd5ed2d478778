"""The `awskms` provider: one AWS KMS key for each master version; its ref is that key's ARN.

    wrap    → Encrypt(KeyId=ref, EncryptionContext)     the key itself never leaves KMS
    unwrap  → Decrypt(KeyId=ref, EncryptionContext)     always with KeyId: KMS would else take any key it finds

The encryption context shows in CloudTrail, so it holds the vault's UUID (good for conditions in a key policy) and a
SHA-256 of our context, which is made of UUIDs: no name is ever in it.

`boto3` comes with `pip install 'strongroom[awskms]'` and is imported only when this provider is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
)

from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys.provider import Capabilities

CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0
"""Together within the guard's budget of 3 s; the guard retries, so botocore must not."""

DELETION_DAYS = 7
"""The shortest wait that KMS takes; the vault's own waiting time has passed by then."""

MAXIMUM_CIPHERTEXT_BYTES = 6144
"""KMS takes no more (API reference, Decrypt); we make about 180."""

_KEY_SPEC, _KEY_USAGE = "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"

_OUT_OF_REACH = (ConnectionError, HTTPClientError, CredentialRetrievalError, MetadataRetrievalError)
_DOES_NOT_UNWRAP = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_PASSING = frozenset(
    {
        "DependencyTimeoutException",
        "InternalFailure",
        "KMSInternalException",
        "KeyUnavailableException",
        "LimitExceededException",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
_ADVICE = {
    "AccessDeniedException": "AWS denies it: check the key policy and this host's IAM role.",
    "DisabledException": "The key is disabled.",
    "ExpiredTokenException": "The AWS credentials have expired.",
    "KMSInvalidStateException": "The key is pending deletion, or its key material is gone.",
    "NotFoundException": "There is no such key in this account and region.",
    "UnrecognizedClientException": "AWS does not know these credentials.",
}


class AwsKmsProvider:
    """Master keys in AWS KMS. Thread-safe, as botocore's clients are."""

    name = "awskms"

    def __init__(self, client: Callable[[], Any], instance_id: str, key_id: str = "") -> None:
        """`client` gives boto3's for KMS; with `key_id` versions are that key and not new ones. Asks nobody yet."""
        self._client = client
        self._instance_id = instance_id
        self._key_id = key_id

    @classmethod
    def connect(cls, instance_id: str, *, region: str = "", endpoint: str = "", key_id: str = "") -> Self:
        """With the credentials that AWS's SDK finds by itself, which may ask this machine's metadata service."""
        # Made at the first call, which the guard bounds: looking for credentials is network already.
        return cls(cache(lambda: _kms_client(region, endpoint)), instance_id, key_id)

    def create_version(self) -> str:
        """A new symmetric KMS key, or the one that STRONGROOM_AWS_KMS_KEY_ID names; its ARN."""
        if self._key_id:
            return self._named_key()
        description = f"Strongroom: a master key of the vault {self._instance_id}"
        wanted = {"KeySpec": _KEY_SPEC, "KeyUsage": _KEY_USAGE, "Description": description}
        answer = self._ask("create_key", **wanted)
        return str(answer["KeyMetadata"]["Arn"])

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """KMS's own ciphertext, bound to the context."""
        bound = self._encryption_context(context)
        answer = self._ask("encrypt", KeyId=ref, Plaintext=key, EncryptionContext=bound)
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """The inverse. Raises `BlobError` on another version, another context or changed bytes."""
        if not 0 < len(wrapped) <= MAXIMUM_CIPHERTEXT_BYTES:
            raise BlobError()
        bound = self._encryption_context(context)
        answer = self._ask("decrypt", KeyId=ref, CiphertextBlob=wrapped, EncryptionContext=bound)
        if answer["KeyId"] != ref:
            raise BlobError()
        return bytes(answer["Plaintext"])

    def disable(self, ref: str) -> None:
        """KMS's own DisableKey."""
        self._ask("disable_key", KeyId=ref)

    def enable(self, ref: str) -> None:
        """KMS's own EnableKey. What is pending deletion is refused: whoever wants it back asks KMS for that."""
        self._ask("enable_key", KeyId=ref)

    def destroy(self, ref: str) -> None:
        """Schedule the key's deletion: KMS refuses it from now on, and it is gone in seven days."""
        try:
            self._ask("schedule_key_deletion", KeyId=ref, PendingWindowInDays=DELETION_DAYS)
        except KeyProviderError as error:
            # Pending deletion already, or gone: this may be repeated.
            if _code(error.__cause__) not in ("KMSInvalidStateException", "NotFoundException"):
                raise

    def probe(self) -> None:
        """A random byte from KMS: credentials and network are well. No right to it is an answer, too."""
        try:
            self._ask("generate_random", NumberOfBytes=1)
        except KeyProviderError as error:
            if _code(error.__cause__) != "AccessDeniedException":
                raise

    def capabilities(self) -> Capabilities:
        """KMS binds contexts, and is a network away."""
        return Capabilities(context=True, local=False)

    def _named_key(self) -> str:
        found = self._ask("describe_key", KeyId=self._key_id)["KeyMetadata"]
        if (found.get("KeySpec"), found.get("KeyUsage")) != (_KEY_SPEC, _KEY_USAGE):
            raise KeyProviderError(
                f"The KMS key {self._key_id} is no symmetric key for encryption; a master key has to be one."
            )
        if found["KeyState"] != "Enabled":
            raise KeyProviderError(f"The KMS key {self._key_id} is {found['KeyState']}: enable it or name another.")
        return str(found["Arn"])

    def _encryption_context(self, context: bytes) -> dict[str, str]:
        return {"strongroom-vault": self._instance_id, "strongroom-context": sha256(context).hexdigest()}

    def _ask(self, method: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client(), method)(**arguments)
        except ClientError as error:
            raise _refusal(error) from error
        except _OUT_OF_REACH:
            # Not told why: the sentence goes to callers, and the cause names internal addresses.
            raise KeyProviderUnavailable() from None
        except NoCredentialsError as error:
            raise KeyProviderError("No AWS credentials were found: give this host a role, or AWS_PROFILE.") from error
        except NoRegionError:
            raise KeyProviderError("Set STRONGROOM_AWS_KMS_REGION to the region of the KMS keys.") from None
        except (BotoCoreError, ValueError) as error:
            raise KeyProviderError(f"AWS KMS cannot be used as it is set up: {error}") from error


def _kms_client(region: str, endpoint: str) -> Any:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
    )
    # A session of our own: the shared one is not safe to make clients from in several threads.
    session = boto3.session.Session()
    return session.client("kms", region_name=region or None, endpoint_url=endpoint or None, config=config)


def _code(error: object) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _refusal(error: ClientError) -> BlobError | KeyProviderError | KeyProviderUnavailable:
    code = _code(error)
    if code in _DOES_NOT_UNWRAP:
        return BlobError()
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.BAD_REQUEST)
    if code in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return KeyProviderUnavailable()
    advice = _ADVICE.get(code, "See AWS's documentation of this error.")
    return KeyProviderError(f"AWS KMS refuses {error.operation_name} ({code or status}). {advice}")

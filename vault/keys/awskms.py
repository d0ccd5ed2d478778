"""The `awskms` provider: one AWS KMS key for each master key version. The ref is that key's ARN.

    wrap    → Encrypt(KeyId=ref, EncryptionContext)     the key itself never leaves KMS
    unwrap  → Decrypt(KeyId=ref, EncryptionContext)     always with KeyId: otherwise KMS uses any key it finds

The encryption context is visible in CloudTrail. It has the vault's UUID (for conditions in a key policy) and a
SHA-256 of our context, which consists of UUIDs. It never contains a name.

`boto3` comes with `pip install 'strongroom[awskms]'` and is imported only when this provider is chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from http import HTTPStatus
from typing import Self, TypedDict

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
from vault.settings import Settings

CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0
"""The sum is less than the guard's budget of 3 s. The guard retries, so botocore must not."""

DELETION_DAYS = 7
"""KMS allows no shorter wait. The vault's own waiting time has passed by then."""

MAXIMUM_CIPHERTEXT_BYTES = 6144
"""The limit of KMS (API reference, Decrypt). We send about 180 bytes."""

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
    "AccessDeniedException": "AWS denies access. Check the key policy and this host's IAM role.",
    "DisabledException": "The key is disabled. Enable it in AWS KMS.",
    "ExpiredTokenException": "The AWS credentials have expired. Renew them.",
    "KMSInvalidStateException": "The key is pending deletion, or its key material is gone.",
    "NotFoundException": "There is no such key in this account and region.",
    "UnrecognizedClientException": "AWS does not recognise these credentials.",
}


class _KeyMetadata(TypedDict):
    Arn: str
    KeySpec: str
    KeyUsage: str
    KeyState: str


class _KmsAnswer(TypedDict):
    """The members of KMS's answers that are used here. Each operation returns only some of them."""

    KeyMetadata: _KeyMetadata
    KeyId: str
    CiphertextBlob: bytes
    Plaintext: bytes


class AwsKmsProvider:
    """Master keys in AWS KMS. Thread-safe, as botocore's clients are."""

    name = "awskms"

    def __init__(self, client: Callable[[], object], instance_id: str, key_id: str = "") -> None:
        """`client` returns boto3's KMS client. With `key_id`, every version is that key. Makes no call to AWS yet."""
        self._client = client
        self._instance_id = instance_id
        self._key_id = key_id

    @classmethod
    def connect(cls, instance_id: str, *, region: str = "", endpoint: str = "", key_id: str = "") -> Self:
        """Use the credentials that AWS's SDK finds by itself. It may ask this machine's metadata service."""
        # Make the client at the first call, which the guard limits: the search for credentials may use the network.
        return cls(cache(lambda: _kms_client(region, endpoint)), instance_id, key_id)

    @classmethod
    def from_settings(cls, settings: Settings, instance_id: str) -> Self:
        """Return the provider that `STRONGROOM_AWS_KMS_…` describes. Without these, it uses the setup of AWS's SDK."""
        place = {"region": settings.aws_kms_region, "endpoint": settings.aws_kms_endpoint}
        return cls.connect(instance_id, **place, key_id=settings.aws_kms_key_id)

    def create_version(self) -> str:
        """Create a symmetric KMS key, or use the one that STRONGROOM_AWS_KMS_KEY_ID names; return its ARN."""
        if self._key_id:
            return self._named_key()
        description = f"Strongroom: a master key of the vault {self._instance_id}"
        wanted = {"KeySpec": _KEY_SPEC, "KeyUsage": _KEY_USAGE, "Description": description}
        answer = self._ask("create_key", **wanted)
        return answer["KeyMetadata"]["Arn"]

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """Return KMS's own ciphertext, bound to the context."""
        bound = self._encryption_context(context)
        answer = self._ask("encrypt", KeyId=ref, Plaintext=key, EncryptionContext=bound)
        return answer["CiphertextBlob"]

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """Undo `wrap`. Raises `BlobError` for another version, another context or changed bytes."""
        if not 0 < len(wrapped) <= MAXIMUM_CIPHERTEXT_BYTES:
            raise BlobError()
        bound = self._encryption_context(context)
        answer = self._ask("decrypt", KeyId=ref, CiphertextBlob=wrapped, EncryptionContext=bound)
        if answer["KeyId"] != ref:
            raise BlobError()
        return answer["Plaintext"]

    def disable(self, ref: str) -> None:
        """Call KMS's DisableKey."""
        self._ask("disable_key", KeyId=ref)

    def enable(self, ref: str) -> None:
        """Call KMS's EnableKey. It refuses a key that is pending deletion; cancel the deletion in KMS first."""
        self._ask("enable_key", KeyId=ref)

    def destroy(self, ref: str) -> None:
        """Schedule the key's deletion. KMS refuses to use it from now on, and deletes it in seven days."""
        try:
            self._ask("schedule_key_deletion", KeyId=ref, PendingWindowInDays=DELETION_DAYS)
        except KeyProviderError as error:
            # It is already deleted or pending deletion. `destroy` may be repeated.
            if _code(error.__cause__) not in ("KMSInvalidStateException", "NotFoundException"):
                raise

    def probe(self) -> None:
        """Ask KMS for a random byte, which tests credentials and network. A refusal for lack of rights counts as
        success.
        """
        try:
            self._ask("generate_random", NumberOfBytes=1)
        except KeyProviderError as error:
            if _code(error.__cause__) != "AccessDeniedException":
                raise

    def capabilities(self) -> Capabilities:
        """KMS binds contexts, and it is reached over the network."""
        return Capabilities(context=True, local=False)

    def _named_key(self) -> str:
        found = self._ask("describe_key", KeyId=self._key_id)["KeyMetadata"]
        if (found.get("KeySpec"), found.get("KeyUsage")) != (_KEY_SPEC, _KEY_USAGE):
            raise KeyProviderError(
                f"The KMS key {self._key_id} is not a symmetric encryption key. A master key must be one."
            )
        if found["KeyState"] != "Enabled":
            raise KeyProviderError(
                f"The KMS key {self._key_id} is {found['KeyState']}. Enable it or configure another key."
            )
        return found["Arn"]

    def _encryption_context(self, context: bytes) -> dict[str, str]:
        return {"strongroom-vault": self._instance_id, "strongroom-context": sha256(context).hexdigest()}

    def _ask(self, method: str, **arguments: object) -> _KmsAnswer:
        try:
            answer: _KmsAnswer = getattr(self._client(), method)(**arguments)
        except ClientError as error:
            raise _refusal(error) from error
        except _OUT_OF_REACH:
            # `from None`: callers see this error, and its cause contains internal addresses.
            raise KeyProviderUnavailable() from None
        except NoCredentialsError as error:
            raise KeyProviderError(
                "No AWS credentials were found. Give this host an IAM role, or set AWS_PROFILE."
            ) from error
        except NoRegionError:
            raise KeyProviderError("Set STRONGROOM_AWS_KMS_REGION to the region of the KMS keys.") from None
        except (BotoCoreError, ValueError) as error:
            raise KeyProviderError(f"AWS KMS cannot be used with these settings: {error}") from error
        return answer


def _kms_client(region: str, endpoint: str) -> object:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
    )
    # Use a session of our own: making clients from the shared session is not thread-safe.
    session = boto3.session.Session()
    return session.client("kms", region_name=region or None, endpoint_url=endpoint or None, config=config)


def _code(error: object) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _refusal(  # type: ignore[no-any-unimported]  # botocore ships no types
    error: ClientError,
) -> BlobError | KeyProviderError | KeyProviderUnavailable:
    code = _code(error)
    if code in _DOES_NOT_UNWRAP:
        return BlobError()
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", HTTPStatus.BAD_REQUEST)
    if code in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return KeyProviderUnavailable()
    advice = _ADVICE.get(code, "See AWS's documentation of this error.")
    return KeyProviderError(f"AWS KMS refuses {error.operation_name} ({code or status}). {advice}")

"""A fake laid over moto's KMS: it refuses what AWS documents as refused, and moto lets pass. For tests only.

- Encrypt, Decrypt, EnableKey, DisableKey and ScheduleKeyDeletion on a key that is pending deletion, and Encrypt and
  Decrypt on a disabled one (https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html).
- Decrypt of a ciphertext of another key than KeyId says: IncorrectKeyException; moto answers AccessDeniedException.
- moto takes no ARN in EnableKey, DisableKey and ScheduleKeyDeletion; AWS does.
- Old key material: a ciphertext remembers the material that it was made under. After a rotation the old material
  still decrypts; once it is deleted (imported material can be), the key is pending import and refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

_MATERIAL_BYTES = 1


class StricterKms:
    """A boto3 client for KMS, with those refusals. `calls` are the arguments of every call, by its name."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._material: dict[str, int] = {}
        self._deleted: set[tuple[str, int]] = set()
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self, f"_{name}", getattr(self._client, name))

        def call(**arguments: Any) -> Any:
            self.calls.append((name, arguments))
            return method(**arguments)

        return call

    def rotate_material(self, arn: str) -> None:
        """As RotateKeyOnDemand: new ciphertexts are made under new material."""
        self._material[arn] = self._material.get(arn, 0) + 1

    def delete_old_material(self, arn: str) -> None:
        """As DeleteImportedKeyMaterial of everything but the current material."""
        self._deleted |= {(arn, material) for material in range(self._material.get(arn, 0))}

    def _encrypt(self, **arguments: Any) -> Any:
        self._require("Encrypt", arguments["KeyId"], "Enabled")
        answer = self._client.encrypt(**arguments)
        material = self._material.get(arguments["KeyId"], 0).to_bytes(_MATERIAL_BYTES)
        return {**answer, "CiphertextBlob": material + answer["CiphertextBlob"]}

    def _decrypt(self, **arguments: Any) -> Any:
        arn, blob = arguments["KeyId"], arguments["CiphertextBlob"]
        self._require("Decrypt", arn, "Enabled")
        material = int.from_bytes(blob[:_MATERIAL_BYTES])
        if material > self._material.get(arn, 0) or len(blob) == _MATERIAL_BYTES:
            raise _error("Decrypt", "InvalidCiphertextException")
        if (arn, material) in self._deleted:
            raise _error("Decrypt", "KMSInvalidStateException")
        try:
            return self._client.decrypt(**{**arguments, "CiphertextBlob": blob[_MATERIAL_BYTES:]})
        except ClientError as error:
            if error.response["Error"]["Code"] == "AccessDeniedException":
                raise _error("Decrypt", "IncorrectKeyException") from None
            raise

    def _enable_key(self, KeyId: str) -> Any:
        self._require("EnableKey", KeyId, "Enabled", "Disabled")
        return self._client.enable_key(KeyId=_bare(KeyId))

    def _disable_key(self, KeyId: str) -> Any:
        self._require("DisableKey", KeyId, "Enabled", "Disabled")
        return self._client.disable_key(KeyId=_bare(KeyId))

    def _schedule_key_deletion(self, KeyId: str, PendingWindowInDays: int) -> Any:
        self._require("ScheduleKeyDeletion", KeyId, "Enabled", "Disabled")
        return self._client.schedule_key_deletion(KeyId=_bare(KeyId), PendingWindowInDays=PendingWindowInDays)

    def _require(self, operation: str, arn: str, *states: str) -> None:
        state = self._client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
        if state not in states:
            raise _error(operation, "DisabledException" if state == "Disabled" else "KMSInvalidStateException")


def _bare(arn: str) -> str:
    return arn.rpartition("/")[2]


def _error(operation: str, code: str) -> ClientError:  # type: ignore[no-any-unimported]  # botocore ships no types
    return ClientError({"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 400}}, operation)

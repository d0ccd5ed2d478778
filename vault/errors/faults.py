"""Errors of stored data, keys, archives, and of the server as a client sees it."""

from __future__ import annotations

from vault.errors.base import StrongroomError


class IntegrityError(StrongroomError):
    """Stored bytes are not what this vault stored. The caller gets no details."""

    code = "internal"
    sentence = "The server failed to answer."


class BlobError(IntegrityError):
    """A blob cannot be opened: wrong key, wrong place, or changed bytes. There is one message for all causes."""

    sentence = "The sealed data cannot be opened."


class SignatureError(IntegrityError):
    """A checkpoint of the audit is not signed by this vault, or is not a checkpoint."""

    sentence = "This vault has not signed this checkpoint."


class MacError(IntegrityError):
    """A signed row was not written by this vault."""

    sentence = "A stored row was not written by this vault."


class KeyProviderError(StrongroomError):
    """The key provider refuses, and a retry will not help."""

    code = "key_provider_refused"


class KeyringError(KeyProviderError):
    """The keyring file is missing, belongs to another vault, or is not safe to use."""

    code = "bad_keyring"


class StorageError(StrongroomError):
    """The database cannot be used in its present state."""

    code = "bad_storage"


class BackupError(StrongroomError):
    """An archive, or a place for archives, cannot be used."""

    code = "bad_backup"


class ErasedListError(BackupError):
    """The list of erased keys beside the archives was not signed by this vault."""

    code = "bad_erased_list"


class TransportError(StrongroomError):
    """The SDK could not reach the server, or did not understand its answer."""

    code = "transport"


class ServerError(StrongroomError):
    """The server failed. The message has the request id, which helps the operator to find the cause."""

    code = "internal"
    sentence = "The server failed to answer."

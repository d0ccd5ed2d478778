"""Lock and unlock: a flag in the database that every worker reads twice a second.

When the vault is locked, each worker drops all of its keys and answers 503. The flag is written first, in its own
transaction, which waits for no other and needs no key. So a vault can be locked while its key provider is away, or
while a frozen host holds locks. The audit event comes second. If it cannot be written, the vault stays locked and the
caller gets a warning. The flag has no MAC, so anyone who can write to the database can lock and unlock the vault. They
still need a credential to read anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.errors import Unavailable
from vault.model.action import Action
from vault.model.principal import Principal
from vault.services import audit
from vault.storage import RowSigner, Storage
from vault.storage.rows.lock_flag import read_flag, write_flag


@dataclass(frozen=True, slots=True)
class LockChange:
    """The result of a call to lock or unlock."""

    changed: bool
    """False if the vault was already in the requested state."""
    warning: str = ""
    """A sentence for the operator, or empty."""


def lock(storage: Storage, principal: Principal) -> LockChange:
    """Lock the vault. For operators. Raises `DatabaseUnavailable` if it could not be locked."""
    return _set(storage, principal, locked=True)


def unlock(storage: Storage, principal: Principal) -> LockChange:
    """Unlock the vault. For operators. Raises `DatabaseUnavailable` if it is still locked."""
    return _set(storage, principal, locked=False)


def record(storage: Storage, signer: RowSigner, principal: Principal, *, locked: bool) -> str:
    """Record in the audit that the vault was locked or unlocked. Returns a warning if that fails, otherwise ""."""
    principal.require_operator()
    try:
        with storage.write() as unit:
            unit.use_signer(signer)
            audit.record(unit, principal, Action.VAULT_LOCK if locked else Action.VAULT_UNLOCK)
    except Unavailable as error:
        return f"This is not in the audit: {error.message}"
    return ""


def _set(storage: Storage, principal: Principal, *, locked: bool) -> LockChange:
    principal.require_operator()
    # Take the signer first: once the flag is set, this process drops its keys too.
    signer = storage.signer
    if read_flag(storage).locked == locked:
        return LockChange(changed=False)
    warning = write_flag(storage, locked, storage.clock())
    if warning or signer is None:
        return LockChange(changed=True, warning=warning)
    return LockChange(changed=True, warning=record(storage, signer, principal, locked=locked))

"""Lock and unlock: a flag in the database that every worker looks at twice a second.

Locked, a worker purges every key that it holds, its own too, and answers 503. The flag is written first, in a
transaction of its own that waits for no other, and needs no key: a vault can be locked while its key provider is away,
or while a frozen host holds locks. The audit comes after that. Where it cannot be written, the lock stands and the
caller is told. The flag carries no MAC, so who can write to the database can lock the vault, and unlock one that an
operator has locked; they still need a credential to read anything.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.errors import Unavailable
from vault.model.principal import Principal
from vault.services import audit
from vault.services.clock import now_us
from vault.storage import RowSigner, Storage
from vault.storage.lock_flag import read_flag, write_flag


@dataclass(frozen=True, slots=True)
class LockChange:
    """What became of a call to lock or unlock."""

    changed: bool
    """False where the vault was as it was asked to be."""
    warning: str = ""
    """What an operator must know."""


def lock(storage: Storage, principal: Principal) -> LockChange:
    """Lock the vault. For operators. Raises `DatabaseUnavailable` where it is not locked."""
    return _set(storage, principal, locked=True)


def unlock(storage: Storage, principal: Principal) -> LockChange:
    """Unlock the vault. For operators. Raises `DatabaseUnavailable` where it is still locked."""
    return _set(storage, principal, locked=False)


def record(storage: Storage, signer: RowSigner, principal: Principal, *, locked: bool) -> str:
    """Write into the audit that the vault was locked or unlocked. A sentence where that cannot be done just now."""
    principal.require_operator()
    try:
        with storage.write() as unit:
            unit.use_signer(signer)
            audit.record(unit, principal, "vault.lock" if locked else "vault.unlock")
    except Unavailable as error:
        return f"This is not in the audit: {error.message}"
    return ""


def _set(storage: Storage, principal: Principal, *, locked: bool) -> LockChange:
    principal.require_operator()
    # Taken now: as soon as the flag stands, this process drops its keys too.
    signer = storage.signer
    if read_flag(storage).locked == locked:
        return LockChange(changed=False)
    warning = write_flag(storage, locked, now_us())
    if warning or signer is None:
        return LockChange(changed=True, warning=warning)
    return LockChange(changed=True, warning=record(storage, signer, principal, locked=locked))

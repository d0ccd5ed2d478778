"""Lock and unlock: a flag in the database that every worker looks at twice a second.

Locked, a worker purges every key that it holds, its own too, and answers 503. To set the flag needs no key: a vault can
be locked while its key provider is away; only then is it not in the audit, which needs keys to be vouched for. The flag
carries no MAC, so whoever can write to the database can lock the vault, and unlock one that an operator has locked;
they still need a credential to read anything.
"""

from __future__ import annotations

from vault.errors import StorageError
from vault.model.principal import Principal
from vault.services import audit
from vault.services.clock import now_us
from vault.services.waiting import again
from vault.storage import Storage, set_locked, watched


def lock(storage: Storage, principal: Principal) -> bool:
    """Lock the vault; False where it was locked already. For operators. Raises `DatabaseUnavailable`."""
    return again(lambda: _set(storage, principal, locked=True))


def unlock(storage: Storage, principal: Principal) -> bool:
    """Unlock the vault; False where it was not locked. For operators. Raises `DatabaseUnavailable`."""
    return again(lambda: _set(storage, principal, locked=False))


def _set(storage: Storage, principal: Principal, *, locked: bool) -> bool:
    principal.require_operator()
    with storage.write() as unit:
        found = watched(unit.connection)
        if found is None:
            raise StorageError("The database holds no vault.")
        if found.locked != locked:
            set_locked(unit.connection, locked, now_us())
            if storage.signer is not None:
                audit.record(unit, principal, "vault.lock" if locked else "vault.unlock")
        return found.locked != locked

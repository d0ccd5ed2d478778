"""Founds a vault: its first master key version, its system key, and the secrets that this key seals."""

from __future__ import annotations

import uuid

from vault.crypto import context, new_key, seal
from vault.errors import StorageError
from vault.keys import Keyring, MasterKey
from vault.model.action import Action
from vault.model.principal import vault_itself
from vault.services import audit
from vault.services.audit.tree import PURPOSE as CHECKPOINT
from vault.services.audit.tree import plant
from vault.services.own.keys import SECRET_PURPOSES, make_canary, new_user_key_columns
from vault.storage import ColumnValues, RowSigner, Storage, holds_vault, set_locked


def create(storage: Storage, keyring: Keyring, provider: str, ref: str) -> None:
    """Create a new vault in an empty, migrated database, in one transaction.

    `ref` is a version that the provider has already made for it. Raises `StorageError` if there is a vault.
    """
    now, system_id = storage.clock(), str(uuid.uuid4())
    master = MasterKey(str(uuid.uuid4()), provider, ref)
    wrapped = new_user_key_columns(keyring, master, 1, None, system_id)
    system_key = keyring.user_key(master, None, system_id, wrapped["blob"], wrapped["check_value"])
    own = {purpose: new_key() for purpose in SECRET_PURPOSES}
    with storage.write() as unit:
        if holds_vault(unit.connection):
            raise StorageError("The database already contains a vault.")
        unit.use_signer(RowSigner(own["mac"]))
        reference = {"id": master.id, "provider": provider, "ref": ref}
        born: ColumnValues = {"version": 1, "state": "active", "created_us": now, "changed_us": now}
        unit.master_keys.add(**reference, **born, **make_canary(keyring, master))
        unit.user_keys.add(**wrapped, state="active", generation=1, created_us=now)
        for purpose, key in own.items():
            blob = seal(system_key, context.system_secret(keyring.instance_id, purpose, key.id), key.secret)
            secret: ColumnValues = {"id": key.id, "purpose": purpose, "state": "active", "changed_us": now}
            unit.system_secrets.add(**secret, created_us=now, user_key_id=system_id, blob=blob)
        active = {"active_master_key_id": master.id, "active_system_key_id": system_id}
        plant(unit, keyring.instance_id, own[CHECKPOINT])
        set_locked(unit.connection, False, now)
        unit.feed.begin(now)
        unit.state.add(id=1, instance_id=keyring.instance_id, created_us=now, reseal_from_us=None, **active)
        audit.record(unit, vault_itself("founding"), Action.VAULT_CREATE)

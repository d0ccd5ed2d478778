"""`doctor --database`: checks every row and every blob, and names what is broken.

MACs        this vault wrote every signed row
references  rows refer to rows that exist and belong together
blobs       every key unwraps, and every revision, password and description opens
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec

from vault.errors import IntegrityError, KeyProviderUnavailable, NewerFormat
from vault.model.environment import Sealing
from vault.services.environments.sealing import Sealer
from vault.services.environments.standing import broken_bases
from vault.services.own.credentials import opened
from vault.services.own.instance import Instance
from vault.services.pace import BATCH, Progress, no_progress
from vault.storage import Credential, DataKey, EnvironmentRow, Layer, Readable, UnitOfWork
from vault.storage.walks.sweep import (
    broken_references,
    check_rows,
    data_keys_of,
    data_keys_of_all,
    every,
    how_many,
    how_many_signed,
    living_revisions_of,
    living_revisions_of_all,
    pages,
)

P = ParamSpec("P")


@dataclass(slots=True)
class Swept:
    """How many things one part of the sweep has checked, and the faults that it found."""

    what: str
    count: int = 0
    faults: list[str] = field(default_factory=list)


class Sweep:
    """Checks everything, and changes nothing."""

    def __init__(self, storage: Readable, instance: Instance) -> None:
        self._storage = storage
        self._instance = instance
        self._sealer = Sealer(instance, storage.clock)

    def macs(self, progress: Progress = no_progress) -> Swept:
        """Check the MAC of every signed row."""
        swept = Swept("signed rows have this vault's MAC")
        with self._storage.read() as unit:
            total = how_many_signed(unit)
            for row in check_rows(unit):
                swept.count += 1
                if swept.count % BATCH == 0 or swept.count == total:
                    progress(swept.count, total)
                if not row.is_ours:
                    swept.faults.append(f"The row {row.key} of {row.table} was not written by this vault.")
        return swept

    def references(self) -> Swept:
        """Check what rows say about each other and the database itself does not enforce."""
        swept = Swept("kinds of references are correct")
        with self._storage.read() as unit:
            for faults in broken_references(unit):
                swept.count += 1
                swept.faults += faults
            swept.count += 1
            swept.faults += broken_bases(unit)
        return swept

    def blobs(self, progress: Progress = no_progress) -> Swept:
        """Unwrap every key, and open everything that is sealed. `progress` counts environments."""
        swept = Swept("blobs open")
        with self._storage.read() as unit:
            for row in every(unit.user_keys):
                self._try(swept, f"The user key {row.id}", self._instance.user_key, row.owner_id, row)
            for credential in every(unit.credentials):
                what = f"The {credential.kind} of user {credential.user_id}"
                self._try(swept, what, self._open_credential, credential)
            done, total = 0, how_many(unit, unit.environments)
            for page in pages(unit.environments):
                self._environments(unit, swept, page)
                done += len(page)
                progress(done, total)
        return swept

    def _environments(self, unit: UnitOfWork, swept: Swept, page: list[EnvironmentRow]) -> None:
        """Open everything of these environments: together, or one by one if something does not open."""
        try:
            swept.count += self._opened_together(unit, page)
        except KeyProviderUnavailable:
            raise
        except Exception:
            for environment in page:
                what = f"A row that belongs to environment {environment.id}"
                self._try(swept, what, self._environment, unit, swept, environment)

    def _opened_together(self, unit: UnitOfWork, page: list[EnvironmentRow]) -> int:
        """Do the same as `_environment` for many, with few statements. Returns how many things were opened.

        Raises an error if anything does not open.
        """
        named = {environment.id: environment for environment in page}
        keys = data_keys_of_all(unit, named)
        user_keys = unit.user_keys.named(key.user_key_id for key in keys)
        data_keys = {key.id: key for key in keys}
        # Each environment counts once for its rows, and once for its description.
        count = len(page) + len(self._sealer.open_metadata_of(unit, page)) + len(keys)
        for key in keys:
            owner = named[key.environment_id]
            self._instance.data_key(owner.owner_id, owner.id, key, user_keys[key.user_key_id])
        sealed_here = [environment.id for environment in page if environment.sealing == Sealing.SERVER]
        for row in living_revisions_of_all(unit, sealed_here):
            data_key = data_keys[row.data_key_id or ""]
            layer = Layer(named[row.environment_id], row, data_key, user_keys[data_key.user_key_id], row.blob)
            self._sealer.require_layer_opens(layer, row)
            count += 1
        return count

    def _environment(self, unit: UnitOfWork, swept: Swept, environment: EnvironmentRow) -> None:
        name = f"environment {environment.id}"
        self._try(swept, f"The description of {name}", self._sealer.open_metadata, unit, environment)
        for key in data_keys_of(unit, environment.id):
            self._try(swept, f"The data key {key.id} of {name}", self._unwrap, unit, environment, key)
        if environment.sealing != Sealing.SERVER:
            return
        for row in living_revisions_of(unit, environment.id):
            what = f"Revision {row.number} of {name}"
            self._try(swept, what, self._sealer.require_opens, unit, environment, row)

    def _unwrap(self, unit: UnitOfWork, environment: EnvironmentRow, data_key: DataKey) -> None:
        user_key = unit.user_keys.by_id(data_key.user_key_id)
        if user_key is None:
            raise IntegrityError()
        self._instance.data_key(environment.owner_id, environment.id, data_key, user_key)

    def _open_credential(self, row: Credential) -> None:
        opened(self._instance, row.kind, row.user_id, row)

    def _try(self, swept: Swept, what: str, look: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        swept.count += 1
        try:
            look(*args, **kwargs)
        except KeyProviderUnavailable:
            # It is unknown whether this is broken, and everything after it would fail in the same way.
            raise
        except NewerFormat:
            swept.faults.append(f"{what} was written by a newer release. Check it with that release.")
        except Exception:
            # Catch everything: SQLite allows somebody to store text in place of bytes.
            swept.faults.append(f"{what} cannot be opened.")

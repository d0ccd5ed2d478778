"""The list of erased keys beside the archives of a place. A restore drops them before it opens anything.

    {"list": "<JSON: format, vault, time, counter, and one row a key>", "mac": "<MAC over it, under a key of its own>",
     "key_id": …, "wraps": [{"master_key_id": …, "provider": …, "ref": …, "blob": "<that key, wrapped>"}, …]}

It is signed with a key that the master key wraps, and not with one of the vault's own keys: an archive from before a
reseal has none of today's keys, and must still trust the list. Someone who can write to the place can put back an
older list, which its counter shows, or delete it, which a restore reports. They cannot forge one.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vault.crypto import Key, keyed_digest
from vault.errors import BackupError, BlobError, ErasedListError, KeyProviderError, KeyProviderUnavailable, NotFound
from vault.keys import Keyring, MasterKey
from vault.services.backup.names import short_id
from vault.services.backup.place import Place
from vault.services.environments.documents import Document
from vault.services.own.keys import OwnKeys, master_key
from vault.storage import UnitOfWork

FORMAT = 1
_PURPOSE = "erased keys"
_MOST_BYTES = 256 * 1024 * 1024


class Erased(NamedTuple):
    """One key that was destroyed, as in `destroyed_keys`."""

    key_id: str
    kind: str
    owner_id: str | None
    environment_id: str | None
    created_us: int | None
    destroyed_us: int


@dataclass(slots=True)
class ErasedList:
    """Destroyed keys by their ids, at a time in microseconds since 1970.

    `counter` is that of the newest archive that is older than the list. Release 0.1.0 wrote none.
    """

    made_us: int
    keys: dict[str, Erased] = field(default_factory=dict)
    counter: int = 0

    @classmethod
    def of(cls, unit: UnitOfWork, now_us: int) -> ErasedList:
        """Return the list of the database."""
        rows = (Erased(*(getattr(row, name) for name in Erased._fields)) for row in unit.destroyed_keys.erased())
        return cls(now_us, {row.key_id: row for row in rows})

    def add(self, other: ErasedList) -> None:
        """Add the keys of another list. Keys are never removed."""
        self.keys = other.keys | self.keys

    def is_older_than(self, counter: int, created_us: int) -> bool:
        """Report whether an archive is newer than this list. Times are compared only if neither has a counter."""
        if self.counter or counter:
            return self.counter < counter
        return self.made_us < created_us

    @property
    def people(self) -> dict[str, int]:
        """The erased people, with the time."""
        found = (row for row in self.keys.values() if row.kind == "user")
        return {row.owner_id: row.destroyed_us for row in found if row.owner_id}

    @property
    def environments(self) -> dict[str, int]:
        """The erased environments, with the time."""
        found = (row for row in self.keys.values() if row.kind == "data")
        return {row.environment_id: row.destroyed_us for row in found if row.environment_id}

    def signed(self, instance_id: str, keyring: Keyring, own: OwnKeys) -> bytes:
        """Return the signed list for a place. Raises what the key provider raises."""
        rows = sorted(self.keys.values(), key=lambda row: (row.destroyed_us, row.key_id))
        head = {"format": FORMAT, "instance_id": instance_id, "made_us": self.made_us, "generation": self.counter}
        text = json.dumps({**head, "erased": [list(row) for row in rows]}, separators=(",", ":"))
        key_id, unwrapped = str(uuid.uuid4()), keyring.new_unwrapped_user_key()
        key = keyring.derived_user_key(None, key_id, unwrapped)
        wraps = list(_wraps(keyring, own, key_id, unwrapped))
        document = {"list": text, "mac": _mac(key, text).hex(), "key_id": key_id, "wraps": wraps}
        return json.dumps(document, indent=1).encode() + b"\n"

    @classmethod
    def opened(
        cls, data: bytes, instance_id: str, keyring: Keyring, known: Mapping[str, MasterKey], where: str
    ) -> ErasedList:
        """Return the list in a file. `known` are this vault's versions of the master key.

        Raises `ErasedListError` if this vault did not sign this content, and what the key provider raises.
        """
        try:
            document = json.loads(data)
            text, mac = document["list"], bytes.fromhex(document["mac"])
            key = _unwrapped(document, keyring, known)
            if key is None or not hmac.compare_digest(_mac(key, text), mac):
                raise ErasedListError(f"The list of erased keys in {where} was not signed by this vault.")
            body = json.loads(text)
            rows = [Erased(*row) for row in body["erased"]]
            if (body["format"], body["instance_id"]) != (FORMAT, instance_id):
                raise ErasedListError(
                    f"The list of erased keys in {where} belongs to another vault or a newer release."
                )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ErasedListError(f"The list of erased keys in {where} is damaged.") from error
        return cls(body["made_us"], {row.key_id: row for row in rows}, body.get("generation", 0))


def list_name(instance_id: str) -> str:
    """Return the file name of a vault's list, which is the same in every place."""
    return f"strongroom-{short_id(instance_id)}-erased.json"


def fetched_list(place: Place, instance_id: str) -> bytes | None:
    """Return the bytes of the list in a place; None if there is none. Raises `BackupError`."""
    try:
        if place.size_bytes(list_name(instance_id)) > _MOST_BYTES:
            raise ErasedListError(f"The list of erased keys in {place.address} is too large.")
        with place.fetched(list_name(instance_id)) as path, path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except NotFound:
        return None
    except OSError as error:
        raise BackupError(f"{place.address} cannot be read: {error.strerror}.") from error


def _wraps(keyring: Keyring, own: OwnKeys, key_id: str, unwrapped: bytes) -> Iterator[dict[str, str]]:
    """Yield the list's key, wrapped with each version that an archive may know. Older versions that fail are
    skipped.
    """
    active_id = own.state.active_master_key_id
    for row in own.masters.values():
        if row.id != active_id and row.state != "retiring":
            continue
        master = master_key(row)
        try:
            blob = keyring.wrap_user_key(master, None, key_id, unwrapped)
        except (KeyProviderError, KeyProviderUnavailable):
            if row.id == active_id:
                raise
            continue
        place = {"master_key_id": master.id, "provider": master.provider, "ref": master.ref}
        yield {**place, "blob": base64.b64encode(blob).decode()}


def _unwrapped(document: Document, keyring: Keyring, known: Mapping[str, MasterKey]) -> Key | None:
    """Return the key of a list, from the first version that unwraps it; None if no version does."""
    key_id = document["key_id"]
    for wrap in document["wraps"]:
        master = known.get(wrap["master_key_id"]) or _local(wrap, keyring)
        if master is None:
            continue
        with contextlib.suppress(BlobError, KeyProviderError):
            unwrapped = keyring.unwrapped_user_key(master, None, key_id, base64.b64decode(wrap["blob"], validate=True))
            return keyring.derived_user_key(None, key_id, unwrapped)
    return None


def _local(wrap: Mapping[str, str], keyring: Keyring) -> MasterKey | None:
    """Return a version that is newer than the archive, if it can only be in this machine's own keyring.

    A reference to a cloud provider could name an attacker's key, so it is not accepted here.
    """
    try:
        is_local = keyring.provider(wrap["provider"]).capabilities().local
    except KeyProviderError:
        return None
    return MasterKey(wrap["master_key_id"], wrap["provider"], wrap["ref"]) if is_local else None


def _mac(key: Key, text: str) -> bytes:
    return keyed_digest(key, _PURPOSE, text)


def merged(lists: Iterable[ErasedList]) -> ErasedList:
    """Return the keys of all lists."""
    whole = ErasedList(0)
    for each in lists:
        whole.add(each)
        whole.made_us = max(whole.made_us, each.made_us)
    return whole

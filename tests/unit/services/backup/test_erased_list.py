"""The list of erased keys: who may have signed it, and what of a key provider is believed."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract.opaque_provider import OpaqueProvider
from vault.errors import ErasedListError
from vault.keys import FileProvider, Keyring, MasterKey, Provider
from vault.services.backup.erased import Erased, ErasedList

INSTANCE = str(uuid.uuid4())
KEY = Erased(str(uuid.uuid4()), "user", str(uuid.uuid4()), None, 1, 2)


def version(name: str, provider: Provider) -> MasterKey:
    return MasterKey(str(uuid.uuid4()), name, provider.create_version())


def signed(keyring: Keyring, *masters: MasterKey) -> bytes:
    """A list under some versions, the first of which is the active one."""
    rows = {
        master.id: SimpleNamespace(id=master.id, provider=master.provider, ref=master.ref, state="retiring")
        for master in masters
    }
    own: Any = SimpleNamespace(masters=rows, state=SimpleNamespace(active_master_key_id=masters[0].id))
    return ErasedList(5, {KEY.key_id: KEY}).signed(INSTANCE, keyring, own)


def opened(data: bytes, keyring: Keyring, *known: MasterKey, instance: str = INSTANCE) -> ErasedList:
    return ErasedList.opened(data, instance, keyring, {master.id: master for master in known}, "dir:/place")


def test_a_list_is_read_as_it_was_signed(tmp_path: Path) -> None:
    file, device = FileProvider.create(tmp_path / "keys" / "master.json", INSTANCE), OpaqueProvider()
    keyring = Keyring(INSTANCE, {"file": file, "opaque": device})
    old, new = version("file", file), version("opaque", device)
    data = signed(keyring, new, old)
    for known in ((old,), (new,), (old, new)):
        found = opened(data, keyring, *known)
        assert (found.made_us, found.keys, found.people) == (5, {KEY.key_id: KEY}, {KEY.owner_id: 2})


def test_a_key_of_somebody_else_s_in_the_same_cloud_signs_nothing() -> None:
    """A device or a cloud knows keys that are not this vault's: only versions that the archive knows are asked for."""
    cloud = OpaqueProvider()
    keyring = Keyring(INSTANCE, {"opaque": cloud})
    ours, theirs = version("opaque", cloud), version("opaque", cloud)
    with pytest.raises(ErasedListError, match="was not signed by this vault"):
        opened(signed(keyring, theirs), keyring, ours)
    # Nor does it when it is passed off as ours: the reference is taken from what is known, and not from the list.
    passed_off = MasterKey(ours.id, theirs.provider, theirs.ref)
    with pytest.raises(ErasedListError, match="was not signed by this vault"):
        opened(signed(keyring, passed_off), keyring, ours)


def test_a_newer_version_in_this_machine_s_own_keyring_is_believed(tmp_path: Path) -> None:
    file = FileProvider.create(tmp_path / "keys" / "master.json", INSTANCE)
    keyring = Keyring(INSTANCE, {"file": file})
    old, newer = version("file", file), version("file", file)
    assert opened(signed(keyring, newer), keyring, old).keys
    stranger = FileProvider.create(tmp_path / "theirs" / "master.json", INSTANCE)
    with pytest.raises(ErasedListError):
        opened(signed(Keyring(INSTANCE, {"file": stranger}), version("file", stranger)), keyring, old)


def test_another_vault_s_list_is_refused(tmp_path: Path) -> None:
    file = FileProvider.create(tmp_path / "keys" / "master.json", INSTANCE)
    keyring = Keyring(INSTANCE, {"file": file})
    master = version("file", file)
    with pytest.raises(ErasedListError, match="another vault or a newer release"):
        opened(signed(keyring, master), keyring, master, instance=str(uuid.uuid4()))


def test_an_older_provider_that_is_out_of_reach_does_not_keep_a_list_from_being_signed(tmp_path: Path) -> None:
    file, device = FileProvider.create(tmp_path / "keys" / "master.json", INSTANCE), OpaqueProvider()
    keyring = Keyring(INSTANCE, {"file": file, "opaque": device})
    active, lost = version("file", file), version("opaque", device)
    device.failures = 99
    assert opened(signed(keyring, active, lost), keyring, active).keys

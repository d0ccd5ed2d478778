"""What every key provider must do, run over each of them; and the rewraps between them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.makers import FACTORIES, INSTANCE
from tests.contract.opaque_provider import OpaqueProvider
from vault.crypto import Key, SealedBlob, context, new_key, open_blob, parse_header, seal
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys import PROVIDERS, Guarded, Keyring, MasterKey, Provider

SECRET = bytes(range(32))
PLACE = b"SRM1 a place"

REWRAPS = [
    ("file", "passphrase"),
    ("passphrase", "awskms"),
    ("awskms", "pkcs11"),
    ("pkcs11", "transit"),
    ("transit", "file"),
    ("file", "awskms"),
    ("transit", "pkcs11"),
    ("file", "opaque"),
    ("opaque", "file"),
]
"""Each provider is left and reached, by those that bind a context to those that do not, and the other way round."""


@pytest.fixture(params=FACTORIES)
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    with ExitStack() as stack:
        yield FACTORIES[request.param](stack, tmp_path)


@dataclass
class Owned:
    """One person's keys and a revision, all sealed, as a database holds them."""

    owner_id: str
    environment_id: str
    user_key_id: str
    user_key: SealedBlob
    data_key_id: str
    data_key: SealedBlob
    revision_id: str
    revision: SealedBlob

    @property
    def place(self) -> context.Context:
        return context.revision(INSTANCE, self.environment_id, self.revision_id, 1)

    def read(self, keyring: Keyring, master: MasterKey, *, owner_id: str | None = None) -> bytes:
        owner_id = owner_id or self.owner_id
        user_key = keyring.user_key(master, owner_id, self.user_key_id, self.user_key)
        data_key = keyring.data_key(user_key, owner_id, self.environment_id, self.data_key_id, self.data_key)
        return open_blob(data_key, self.place, self.revision)


def owned(keyring: Keyring, master: MasterKey) -> Owned:
    owner_id, environment_id, user_key_id, revision_id = (str(uuid.uuid4()) for _ in range(4))
    wrapped = keyring.wrap_user_key(master, owner_id, user_key_id, keyring.new_unwrapped_user_key())
    user_key = keyring.user_key(master, owner_id, user_key_id, wrapped)
    data_key = new_key()
    sealed_key = keyring.wrap_data_key(user_key, owner_id, environment_id, data_key)
    place = context.revision(INSTANCE, environment_id, revision_id, 1)
    revision = seal(data_key, place, b"old values", padded=True)
    return Owned(owner_id, environment_id, user_key_id, wrapped, data_key.id, sealed_key, revision_id, revision)


def keyring_of(*providers: Provider) -> Keyring:
    return Keyring(INSTANCE, {provider.name: Guarded(provider) for provider in providers})


def new_master(provider: Provider) -> MasterKey:
    return MasterKey(str(uuid.uuid4()), provider.name, provider.create_version())


def test_every_provider_of_ours_is_in_this_suite() -> None:
    missing = set(PROVIDERS) - set(FACTORIES)
    assert not missing, f"Add to `FACTORIES` in tests/contract/makers.py: {missing}. See docs/contributing/to-add.md."


@pytest.mark.parametrize("name", FACTORIES)
def test_its_name_is_the_one_that_it_is_registered_by(name: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        assert FACTORIES[name](stack, tmp_path).name == name


def test_it_unwraps_what_it_wrapped(provider: Provider) -> None:
    ref = provider.create_version()
    assert provider.unwrap(ref, provider.wrap(ref, SECRET, PLACE), PLACE) == SECRET


def test_the_key_is_not_in_what_it_wraps(provider: Provider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    assert SECRET not in wrapped
    assert provider.wrap(ref, SECRET, PLACE) != wrapped


def test_attack_1_each_byte_flipped_does_not_unwrap(provider: Provider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    for offset in range(len(wrapped)):
        flipped = bytearray(wrapped)
        flipped[offset] ^= 1
        with pytest.raises(BlobError):
            provider.unwrap(ref, bytes(flipped), PLACE)


@pytest.mark.parametrize("cut", [b"", b"\x00", bytes(200)])
def test_what_no_version_ever_wrapped_does_not_unwrap(provider: Provider, cut: bytes) -> None:
    with pytest.raises(BlobError):
        provider.unwrap(provider.create_version(), cut, PLACE)


def test_another_version_does_not_unwrap(provider: Provider) -> None:
    one, other = provider.create_version(), provider.create_version()
    with pytest.raises(BlobError):
        provider.unwrap(other, provider.wrap(one, SECRET, PLACE), PLACE)


def test_where_it_takes_a_context_another_one_does_not_unwrap(provider: Provider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    if provider.capabilities().context:
        with pytest.raises(BlobError):
            provider.unwrap(ref, wrapped, b"SRM1 another place")
    else:
        assert provider.unwrap(ref, wrapped, b"SRM1 another place") == SECRET


def test_a_disabled_version_refuses_until_it_is_enabled(provider: Provider) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    for _ in range(2):
        provider.disable(ref)
    with pytest.raises(KeyProviderError):
        provider.unwrap(ref, wrapped, PLACE)
    with pytest.raises(KeyProviderError):
        provider.wrap(ref, SECRET, PLACE)
    for _ in range(2):
        provider.enable(ref)
    assert provider.unwrap(ref, wrapped, PLACE) == SECRET


def test_a_destroyed_version_is_gone_and_may_be_destroyed_again(provider: Provider) -> None:
    ref, kept = provider.create_version(), provider.create_version()
    wrapped = provider.wrap(ref, SECRET, PLACE)
    for _ in range(2):
        provider.destroy(ref)
    for refused in (
        lambda: provider.unwrap(ref, wrapped, PLACE),
        lambda: provider.wrap(ref, SECRET, PLACE),
        lambda: provider.enable(ref),
        lambda: provider.disable(ref),
    ):
        with pytest.raises(KeyProviderError):
            refused()
    assert provider.unwrap(kept, provider.wrap(kept, SECRET, PLACE), PLACE) == SECRET


def test_a_version_that_it_does_not_know_is_refused(provider: Provider) -> None:
    with pytest.raises(KeyProviderError):
        provider.unwrap(str(uuid.uuid4()), bytes(80), PLACE)
    with pytest.raises(KeyProviderError):
        provider.wrap(str(uuid.uuid4()), SECRET, PLACE)


def test_a_provider_that_is_well_says_so(provider: Provider) -> None:
    provider.probe()


def test_no_key_is_in_its_repr(provider: Provider) -> None:
    ref = provider.create_version()
    provider.wrap(ref, b"canary-canary-canary-canary-4711", PLACE)
    assert "canary" not in repr(provider)


def test_attack_3_a_wrapped_user_key_copied_to_another_user_opens_nothing(provider: Provider) -> None:
    keyring, master = keyring_of(provider), new_master(provider)
    mine = owned(keyring, master)
    with pytest.raises(BlobError):
        mine.read(keyring, master, owner_id=str(uuid.uuid4()))


def test_a_user_key_is_another_one_for_another_user_even_where_no_context_is_taken(provider: Provider) -> None:
    keyring, master = keyring_of(provider), new_master(provider)
    mine = owned(keyring, master)
    my_key = keyring.user_key(master, mine.owner_id, mine.user_key_id, mine.user_key)
    try:
        their_key = keyring.user_key(master, str(uuid.uuid4()), mine.user_key_id, mine.user_key)
    except BlobError:
        assert provider.capabilities().context
    else:
        assert their_key.secret != my_key.secret


def test_the_wrapped_user_key_names_its_master_version(provider: Provider) -> None:
    keyring, master, other = keyring_of(provider), new_master(provider), new_master(provider)
    mine = owned(keyring, master)
    assert parse_header(mine.user_key).key_id == master.id
    with pytest.raises(BlobError):
        mine.read(keyring, other)


def rewrap(keyring: Keyring, mine: Owned, old: MasterKey, new: MasterKey) -> None:
    """What an operator's rewrap does to one row: unwrap, wrap, verify."""
    unwrapped = keyring.unwrapped_user_key(old, mine.owner_id, mine.user_key_id, mine.user_key)
    mine.user_key = keyring.wrap_user_key(new, mine.owner_id, mine.user_key_id, unwrapped)


def test_after_a_rewrap_to_the_next_version_an_old_revision_opens(provider: Provider) -> None:
    keyring, old, new = keyring_of(provider), new_master(provider), new_master(provider)
    mine = owned(keyring, old)
    sealed_before = (mine.data_key, mine.revision)
    rewrap(keyring, mine, old, new)
    provider.destroy(old.ref)
    assert (mine.data_key, mine.revision) == sealed_before
    assert mine.read(keyring_of(provider), new) == b"old values"


@pytest.mark.parametrize(("source", "target"), REWRAPS)
def test_after_a_rewrap_to_another_provider_an_old_revision_opens(source: str, target: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        before, after = (FACTORIES[name](stack, tmp_path) for name in (source, target))
        both = keyring_of(before, after)
        old, new = new_master(before), new_master(after)
        mine = owned(both, old)
        rewrap(both, mine, old, new)
        before.destroy(old.ref)
        assert mine.read(keyring_of(after), new) == b"old values"


def test_a_vault_with_several_owners_keeps_them_apart_through_a_rewrap(provider: Provider) -> None:
    keyring, old, new = keyring_of(provider), new_master(provider), new_master(provider)
    mine, theirs = owned(keyring, old), owned(keyring, old)
    rewrap(keyring, mine, old, new)
    rewrap(keyring, theirs, old, new)
    mine.user_key, theirs.user_key = theirs.user_key, mine.user_key
    with pytest.raises(BlobError):
        mine.read(keyring, new)


def test_a_provider_that_the_server_is_not_set_up_for_is_named() -> None:
    opaque = OpaqueProvider()
    mine_under = new_master(opaque)
    mine = owned(keyring_of(opaque), mine_under)
    with pytest.raises(KeyProviderError, match="'opaque'"):
        mine.read(Keyring(INSTANCE, {}), mine_under)


def test_a_device_that_wraps_what_it_cannot_unwrap_is_not_believed() -> None:
    class Liar(OpaqueProvider):
        def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
            return bytes(32)

    liar = Liar()
    with pytest.raises(KeyProviderError, match="could not unwrap"):
        keyring_of(liar).wrap_user_key(new_master(liar), None, str(uuid.uuid4()), SECRET)


def test_with_the_provider_down_a_cached_key_serves_until_its_time_is_up() -> None:
    now = [0.0]
    opaque = OpaqueProvider()
    keyring = Keyring(INSTANCE, {"opaque": opaque}, ttl_seconds=300, clock=lambda: now[0], chance=lambda: 0.0)
    master = new_master(opaque)
    mine = owned(keyring, master)
    mine.read(keyring, master)
    opaque.failures = 1000
    now[0] = 299
    assert mine.read(keyring, master) == b"old values"
    now[0] = 301
    with pytest.raises(KeyProviderUnavailable):
        mine.read(keyring, master)


def test_after_an_outage_it_serves_again() -> None:
    opaque = OpaqueProvider()
    master = new_master(opaque)
    mine = owned(keyring_of(opaque), master)
    opaque.failures = 1
    fresh = Keyring(INSTANCE, {"opaque": opaque})
    with pytest.raises(KeyProviderUnavailable):
        mine.read(fresh, master)
    assert mine.read(fresh, master) == b"old values"


def test_attack_8_with_a_warm_cache_a_swapped_row_does_not_open(provider: Provider) -> None:
    keyring, master = keyring_of(provider), new_master(provider)
    mine, theirs = owned(keyring, master), owned(keyring, master)
    mine.read(keyring, master)
    theirs.read(keyring, master)
    mine.data_key, mine.data_key_id = theirs.data_key, theirs.data_key_id
    with pytest.raises(BlobError):
        mine.read(keyring, master)
    user_key: Key = keyring.user_key(master, theirs.owner_id, theirs.user_key_id, theirs.user_key)
    with pytest.raises(BlobError):
        keyring.data_key(user_key, mine.owner_id, mine.environment_id, theirs.data_key_id, theirs.data_key)
    assert keyring.cached_data_key(mine.owner_id, mine.environment_id, theirs.data_key_id, theirs.data_key) is None

"""The keyring's cache: whose key it gives, for how long, and to how many at once."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.opaque_provider import OpaqueProvider
from tests.support.patience import HANG_SECONDS
from vault.crypto import BlobType, Key, Suite, as_sealed, new_key, parse_header
from vault.errors import BlobError, KeyProviderUnavailable
from vault.keys import Keyring, MasterKey

INSTANCE, OWNER, ENVIRONMENT, USER_KEY = (str(uuid.uuid4()) for _ in range(4))
UNWRAPPED = bytes(range(32))


class Vault:
    """A keyring over an opaque provider, with a clock of its own."""

    def __init__(self, max_entries: int = 100) -> None:
        self.now = 1000.0
        self.chance = 0.0
        self.provider = OpaqueProvider()
        self.master = MasterKey(str(uuid.uuid4()), "opaque", self.provider.create_version())
        self.keyring = Keyring(
            INSTANCE,
            {"opaque": self.provider},
            ttl_seconds=300,
            clock=lambda: self.now,
            chance=lambda: self.chance,
            max_entries=max_entries,
        )
        self.blob = self.wrap(OWNER, USER_KEY)
        self.provider.calls.clear()

    def wrap(self, owner_id: str | None, user_key_id: str) -> bytes:
        return self.keyring.wrap_user_key(self.master, owner_id, user_key_id, UNWRAPPED)

    def user_key(self, owner_id: str | None = OWNER) -> Key:
        return self.keyring.user_key(self.master, owner_id, USER_KEY, self.blob)

    @property
    def unwraps(self) -> int:
        return self.provider.calls.count("unwrap")


@pytest.fixture
def vault() -> Vault:
    return Vault()


def test_a_wrapped_user_key_is_of_type_3_and_suite_2(vault: Vault) -> None:
    header = parse_header(as_sealed(vault.blob))
    assert (header.type, header.suite, header.key_id) == (BlobType.USER_KEY, Suite.PROVIDER, vault.master.id)


def test_the_key_in_use_is_not_the_key_that_the_provider_saw(vault: Vault) -> None:
    assert vault.user_key().secret != UNWRAPPED
    assert vault.keyring.unwrapped_user_key(vault.master, OWNER, USER_KEY, vault.blob) == UNWRAPPED


def test_a_key_is_unwrapped_once_within_its_time(vault: Vault) -> None:
    first = vault.user_key()
    vault.now += 299
    assert vault.user_key() is first
    assert vault.unwraps == 1


def test_a_key_is_unwrapped_again_after_its_time(vault: Vault) -> None:
    vault.user_key()
    vault.now += 300
    vault.user_key()
    assert vault.unwraps == 2


def test_jitter_lengthens_a_keys_time_by_a_tenth_at_the_most(vault: Vault) -> None:
    vault.chance = 1.0
    vault.user_key()
    vault.now += 329
    vault.user_key()
    assert vault.unwraps == 1
    vault.now += 1
    vault.user_key()
    assert vault.unwraps == 2


def test_unwrapping_for_a_rewrap_is_never_cached(vault: Vault) -> None:
    for _ in range(2):
        vault.keyring.unwrapped_user_key(vault.master, OWNER, USER_KEY, vault.blob)
    assert vault.unwraps == 2


def test_attack_8_a_warm_cache_gives_no_key_to_another_place(vault: Vault) -> None:
    mine = vault.user_key()
    assert vault.user_key(str(uuid.uuid4())).secret != mine.secret
    assert vault.user_key(None).secret != mine.secret
    assert vault.unwraps == 3


def test_a_warm_cache_gives_no_key_to_another_master_version(vault: Vault) -> None:
    vault.user_key()
    other = MasterKey(str(uuid.uuid4()), "opaque", vault.master.ref)
    with pytest.raises(BlobError):
        vault.keyring.user_key(other, OWNER, USER_KEY, vault.blob)


def test_a_blob_of_another_suite_or_type_is_no_user_key(vault: Vault) -> None:
    data_key = vault.keyring.wrap_data_key(Key(vault.master.id, UNWRAPPED), OWNER, ENVIRONMENT, new_key())
    with pytest.raises(BlobError):
        vault.keyring.user_key(vault.master, OWNER, USER_KEY, data_key)


def test_a_failure_is_not_cached(vault: Vault) -> None:
    vault.provider.failures = 1
    with pytest.raises(KeyProviderUnavailable):
        vault.user_key()
    assert vault.user_key().id == USER_KEY


def test_purging_forgets_every_key(vault: Vault) -> None:
    vault.user_key()
    vault.keyring.purge()
    vault.user_key()
    assert vault.unwraps == 2


def test_many_who_want_one_key_unwrap_it_once(vault: Vault) -> None:
    vault.provider.before = lambda: time.sleep(0.05)
    with ThreadPoolExecutor(16) as pool:
        keys = list(pool.map(lambda _: vault.user_key(), range(16)))
    assert vault.unwraps == 1
    assert len({key.secret for key in keys}) == 1


def test_many_who_want_one_key_of_a_provider_that_is_down_are_all_told() -> None:
    vault = Vault()
    vault.provider.failures = 1
    vault.provider.before = lambda: time.sleep(0.05)

    def ask(_: int) -> str:
        try:
            return vault.user_key().id
        except KeyProviderUnavailable:
            return "told"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert answers == ["told"] * 8
    assert vault.unwraps == 1


def test_a_key_whose_loading_a_purge_overtook_is_not_kept(vault: Vault) -> None:
    begun, purged = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        purged.wait(HANG_SECONDS)

    vault.provider.before = hold
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(vault.user_key)
        assert begun.wait(HANG_SECONDS)
        vault.keyring.purge()
        purged.set()
        assert loading.result().id == USER_KEY
    vault.user_key()
    assert vault.unwraps == 2


def test_the_cache_is_bounded_and_the_oldest_goes() -> None:
    vault = Vault(max_entries=3)
    owners = [str(uuid.uuid4()) for _ in range(4)]
    for owner_id in owners:
        vault.user_key(owner_id)
    assert vault.unwraps == 4
    vault.user_key(owners[3])
    vault.user_key(owners[1])
    assert vault.unwraps == 4
    vault.user_key(owners[0])
    assert vault.unwraps == 5


def test_expired_keys_leave_when_others_come(vault: Vault) -> None:
    for _ in range(5):
        vault.user_key(str(uuid.uuid4()))
    vault.now += 301
    vault.user_key()
    assert len(vault.keyring._cache._entries) == 1


def test_a_data_key_reads_back_and_is_cached_without_its_user_key(vault: Vault) -> None:
    user_key, data_key = vault.user_key(), new_key()
    blob = vault.keyring.wrap_data_key(user_key, OWNER, ENVIRONMENT, data_key)
    assert parse_header(blob).type is BlobType.DATA_KEY
    assert vault.keyring.data_key(user_key, OWNER, ENVIRONMENT, data_key.id, blob).secret == data_key.secret
    cached = vault.keyring.cached_data_key(OWNER, ENVIRONMENT, data_key.id, blob)
    assert cached is not None
    assert cached.secret == data_key.secret


def test_a_data_key_that_was_purged_or_has_expired_is_not_in_the_cache(vault: Vault) -> None:
    user_key, data_key = vault.user_key(), new_key()
    blob = vault.keyring.wrap_data_key(user_key, OWNER, ENVIRONMENT, data_key)
    place = (OWNER, ENVIRONMENT, data_key.id, blob)
    assert vault.keyring.cached_data_key(*place) is None
    vault.keyring.data_key(user_key, *place)
    vault.keyring.purge()
    assert vault.keyring.cached_data_key(*place) is None
    vault.keyring.data_key(user_key, *place)
    assert vault.keyring.cached_data_key(*place) is not None
    vault.now += 301
    assert vault.keyring.cached_data_key(*place) is None


def test_attack_3_a_data_key_elsewhere_does_not_open_with_a_cold_or_a_warm_cache(vault: Vault) -> None:
    user_key, data_key = vault.user_key(), new_key()
    blob = vault.keyring.wrap_data_key(user_key, OWNER, ENVIRONMENT, data_key)
    elsewhere = [
        (str(uuid.uuid4()), ENVIRONMENT, data_key.id),
        (OWNER, str(uuid.uuid4()), data_key.id),
        (OWNER, ENVIRONMENT, str(uuid.uuid4())),
    ]
    for _ in ("cold", "warm"):
        for place in elsewhere:
            with pytest.raises(BlobError):
                vault.keyring.data_key(user_key, *place, blob)
        vault.keyring.data_key(user_key, OWNER, ENVIRONMENT, data_key.id, blob)


def test_another_user_key_is_refused_even_where_the_data_key_is_cached(vault: Vault) -> None:
    user_key, data_key = vault.user_key(), new_key()
    blob = vault.keyring.wrap_data_key(user_key, OWNER, ENVIRONMENT, data_key)
    vault.keyring.data_key(user_key, OWNER, ENVIRONMENT, data_key.id, blob)
    with pytest.raises(BlobError):
        vault.keyring.data_key(new_key(), OWNER, ENVIRONMENT, data_key.id, blob)


def test_the_system_key_has_no_owner(vault: Vault) -> None:
    key_id = str(uuid.uuid4())
    blob = vault.wrap(None, key_id)
    assert vault.keyring.user_key(vault.master, None, key_id, blob).id == key_id

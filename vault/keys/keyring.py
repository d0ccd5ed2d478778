"""`Keyring`: wraps and unwraps user keys and data keys, and caches them for some time.

    master key (provider) ── wraps ──> user key ── wraps ──> data key ── seals ──> revisions
                                          │ derived: see `derive_user_key`

The cache key is SHA-256 of the wrapped bytes with SHA-256 of the associated data, so a swapped row is a miss.
A cached key gives no permission: the service checks rights before it asks for a key.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from vault.crypto import context as contexts
from vault.crypto.context import Context
from vault.crypto.envelope import HEADER_BYTES, BlobType, Header, SealedBlob, Suite, parse_header
from vault.crypto.key import KEY_BYTES, Key
from vault.crypto.seal import derive_user_key, key_check_value, open_blob, seal
from vault.errors import BlobError, KeyProviderError, KeyProviderUnavailable
from vault.keys.provider import Provider
from vault.keys.providers import Providers

CACHE_ENTRIES = 10_000
"""About 5 MB, and more environments than one worker usually serves in five minutes."""

SWEEP_ENTRIES = 8
"""Each insertion checks this many of the oldest entries, so expired ones are removed faster than new ones come."""

JITTER = 0.1
"""Entries live up to a tenth longer, at random, so that keys that were loaded together do not expire together."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One version of the master key: its UUID, its provider, and the provider's own name for it."""

    id: str
    provider: str
    ref: str


class Keyring:
    """The keys of one vault in one process. Thread-safe. Make it after the fork."""

    def __init__(
        self,
        instance_id: str,
        providers: Mapping[str, Provider],
        ttl_seconds: float = 300,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        max_entries: int = CACHE_ENTRIES,
    ) -> None:
        self.instance_id = instance_id
        self._providers = providers
        self._cache = _Cache(ttl_seconds, clock, chance, max_entries)

    def provider(self, name: str) -> Provider:
        """Return the provider of this name. Raises `KeyProviderError` if this server has no settings for it."""
        try:
            return self._providers[name]
        except KeyError:
            raise KeyProviderError(
                f"This server has no settings for the key provider {name!r}. Add them, or check the name."
            ) from None

    def create_version(self, name: str, *, first: bool) -> str:
        """Make a master key version and return its ref. `first`: this vault has had none with this provider yet."""
        if first and isinstance(self._providers, Providers) and name in self._providers:
            self._providers.begin(name)
        return self.provider(name).create_version()

    def new_unwrapped_user_key(self) -> bytes:
        """Return the 256 random bits that `wrap_user_key` wraps."""
        return secrets.token_bytes(KEY_BYTES)

    def wrap_user_key(self, master: MasterKey, owner_id: str | None, user_key_id: str, unwrapped: bytes) -> SealedBlob:
        """Return a blob of type 3 and suite 2. Owner `None` is the system.

        The wrapped key is unwrapped once before it is returned, in case a device wraps what it cannot unwrap.
        """
        header = Header(Suite.PROVIDER, BlobType.USER_KEY, 0, master.id).pack()
        bound = self._user_key_context(owner_id, user_key_id).associated_data(header)
        provider = self.provider(master.provider)
        wrapped = provider.wrap(master.ref, unwrapped, bound)
        if not secrets.compare_digest(provider.unwrap(master.ref, wrapped, bound), unwrapped):
            raise KeyProviderError(
                f"The key provider {master.provider} could not unwrap a key that it had just wrapped."
            )
        return SealedBlob(header + wrapped)

    def unwrapped_user_key(self, master: MasterKey, owner_id: str | None, user_key_id: str, blob: bytes) -> bytes:
        """Return the bytes that were given to `wrap_user_key`, for rewrapping. Never cached. Raises `BlobError`."""
        header = parse_header(blob)
        expected = (Suite.PROVIDER, BlobType.USER_KEY, master.id)
        if (header.suite, header.type, header.key_id) != expected:
            raise BlobError()
        bound = self._user_key_context(owner_id, user_key_id).associated_data(blob)
        return self.provider(master.provider).unwrap(master.ref, blob[HEADER_BYTES:], bound)

    def derived_user_key(
        self, owner_id: str | None, user_key_id: str, unwrapped: bytes, check_value: bytes | None = None
    ) -> Key:
        """Return the user key in use. Raises `KeyProviderUnavailable` if the provider unwrapped a wrong key."""
        key = derive_user_key(unwrapped, self.instance_id, owner_id, user_key_id)
        if check_value is not None and not secrets.compare_digest(key_check_value(key), check_value):
            # Never use this key. Raise a retryable error: the device may recover.
            raise KeyProviderUnavailable("The key provider returned a wrong key.")
        return key

    def user_key(
        self,
        master: MasterKey,
        owner_id: str | None,
        user_key_id: str,
        blob: bytes,
        check_value: bytes | None = None,
    ) -> Key:
        """Return the user key in use: unwrapped, derived, checked and cached.

        Raises `BlobError`, and what the provider and `derived_user_key` raise.
        """
        context = self._user_key_context(owner_id, user_key_id)

        def load() -> Key:
            unwrapped = self.unwrapped_user_key(master, owner_id, user_key_id, blob)
            return self.derived_user_key(owner_id, user_key_id, unwrapped, check_value)

        if parse_header(blob).key_id != master.id:
            raise BlobError()
        return self._cache.get(blob, context, load)

    def wrap_data_key(self, user_key: Key, owner_id: str, environment_id: str, data_key: Key) -> SealedBlob:
        """Return a blob of type 2: the data key wrapped by its owner's user key."""
        context = contexts.data_key(self.instance_id, owner_id, environment_id, data_key.id)
        return seal(user_key, context, data_key.secret)

    def data_key(self, user_key: Key, owner_id: str, environment_id: str, data_key_id: str, blob: bytes) -> Key:
        """Return the data key, cached. Raises `BlobError`, also if another user key wraps it."""
        if parse_header(blob).key_id != user_key.id:
            raise BlobError()
        context = contexts.data_key(self.instance_id, owner_id, environment_id, data_key_id)
        return self._cache.get(blob, context, lambda: Key(data_key_id, open_blob(user_key, context, blob)))

    def cached_data_key(self, owner_id: str, environment_id: str, data_key_id: str, blob: bytes) -> Key | None:
        """Return the data key if it is cached."""
        return self._cache.find(blob, contexts.data_key(self.instance_id, owner_id, environment_id, data_key_id))

    def purge(self) -> None:
        """Drop all keys, also those that are being loaded now. For the lock and for erasure."""
        self._cache.purge()

    def _user_key_context(self, owner_id: str | None, user_key_id: str) -> Context:
        return contexts.user_key(self.instance_id, owner_id, user_key_id)


class _Cache:
    """Caches keys by wrapped bytes and context for some time. Each key is loaded once at a time. Failures are not
    cached.
    """

    def __init__(
        self, ttl_seconds: float, clock: Callable[[], float], chance: Callable[[], float], max_entries: int
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._chance = chance
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: dict[bytes, tuple[float, Key]] = {}
        self._loading: dict[bytes, Future[Key]] = {}

    def get(self, blob: bytes, context: Context, load: Callable[[], Key]) -> Key:
        """Return the key in a blob: the cached one for the same bytes and place, or one that is loaded now."""
        name = _name(blob, context)
        return self._living(name) or self._load_once(name, load)

    def find(self, blob: bytes, context: Context) -> Key | None:
        """Return the cached key for the same bytes and place."""
        return self._living(_name(blob, context))

    def purge(self) -> None:
        """Drop all keys. Callers that wait for a load still receive its key, but it is not cached."""
        with self._lock:
            self._entries = {}
            self._loading = {}

    def _living(self, name: bytes) -> Key | None:
        # Reading a dict is atomic in CPython. Only changes take the lock.
        found = self._entries.get(name)
        return found[1] if found is not None and self._clock() < found[0] else None

    def _load_once(self, name: bytes, load: Callable[[], Key]) -> Key:
        mine: Future[Key] = Future()
        with self._lock:
            future = self._loading.setdefault(name, mine)
        if future is not mine:
            return future.result()
        try:
            key = load()
        except BaseException as error:
            self._finish(name, future, None)
            future.set_exception(error)
            raise
        self._finish(name, future, key)
        future.set_result(key)
        return key

    def _finish(self, name: bytes, future: Future[Key], key: Key | None) -> None:
        with self._lock:
            # There was a purge since this load began, so do not cache its key.
            if self._loading.get(name) is not future:
                return
            del self._loading[name]
            if key is not None:
                self._keep(name, key)

    def _keep(self, name: bytes, key: Key) -> None:
        now = self._clock()
        self._entries.pop(name, None)
        self._entries[name] = (now + self._ttl_seconds * (1 + JITTER * self._chance()), key)
        # The oldest entries come first. Remove those that have expired, and more if the cache is too large.
        for oldest, (expires, _) in list(islice(self._entries.items(), SWEEP_ENTRIES)):
            if expires <= now or len(self._entries) > self._max_entries:
                del self._entries[oldest]


def _name(blob: bytes, context: Context) -> bytes:
    return sha256(blob).digest() + sha256(context.associated_data(blob)).digest()

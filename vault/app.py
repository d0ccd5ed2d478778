"""Opens a vault and builds its Flask app: settings → storage, keyring, services → app. See `wiring.py` for services."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask

from vault import api, http, kv, web
from vault.errors import KeyringError, StorageError
from vault.jobs import Jobs
from vault.keys import Keyring, Providers, keyring_file
from vault.model.budgets import BodyLimit, TakesPassword
from vault.services import Services
from vault.services.backup import Restorer
from vault.services.clock import Clock, now_us
from vault.services.keys.founding import create
from vault.services.own.instance import Instance
from vault.settings import Settings
from vault.storage import (
    NoCache,
    RedisCache,
    SessionCache,
    Stale,
    Storage,
    adopt,
    first_rows,
    is_missing,
    migrate,
    require_usable,
    require_whole,
    schema_revision,
)
from vault.wiring import wire

P = ParamSpec("P")
R = TypeVar("R")


class Room:
    """What a Flask app keeps of its vault: the verbs, and the jobs that run beside the requests."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._jobs = Jobs(services)

    def start(self) -> None:
        """Start the background work; after the fork, in the worker."""
        self._jobs.start()

    def stop(self) -> None:
        """Stop it, and give all connections back."""
        self._jobs.stop()
        self.services.storage.close()


class _Application(Flask):
    """Flask, less what this application has no use for."""

    def ensure_sync(self, func: Callable[P, R]) -> Callable[P, R]:
        """No view is a coroutine, and Flask would look for it at four places of every request."""
        return func


def create_app(settings: Settings) -> Flask:
    """The Flask app over an existing vault. Raises what `open_vault` raises."""
    return build_app(open_vault(settings, as_worker=True))


def build_app(services: Services) -> Flask:
    """The Flask app over services that are open already."""
    app = _Application("strongroom", static_folder=None)
    # Werkzeug would answer with redirects, which few clients follow.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    http.prepare(app)
    app.extensions["strongroom"] = Room(services)
    api.register(app)
    kv.register(app)
    web.register(app)
    http.register(app)
    return app


def body_limit(app: Flask) -> BodyLimit:
    """The function that tells the front door how many bytes a body may have."""
    return http.routes_of(app).body_limit


def takes_password(app: Flask) -> TakesPassword:
    """The function that tells the front door which requests hash a password. They run in a small pool of their own."""
    return http.routes_of(app).takes_password


def open_vault(settings: Settings, clock: Clock = now_us, *, as_worker: bool = False) -> Services:
    """Open the vault that the settings name; a worker heeds its lock, and comes up locked without its key provider.

    Raises `StorageError` when there is none or its schema is another release's, `KeyringError` when the keyring
    is missing, unsafe or another vault's, `DatabaseUnavailable`.
    """
    storage = Storage(settings.database_url, pool_size=settings.threads + settings.login_threads + 2)
    try:
        with storage.read() as unit:
            found = require_usable(unit.connection)
            if as_worker:
                require_whole(unit.connection, found)
            # Before the first statement is built: this adds columns to the tables.
            adopt(unit.connection)
            rows = first_rows(unit.connection)
        if rows is None:
            raise StorageError("The database holds no vault yet: `strongroom db upgrade` makes one.")
        open_instance = Instance.follow if as_worker else Instance.open
        instance = open_instance(storage, _keyring(settings, rows.state.instance_id))
    except BaseException:
        storage.close()
        raise
    cache: SessionCache = RedisCache(settings.redis_url) if settings.redis_url else NoCache()
    return wire(settings, storage, instance, cache, clock)


def stored_schema(settings: Settings) -> str:
    """The newest migration in the database; empty if there is no schema. Raises `DatabaseUnavailable`."""
    if is_missing(settings.database_url):
        return ""
    storage = Storage(settings.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            return schema_revision(unit.connection)
    finally:
        storage.close()


def prepare_vault(settings: Settings) -> bool:
    """Migrate the database, and make a new vault where there is none; whether one was made.

    The keyring is made only together with a new vault, and never over a file that is there. Raises as
    `open_vault` does.
    """
    if not stored_schema(settings):
        # Before the schema is made, so that a refusal leaves nothing behind.
        _require_no_keyring(settings)
        Providers(settings, str(uuid.uuid4())).require_set_up(settings.key_provider)
    migrate(settings.database_url)
    storage = Storage(settings.database_url, pool_size=1)
    try:
        with storage.read() as unit:
            if first_rows(unit.connection) is not None:
                return False
        return _create_vault(settings, storage)
    finally:
        storage.close()


def _create_vault(settings: Settings, storage: Storage) -> bool:
    instance_id, name = str(uuid.uuid4()), settings.key_provider
    _require_no_keyring(settings)
    place = keyring_file(settings, name)
    providers = Providers(settings, instance_id)
    ref = providers.found(name).create_version()
    try:
        create(storage, Keyring(instance_id, providers), instance_id, name, ref)
    except (Stale, StorageError):
        with storage.read() as unit:
            if first_rows(unit.connection) is None:
                raise
        if place is None:
            # Another host was first, and its master key lies where this host finds it too.
            return False
        # Made by this very call, for a vault that is not: it would only be taken for the keyring that is missing here.
        place.unlink()
        raise StorageError(
            f"Another host has made the vault in this database at the same time. Copy its keyring to {place}, then "
            "start again."
        ) from None
    return True


def _require_no_keyring(settings: Settings) -> None:
    place = keyring_file(settings, settings.key_provider)
    if place is not None and (place.exists() or place.is_symlink()):
        raise KeyringError(
            f"The database is empty, but there is a keyring at {place}. If that vault's database is "
            "elsewhere, set STRONGROOM_DATABASE_URL; if it is gone, move the keyring away to start a new vault."
        )


def restorer(settings: Settings, clock: Clock = now_us) -> Restorer:
    """What restores archives into the database that the settings name, which holds no vault yet."""
    return Restorer(settings.database_url, lambda instance_id: _keyring(settings, instance_id), clock)


def _keyring(settings: Settings, instance_id: str) -> Keyring:
    return Keyring(instance_id, Providers(settings, instance_id), ttl_seconds=settings.key_cache_seconds)

"""Opens a vault and builds its Flask app: settings → storage, keyring, services → app. `wiring.py` creates the
services.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import Flask

from vault import api, http, kv, sync, web
from vault.asgi import ASGIApp, Claims
from vault.errors import KeyringError, StorageError
from vault.jobs import Jobs
from vault.keys import Keyring, Providers, keyring_file
from vault.model.budgets import BodyLimit, TakesPassword
from vault.model.clock import Clock, now_us
from vault.services import Services
from vault.services.backup import Restorer
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
    explained,
    first_rows,
    is_missing,
    migrate,
    require_usable,
    require_whole,
    schema_revision,
)
from vault.sync import Live
from vault.wiring import wire

P = ParamSpec("P")
R = TypeVar("R")


class Room:
    """What a Flask app needs of its vault: the services, the live feed, and the jobs that run beside the requests."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.live = Live(services)
        self._jobs = Jobs(services)

    def start(self) -> None:
        """Start the jobs and the live feed. Call this in the worker, after the fork."""
        self._jobs.start()
        self.live.start()

    def stop(self) -> None:
        """Stop the live feed and the jobs, and close all connections."""
        self.live.stop()
        self._jobs.stop()
        self.services.close()


class _Application(Flask):
    """Flask without the steps that this application does not need."""

    def ensure_sync(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return the view itself. No view is a coroutine, and Flask would check that at four places of every
        request.
        """
        return func


def create_app(settings: Settings) -> Flask:
    """Return the Flask app for an existing vault. Raises what `open_vault` raises."""
    return build_app(open_vault(settings, as_worker=True))


def build_app(services: Services) -> Flask:
    """Return the Flask app for services that are already open."""
    app = _Application("strongroom", static_folder=None)
    # Otherwise Werkzeug would answer with redirects, which few clients follow.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    http.prepare(app)
    app.extensions["strongroom"] = Room(services)
    api.register(app)
    kv.register(app)
    web.register(app)
    http.register(app)
    return app


def body_limit(app: Flask) -> BodyLimit:
    """Return the function that tells the front door how many bytes a body may have."""
    return http.routes_of(app).body_limit


def takes_password(app: Flask) -> TakesPassword:
    """Return the function that tells the front door which requests hash a password. These run in a small pool of their
    own.
    """
    return http.routes_of(app).takes_password


def live_app(app: Flask) -> ASGIApp:
    """Return the application of calls that stay open, for the front door."""
    room: Room = app.extensions["strongroom"]
    return room.live


def claims(_app: Flask) -> Claims:
    """Return the function that tells the front door which calls stay open."""
    return sync.claims


def open_vault(settings: Settings, clock: Clock = now_us, *, as_worker: bool = False) -> Services:
    """Open the vault that the settings name. A worker respects its lock, and starts locked if its key provider is away.

    Raises `StorageError` if there is no vault or its schema is another release's, `KeyringError` if the keyring is
    missing, unsafe or another vault's, and `DatabaseUnavailable`.
    """
    # One for each thread that answers calls, two for the jobs, and one for the live feed.
    storage = Storage(settings.database_url, pool_size=settings.threads + settings.login_threads + 3, clock=clock)
    try:
        with explained(), storage.read() as unit:
            found = require_usable(unit.connection)
            if as_worker:
                require_whole(unit.connection, found)
            # Do this before the first statement is built: it adds columns to the tables.
            adopt(unit.connection)
            rows = first_rows(unit.connection)
        if rows is None:
            raise StorageError("The database has no vault yet. Run `strongroom db upgrade` to make one.")
        open_instance = Instance.follow if as_worker else Instance.open
        instance = open_instance(storage, _keyring(settings, rows.state.instance_id))
    except BaseException:
        storage.close()
        raise
    cache: SessionCache = RedisCache(settings.redis_url) if settings.redis_url else NoCache()
    return wire(settings, storage, instance, cache)


def stored_schema(settings: Settings) -> str:
    """Return the newest migration in the database, or an empty text without a schema. Raises `DatabaseUnavailable`."""
    if is_missing(settings.database_url):
        return ""
    storage = Storage(settings.database_url, pool_size=1)
    try:
        with explained(), storage.read() as unit:
            return schema_revision(unit.connection)
    finally:
        storage.close()


def prepare_vault(settings: Settings) -> bool:
    """Migrate the database, and make a new vault if there is none. Returns whether one was made.

    A keyring is made only for a new vault, and never replaces a file. Raises what `open_vault` raises.
    """
    if not stored_schema(settings):
        # Check this before the schema is made, so that a refusal leaves nothing behind.
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
        create(storage, Keyring(instance_id, providers), name, ref)
    except (Stale, StorageError):
        with storage.read() as unit:
            if first_rows(unit.connection) is None:
                raise
        if place is None:
            # Another host was faster, and its master key is where this host finds it too.
            return False
        # This call made the keyring, but not the vault. Remove it: otherwise it looks like the keyring that is missing
        # here.
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
            "elsewhere, set STRONGROOM_DATABASE_URL. If it is gone, move the keyring away to start a new vault."
        )


def restorer(settings: Settings, clock: Clock = now_us) -> Restorer:
    """Return what restores archives into the database in the settings, which has no vault yet."""
    return Restorer(
        settings.database_url, lambda instance_id: _keyring(settings, instance_id), clock, settings.backup_place_seconds
    )


def _keyring(settings: Settings, instance_id: str) -> Keyring:
    return Keyring(instance_id, Providers(settings, instance_id), ttl_seconds=settings.key_cache_seconds)

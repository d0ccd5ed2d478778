"""Helpers for tests of rotation: workers that a test controls, a second provider, and a check that everything opens."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import select

from tests.contract.opaque_provider import OpaqueProvider
from tests.support.patience import eventually
from tests.support.undertaker import watched
from vault.app import open_vault
from vault.errors import StrongroomError
from vault.jobs import Jobs
from vault.jobs.runner import WORKER_LEASE_US
from vault.keys import FileProvider, Keyring, Provider
from vault.model.clock import Clock, now_us
from vault.services import Services
from vault.services.own.instance import Instance
from vault.settings import Settings
from vault.storage import NoCache, RowSigner, Storage, first_rows
from vault.storage.signing.authority import REPOSITORIES
from vault.storage.tables import credentials, data_keys, environments, revisions, user_keys
from vault.wiring import wire


class Worker:
    """A worker without threads. It learns and reports when the test says so."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._jobs = Jobs(services)

    def learn(self) -> None:
        """Run its jobs once. Errors of the key provider are written to the worker's row."""
        with suppress(StrongroomError):
            self._jobs._learn()

    def watch(self) -> None:
        """Read the lock."""
        self._jobs._watch()

    def leave(self) -> None:
        """Stop gracefully."""
        self._jobs.stop()
        self.services.storage.close()

    def die(self) -> None:
        """Stop without removing the worker's row."""
        self.services.storage.close()


@contextmanager
def worker(vault: Services, clock: Clock = now_us) -> Iterator[Worker]:
    """Return a second worker of a vault, which has written its row."""
    found = Worker(open_vault(vault.settings, clock, as_worker=True))
    found.learn()
    try:
        yield found
    finally:
        found.leave()


def opened_with(
    settings: Settings, opaque: OpaqueProvider, clock: Clock = now_us, *, as_worker: bool = False
) -> Services:
    """Return a vault with master keys in its keyring file or in a device that fails on demand."""
    storage = Storage(settings.database_url, pool_size=8, clock=clock)
    with storage.read() as unit:
        rows = first_rows(unit.connection)
    assert rows is not None
    instance_id = rows.state.instance_id
    providers: Mapping[str, Provider] = {"file": FileProvider(settings.keyring, instance_id), "opaque": opaque}
    open_instance = Instance.follow if as_worker else Instance.open
    try:
        instance = open_instance(storage, Keyring(instance_id, providers, ttl_seconds=settings.key_cache_seconds))
    except StrongroomError:
        storage.close()
        raise
    return wire(settings, storage, instance, NoCache())


def open_everything(vault: Services) -> int:
    """Check every row, open every revision, description and password, and return how many were opened. Raises on any
    fault.
    """
    opened = 0
    with vault.storage.read() as unit:
        signer: RowSigner = unit.signer
        for repository in REPOSITORIES:
            for row in unit.connection.execute(select(*repository.signed.columns)):
                signer.check(repository.signed, list(row))
        for user_key in unit.user_keys.all(select(user_keys).where(user_keys.c.owner_id.is_not(None))):
            assert user_key.owner_id is not None
            vault.instance.user_key(user_key.owner_id, user_key)
        places = {row.id: row for row in unit.environments.all(select(environments))}
        for environment in places.values():
            vault.environments.environments.view(unit, environment)
        for data_key in unit.data_keys.all(select(data_keys)):
            assert data_key.environment_id in places
        for revision in unit.revisions.all(select(revisions)):
            vault.environments.history._sealer.open_stored(unit, places[revision.environment_id], revision)
            opened += 1
        for credential in unit.credentials.all(select(credentials)):
            user = unit.users.by_id(credential.user_id)
            assert user is not None
            assert (vault.people.accounts._stored_hash(unit, user) or "").startswith("$argon2id$")
    return opened


LEASE_SECONDS = WORKER_LEASE_US / 1_000_000


def start_command(vault: Services, *words: str) -> subprocess.Popen[bytes]:
    """Run `strongroom …` on this vault, in a separate process that a test may kill."""
    env = {
        **{name: text for name, text in os.environ.items() if not name.startswith("STRONGROOM_")},
        "STRONGROOM_DATA_DIR": str(vault.settings.data_dir),
        "STRONGROOM_KEYRING": str(vault.settings.keyring),
        "STRONGROOM_DATABASE_URL": vault.settings.database_url,
        "PYTHONPATH": str(Path.cwd()),
    }
    command = [sys.executable, "-m", "vault", *words]
    return watched(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE))


def kill_somewhere(
    vault: Services, words: Sequence[str], left: Callable[[], int], *, times: int, chance: random.Random
) -> int:
    """Start a command and kill it with SIGKILL `times` times. Return how often it was killed at work."""
    return sum(_is_killed_at_work(vault, words, left, chance) for _ in range(times))


def _is_killed_at_work(vault: Services, words: Sequence[str], left: Callable[[], int], chance: random.Random) -> bool:
    before = left()
    process = start_command(vault, *words)
    try:
        eventually(lambda: process.poll() is not None or left() != before, 60)
        time.sleep(chance.uniform(0, 0.2))
        is_at_work = process.poll() is None
    finally:
        process.kill()
        _, told = process.communicate()
    assert b"Traceback" not in told, told.decode()
    return is_at_work

"""Real servers for the browser, and the people in them.

with open_place(folder, authority, database_url, redis_url) as place:
    ada = place.newcomer("ada")
    add_environment(place.vault, ada.principal, "prod", A="1")
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.ports import free_port
from tests.support.serving import RunningServer
from tests.support.vaults import HOST, PASSWORD, add_person, log_in, write
from vault import settings
from vault.app import open_vault, prepare_vault
from vault.model.action import Action
from vault.model.clock import SECOND_US
from vault.model.principal import Principal, Role
from vault.server import authority
from vault.services import Services
from vault.services.audit import record
from vault.storage import UnitOfWork

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """Somebody with an account. `principal` acts for them in this process, beside the browser."""

    username: str
    principal: Principal = field(repr=False)
    password: str = field(default=PASSWORD, repr=False)


@dataclass(frozen=True)
class Authority:
    """One certificate for all servers of a run, so that the browser can be told of its key before they start."""

    folder: Path

    @classmethod
    def made_in(cls, folder: Path) -> Authority:
        """Make it, as `strongroom serve` would."""
        authority.ensure(folder)
        return cls(folder)

    @property
    def certificate(self) -> Path:
        """The server's certificate, with its key."""
        return self.folder / "server.pem"

    @property
    def key_hash(self) -> str:
        """SHA-256 of the certificate's public key, as Chromium wants it."""
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode()


@dataclass(frozen=True)
class Place:
    """A server that runs, and the same vault opened in this process."""

    server: RunningServer
    vault: Services

    @property
    def url(self) -> str:
        """The origin of its pages."""
        return self.server.url

    def newcomer(self, name: str = "ada", role: Role = Role.USER) -> Person:
        """A new person; the name gets a number, because all tests share the vault."""
        username = f"{name}-{next(_numbers)}"
        return Person(username, add_person(self.vault, username, role))

    def cookie(self, person: Person) -> str:
        """The secret of a new session for the pages, without the login page and its hashing."""
        return log_in(self.vault, person.username, "web", "127.0.0.1").secret

    def age(self, person: Person) -> None:
        """Have all sessions of a person be as if they had proven themselves an hour ago."""

        def change(unit: UnitOfWork) -> None:
            for row in unit.sessions.hold_living(person.principal.user_id, self.vault.clock()):
                unit.sessions.change(row, authenticated_us=row.authenticated_us - 3600 * SECOND_US)
            # Any action will do: the audit is only to know the new versions of these rows.
            record(unit, HOST, Action.SESSION_BEGIN, user_id=person.principal.user_id)

        write(self.vault, change)


@contextmanager
def open_place(folder: Path, trust: Authority, database_url: str, redis_url: str = "") -> Iterator[Place]:
    """A server over a new vault, from here to the end of the block."""
    bind = f"127.0.0.1:{free_port()}"
    env = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_DATABASE_URL": database_url,
        "STRONGROOM_BIND": bind,
        "STRONGROOM_WORKERS": "1",
        "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
        "STRONGROOM_ARGON2_PASSES": "2",
        **({"STRONGROOM_REDIS_URL": redis_url} if redis_url else {}),
    }
    (folder / "data").mkdir(parents=True)
    shutil.copytree(trust.folder, folder / "data" / "tls")
    chosen = settings.load(env)
    prepare_vault(chosen)
    vault = open_vault(chosen)
    try:
        with RunningServer(folder, env) as server:
            yield Place(server, vault)
    finally:
        vault.storage.close()

"""A real server over TLS with one person, for the clients of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD, add_person, add_token, grant
from vault import settings
from vault.app import open_vault, prepare_vault

EVERYTHING = "list,read,create,update,delete,history,delegate"
PERSON = "ada"


@dataclass(frozen=True)
class Place:
    """Where the server is, and what gets somebody in."""

    url: str
    ca_file: Path
    token: str = field(repr=False)
    reader: str = field(repr=False)
    """A token that may read `prod` and what lies below, and no more."""
    username: str = PERSON
    password: str = field(default=PASSWORD, repr=False)

    @property
    def role_id(self) -> str:
        return self.token[6:18]

    @property
    def secret_id(self) -> str:
        return self.token[18:61]

    @property
    def env(self) -> dict[str, str]:
        """What Vault's own clients read from their environment."""
        own = {"VAULT_ADDR": self.url, "VAULT_TOKEN": self.token, "VAULT_CACERT": str(self.ca_file)}
        login = {"ROLE_ID": self.role_id, "SECRET_ID": self.secret_id}
        person = {"VAULT_USERNAME": self.username, "VAULT_PASSWORD": self.password}
        trust = {"NODE_EXTRA_CA_CERTS": str(self.ca_file), "REQUESTS_CA_BUNDLE": str(self.ca_file)}
        return {"PATH": os.environ["PATH"], "HOME": str(self.ca_file.parent), **own, **login, **person, **trust}


@pytest.fixture(scope="session")
def vault_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """`strongroom serve`, on SQLite, for all tests of Vault's clients."""
    folder = tmp_path_factory.mktemp("interop")
    env = {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
        "STRONGROOM_WORKERS": "1",
        "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
        "STRONGROOM_ARGON2_PASSES": "2",
    }
    token, reader = _prepare(env)
    with RunningServer(folder, env) as server:
        yield Place(server.url, server.ca_file, token, reader)


def _prepare(env: dict[str, str]) -> tuple[str, str]:
    chosen = settings.load(env)
    chosen.data_dir.mkdir(parents=True)
    prepare_vault(chosen)
    vault = open_vault(chosen)
    try:
        person = add_person(vault, PERSON)
        whole = grant(EVERYTHING, path="*")
        token = add_token(vault, person, whole, renewable=True, max_ttl_seconds=10_000_000).secret
        reader = add_token(vault, person, grant("list,read", path="prod")).secret
    finally:
        vault.storage.close()
    assert token is not None
    assert reader is not None
    return token, reader

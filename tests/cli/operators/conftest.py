"""A host with a vault on it, and its operator's commands, which run in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.conftest import FreshDatabase
from tests.support.passwords import each_password_is_hashed_once as each_password_is_hashed_once
from tests.support.vaults import make_vault
from vault.cli import root
from vault.cli.context import Cli
from vault.services import Services

Run = Callable[..., Result]


@pytest.fixture
def vault(tmp_path: Path, fresh_database: FreshDatabase) -> Iterator[Services]:
    """The vault; what commands say of it is the same on either database."""
    made = make_vault(tmp_path, fresh_database("sqlite"))
    yield made
    made.audit.reads.close()
    made.storage.close()


@pytest.fixture
def run(vault: Services) -> Run:
    """Runs the command on this vault's host; `answers` are typed at its prompts."""

    def invoke(*arguments: str, answers: str | None = None) -> Result:
        chosen = vault.settings
        env = {
            "STRONGROOM_DATA_DIR": str(chosen.data_dir),
            "STRONGROOM_KEYRING": str(chosen.keyring),
            "STRONGROOM_DATABASE_URL": chosen.database_url,
        }
        cli = Cli(is_interactive=answers is not None)
        return CliRunner(env=env).invoke(root, arguments, obj=cli, input=answers)

    return invoke

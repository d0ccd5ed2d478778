"""The command against a fake server, in a home directory of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.client.fake_transport import FakeTransport
from vault.cli import root
from vault.cli.context import Cli

Strongroom = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, no settings in the environment, and a folder below it to be called in."""
    for name in os.environ:
        if name.startswith(("STRONGROOM_", "XDG_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    (home / "project" / "below").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("STRONGROOM_NO_KEYCHAIN", "1")
    monkeypatch.chdir(home / "project" / "below")
    return home


@pytest.fixture
def server() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def anonymous(home: Path, server: FakeTransport) -> Strongroom:
    """Runs the command without a credential. `answers` are typed at its prompts."""

    def call(*arguments: str, answers: str | None = None, stdin: str | bytes | None = None) -> Result:
        cli = Cli(transport=server, is_interactive=answers is not None)
        return CliRunner().invoke(root, arguments, obj=cli, input=answers if stdin is None else stdin)

    return call


@pytest.fixture
def strongroom(anonymous: Strongroom, monkeypatch: pytest.MonkeyPatch) -> Strongroom:
    """Runs the command with a token."""
    monkeypatch.setenv("STRONGROOM_TOKEN", "srm_t_canary")
    return anonymous

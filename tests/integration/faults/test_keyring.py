"""`strongroom serve` with a keyring that is missing, another vault's, or not safe: it refuses, and says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.patience import HANG_SECONDS
from tests.support.ports import free_port
from vault import settings
from vault.app import prepare_vault

ROOT = Path(__file__).parents[3]


def environment(folder: Path) -> dict[str, str]:
    return {
        "STRONGROOM_DATA_DIR": str(folder / "data"),
        "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
    }


def make(folder: Path) -> Path:
    """A vault in `folder`; its keyring."""
    (folder / "data").mkdir(parents=True)
    prepare_vault(settings.load(environment(folder)))
    return folder / "keys" / "master.json"


def missing(keyring: Path) -> None:
    keyring.unlink()


def anothers(keyring: Path) -> None:
    shutil.copy(make(keyring.parents[1] / "other"), keyring)


def readable_by_others(keyring: Path) -> None:
    keyring.chmod(0o644)


def a_symlink(keyring: Path) -> None:
    real = keyring.with_name("real.json")
    keyring.rename(real)
    keyring.symlink_to(real)


def cut_off(keyring: Path) -> None:
    keyring.write_bytes(keyring.read_bytes()[:50])


def in_an_open_folder(keyring: Path) -> None:
    keyring.parent.chmod(0o755)


def missing_with_a_dangling_symlink(keyring: Path) -> None:
    keyring.unlink()
    keyring.symlink_to(keyring.with_name("nowhere.json"))


CASES: list[tuple[Callable[[Path], None], tuple[str, ...]]] = [
    (missing, ("keyring", "master.json")),
    (anothers, ("another vault", "STRONGROOM_KEYRING")),
    (readable_by_others, ("chmod",)),
    (a_symlink, ("symbolic link",)),
    (missing_with_a_dangling_symlink, ("symbolic link",)),
    (cut_off, ("keyring",)),
    (in_an_open_folder, ("chmod",)),
]


@pytest.mark.parametrize(("spoil", "words"), CASES, ids=[spoil.__name__ for spoil, _ in CASES])
def test_serve_refuses_and_says_what_to_do(
    tmp_path: Path, spoil: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    keyring = make(tmp_path)
    spoil(keyring)
    before = sorted(keyring.parent.iterdir())
    port = free_port()
    ran = subprocess.run(
        [sys.executable, "-m", "vault", "serve"],
        env=environment(tmp_path)
        | {"HOME": str(tmp_path), "PATH": os.defpath, "PYTHONPATH": str(ROOT), "STRONGROOM_BIND": f"127.0.0.1:{port}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    assert ran.returncode not in (0, -9)
    assert not ran.stdout
    assert "Traceback" not in ran.stderr
    assert all(word in ran.stderr for word in words), ran.stderr
    # A lost keyring is never replaced by a new one, which could open nothing.
    assert sorted(keyring.parent.iterdir()) == before

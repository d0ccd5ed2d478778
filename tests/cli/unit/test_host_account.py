"""The name of an operator on the host: from the system, whatever the environment says."""

from __future__ import annotations

import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from vault.cli.operators import account, host

UNSET = "4294967295"
ACCOUNTS = {0: "root", 998: "strongroom", 1000: "ada"}


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system with three accounts, and an environment that names others."""

    def by_name(name: str) -> SimpleNamespace:
        if name not in ACCOUNTS.values():
            raise KeyError(name)
        return SimpleNamespace(pw_name=name)

    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=ACCOUNTS[uid]))
    monkeypatch.setattr(pwd, "getpwnam", by_name)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    monkeypatch.delenv("SUDO_USER", raising=False)


def label(monkeypatch: pytest.MonkeyPatch, folder: Path, uid: int, login: str | None, sudo: str = "") -> str:
    place = folder / "loginuid"
    if login is not None:
        place.write_text(login)
    monkeypatch.setattr(account, "_LOGIN_UID", place)
    monkeypatch.setattr("os.getuid", lambda: uid)
    if sudo:
        monkeypatch.setenv("SUDO_USER", sudo)
    return host.operator().label


@pytest.mark.parametrize("login", [UNSET, None, "", "-", "0x10"])
@pytest.mark.parametrize(("uid", "name"), [(0, "root"), (998, "strongroom"), (1000, "ada"), (10001, "uid 10001")])
def test_without_a_login_it_is_the_account_of_the_process(
    uid: int, name: str, login: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert label(monkeypatch, tmp_path, uid, login) == f"host:{name}"


@pytest.mark.parametrize(
    ("uid", "login", "name"),
    [
        (1000, "1000", "ada"),
        (0, "1000", "root (login: ada)"),
        (998, "1000", "strongroom (login: ada)"),
        (0, "10001", "root (login: uid 10001)"),
    ],
)
@pytest.mark.parametrize("sudo", ["", "mallory", "strongroom"])
def test_the_login_that_the_kernel_remembers_is_named(
    uid: int, login: str, name: str, sudo: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert label(monkeypatch, tmp_path, uid, login, sudo) == f"host:{name}"


def test_a_long_name_fits_the_audit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ACCOUNTS, 2000, "a" * 200)
    assert label(monkeypatch, tmp_path, 2000, UNSET) == "host:" + "a" * 75


@pytest.mark.parametrize(
    ("uid", "sudo", "name"),
    [
        (0, "ada", "root (sudo: ada)"),
        (0, "mallory", "root"),
        (0, "ada\n", "root"),
        (998, "ada", "strongroom"),
        (1000, "root", "ada"),
    ],
)
def test_sudo_user_only_adds_an_account_to_root(
    uid: int, sudo: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert label(monkeypatch, tmp_path, uid, UNSET, sudo) == f"host:{name}"

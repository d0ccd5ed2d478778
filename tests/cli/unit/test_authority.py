"""Which authorities vouch for a server: a project's file leads no credential to an impostor."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import NEW_SESSION, FakeTransport, answer, page
from vault.cli.config import load
from vault.cli.people import authority, keychain
from vault.client import Authority
from vault.errors import SettingsError

URL = "https://localhost:8443"
OWN, PROJECTS = "the user's own", "the project's"
WARNING = "is not used, because this project is not trusted"


@pytest.fixture
def project(home: Path) -> Path:
    """A project file that names an authority, and its CA file."""
    path = home / "project" / ".strongroom.toml"
    path.write_text('ca_file = "ca.pem"\n')
    path.with_name("ca.pem").write_text(PROJECTS)
    return path


@pytest.fixture
def own(home: Path) -> str:
    (home / "own.pem").write_text(OWN)
    return str(home / "own.pem")


def chosen(*, from_environment: bool = False, **flags: str) -> str | None:
    """The text of the authorities that would vouch, or None for the system's."""
    found = authority.choose(load(flags, os.environ, Path.cwd()), credential_from_environment=from_environment)
    return None if found is None else found.pem


def test_a_project_replaces_no_authority_that_a_login_was_verified_with(
    anonymous: Strongroom, server: FakeTransport, project: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", "/sessions", answer(NEW_SESSION, 201))
    assert anonymous("login", "ada", "--ca-file", own, answers="correct horse\n").exit_code == 0
    assert chosen() == OWN
    assert WARNING in capsys.readouterr().err


def test_nor_the_systems(anonymous: Strongroom, server: FakeTransport, project: Path) -> None:
    ca_file = project.read_text()
    project.write_text("")
    server.on("POST", "/sessions", answer(NEW_SESSION, 201)).on("GET", "/environments?limit=200", page())
    anonymous("login", "ada", answers="correct horse\n")
    project.write_text(ca_file)
    assert chosen() is None
    assert WARNING in anonymous("env", "list").stderr


@pytest.mark.parametrize("text", ['ca_file = "ca.pem"', f'ca_file = "ca.pem"\nurl = "{URL}"'])
def test_nor_what_is_unknown_of_an_older_login(text: str, project: Path) -> None:
    project.write_text(text)
    keychain.save(URL, "srm_s_stored")
    assert chosen() is None


def test_a_kept_authority_outlives_the_logout(anonymous: Strongroom, project: Path, own: str) -> None:
    # The next login sends a password.
    authority.keep(URL, authority.choose(load({"ca_file": own}, os.environ, Path.cwd())))
    anonymous("logout")
    assert chosen() == OWN


@pytest.mark.parametrize("url", ["", URL, "https://vault.test"])
def test_a_token_of_the_environment_is_shown_to_no_projects_authority(
    url: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_URL", url or URL)
    project.write_text(f'ca_file = "ca.pem"\nurl = "{url}"\n' if url else 'ca_file = "ca.pem"\n')
    assert chosen(from_environment=True) is None


def test_a_command_with_such_a_token_says_so(strongroom: Strongroom, server: FakeTransport, project: Path) -> None:
    server.on("GET", "/environments?limit=200", page())
    assert WARNING in strongroom("env", "list").stderr


def test_an_address_for_which_nothing_is_stored_takes_the_projects(project: Path) -> None:
    assert chosen() == PROJECTS
    project.write_text('ca_file = "ca.pem"\nurl = "https://project.test"\n')
    assert chosen() == PROJECTS


def test_the_first_login_keeps_it(anonymous: Strongroom, server: FakeTransport, project: Path) -> None:
    server.on("POST", "/sessions", answer(NEW_SESSION, 201))
    result = anonymous("login", "ada", answers="correct horse\n")
    assert f"decides which server is trusted: {project.with_name('ca.pem')}" in result.stderr
    assert chosen() == PROJECTS
    project.with_name("ca.pem").write_text("an impostor's")
    assert chosen() == PROJECTS


def test_an_address_that_only_the_user_names_takes_none_of_the_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen(url="https://vault.test") is None
    monkeypatch.setenv("STRONGROOM_URL", "https://vault.test")
    assert chosen() is None
    project.write_text('ca_file = "ca.pem"\nurl = "https://project.test"\n')
    assert chosen() is None


def test_the_users_own_goes_before_all(project: Path, own: str, home: Path) -> None:
    authority.keep(URL, None)
    assert chosen(ca_file=own) == OWN
    config = home / ".config" / "strongroom" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'ca_file = "{own}"\n')
    assert chosen() == OWN
    assert chosen(from_environment=True) == OWN


def test_a_trusted_project_decides(anonymous: Strongroom, project: Path) -> None:
    authority.keep(URL, None)
    result = anonymous("trust", "project")
    assert result.exit_code == 0
    assert str(project) in result.stderr
    assert str(project.with_name("ca.pem")) in result.stderr
    assert (chosen(), chosen(from_environment=True)) == (PROJECTS, PROJECTS)


@pytest.mark.parametrize("name", [".strongroom.toml", "ca.pem"])
def test_a_change_ends_the_trust(name: str, anonymous: Strongroom, project: Path) -> None:
    authority.keep(URL, None)
    anonymous("trust", "project")
    path = project.with_name(name)
    path.write_text(path.read_text() + "\n")
    assert chosen() is None


def test_trust_can_be_ended(anonymous: Strongroom, project: Path) -> None:
    authority.keep(URL, None)
    anonymous("trust", "project")
    assert "no longer trusted" in anonymous("trust", "project", "--remove").stderr
    assert chosen() is None
    assert "is not trusted" in anonymous("trust", "project", "--remove").stderr


def test_trust_needs_a_project(anonymous: Strongroom) -> None:
    result = anonymous("trust", "project")
    assert result.exit_code == 1
    assert "There is no .strongroom.toml" in result.stderr


def test_a_trusted_project_may_name_the_address_for_a_token_of_the_environment(
    strongroom: Strongroom, server: FakeTransport, project: Path
) -> None:
    project.write_text('url = "https://project.test"\n')
    server.on("GET", "/environments?limit=200", page())
    assert strongroom("env", "list").exit_code == 1
    strongroom("trust", "project")
    assert strongroom("env", "list").exit_code == 0


def test_a_projects_ca_file_of_another_user_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca_file = project.with_name("ca.pem")
    facts = os.stat_result((stat.S_IFREG | 0o644, 1, 1, 1, os.geteuid() + 1, 1, 1, 1, 1, 1))
    fstat = os.fstat
    monkeypatch.setattr(
        "vault.cli.files.os.fstat",
        lambda descriptor: facts if Path(f"/proc/self/fd/{descriptor}").readlink() == ca_file else fstat(descriptor),
    )
    with pytest.raises(SettingsError, match=r"ca\.pem belongs to another user"):
        chosen()


def test_a_projects_ca_file_that_is_a_pipe_does_not_wait(project: Path) -> None:
    project.with_name("ca.pem").unlink()
    os.mkfifo(project.with_name("ca.pem"))
    with pytest.raises(SettingsError, match="not a regular file"):
        chosen()


def test_the_kept_authorities_are_the_owners_file(home: Path) -> None:
    authority.keep(URL, None)
    path = home / ".local" / "state" / "strongroom" / "authorities.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        chosen()


@pytest.mark.parametrize(
    ("stored", "named"),
    [
        ("https://vault.test", "https://vault.test:443"),
        ("https://vault.test", "https://VAULT.Test"),
        ("https://vault.test", "https://vault.test."),
        ("https://vault.test:443", "HTTPS://vault.test"),
        ("https://vault.test/strongroom", "https://vault.test/other"),
        ("https://vault.test", "https://vault.test/./"),
        ("https://vault.test:8443", "https://vault.test:08443"),
        ("https://[::1]:8443", "https://[0:0::1]:8443"),
    ],
)
def test_another_spelling_of_an_address_is_the_same_server(stored: str, named: str, project: Path) -> None:
    project.write_text(f'ca_file = "ca.pem"\nurl = "{named}"\n')
    keychain.save(stored, "srm_s_stored")
    assert chosen() is None
    keychain.forget(stored)
    authority.keep(stored, None)
    assert chosen() is None
    authority.keep(stored, Authority(OWN, "own.pem"))
    assert chosen() == OWN


@pytest.mark.parametrize("other", ["https://other.test", "https://vault.test:8443"])
def test_another_server_is_another_one(other: str, project: Path) -> None:
    project.write_text(f'ca_file = "ca.pem"\nurl = "{other}"\n')
    keychain.save("https://vault.test", "srm_s_stored")
    authority.keep("https://vault.test", None)
    assert chosen() == PROJECTS


def test_a_trusted_ca_file_is_read_once(anonymous: Strongroom, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.keep(URL, None)
    anonymous("trust", "project")
    contents = iter([PROJECTS, "an impostor's"])

    def read(_path: Path, *, at_most: int) -> bytes:
        return next(contents).encode()[:at_most]

    monkeypatch.setattr(authority, "read_settings_file", read)
    assert chosen() == PROJECTS


@pytest.mark.parametrize("name", [".strongroom.toml", "ca.pem"])
def test_a_link_of_another_user_is_refused(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lstat = project.with_name(name), os.lstat
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))
    facts = os.stat_result((stat.S_IFLNK | 0o777, 1, 1, 1, os.geteuid() + 1, 1, 1, 1, 1, 1))
    monkeypatch.setattr("vault.cli.files.os.lstat", lambda given: facts if Path(given) == path else lstat(given))
    with pytest.raises(SettingsError, match="belongs to another user"):
        chosen()
    monkeypatch.undo()


@pytest.mark.parametrize("other", ["https://vault.test", "https://localhost:9443", "https://localhost"])
def test_a_trusted_project_without_an_address_counts_for_the_server_of_that_moment(
    other: str, anonymous: Strongroom, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"as it is now, for {URL}." in anonymous("trust", "project").stderr
    assert chosen(from_environment=True) == PROJECTS
    assert chosen(url="https://LOCALHOST:8443", from_environment=True) == PROJECTS
    assert (chosen(url=other), chosen(url=other, from_environment=True)) == (None, None)
    assert anonymous("--url", other, "trust", "project").exit_code == 0
    assert chosen(url=other, from_environment=True) == PROJECTS


@pytest.mark.parametrize("name", [".strongroom.toml", "ca.pem", "."])
@pytest.mark.parametrize("mode", [0o002, 0o020, 0o022])
def test_what_others_may_write_is_refused(name: str, mode: int, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.cli.files._is_own_group", lambda _group: False)
    path = project.parent / name
    path.chmod(path.stat().st_mode | mode)
    with pytest.raises(SettingsError, match=r"Other users can write to the (file|folder) .* Use: chmod go-w"):
        chosen()
    path.chmod(path.stat().st_mode & ~0o022)
    assert chosen() == PROJECTS


def test_a_link_into_a_folder_that_others_may_write_is_refused(project: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    project.rename(shared / "settings")
    project.symlink_to(shared / "settings")
    assert load({}, os.environ, Path.cwd()).project is not None
    shared.chmod(0o777)
    with pytest.raises(SettingsError, match="Other users can write to the folder"):
        chosen()
    # In a sticky folder, nobody can replace another's file.
    shared.chmod(0o1777)
    assert load({}, os.environ, Path.cwd()).project is not None


@pytest.mark.parametrize(
    ("group", "members", "is_own"),
    [("ada", [], True), ("ada", ["ada"], True), ("ada", ["ada", "bob"], False), ("staff", [], False)],
)
def test_a_group_of_the_users_own_may_write(
    group: str, members: list[str], is_own: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.cli.files.pwd.getpwuid", lambda _id: SimpleNamespace(pw_name="ada"))
    monkeypatch.setattr("vault.cli.files.grp.getgrgid", lambda _id: SimpleNamespace(gr_name=group, gr_mem=members))
    project.chmod(0o664)
    if is_own:
        assert chosen() == PROJECTS
    else:
        with pytest.raises(SettingsError, match="Other users can write"):
            chosen()

"""`run --offline-for`: the copy of the last values, when it is used, and when it is refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.support.patience import eventually
from tests.support.watched import DIARY, PATIENT, WatchedRun
from tests.unit.client.fake_transport import FakeTransport, problem
from vault import errors
from vault.cli.people import keychain
from vault.cli.people.offline import Copy, Origin, forget_all, is_away
from vault.cli.words import CliError
from vault.client import Values
from vault.client.transport import ConnectionLost, Unreachable
from vault.errors import SettingsError, StrongroomError
from vault.model.clock import HOUR_US, MINUTE_US, SECOND_US

URL = "https://vault.test"
ORIGIN = Origin(URL, "prod", None, True, "srm_t_canary")
AWAY = Unreachable("https://vault.test:443 refused the connection.")
DAY_SECONDS = 24 * 3600


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.us = 1_795_000_000 * SECOND_US

    def __call__(self) -> int:
        return self.us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def copy(home: Path, clock: Clock) -> Copy:
    """A copy of `A=canary`, just kept."""
    made = Copy(ORIGIN, DAY_SECONDS, clock)
    made.keep(Values({"A": "canary"}, warnings=["In A: x."], globals_warnings=["In A: x."], revision=3))
    return made


def test_the_values_come_back_with_a_loud_line(copy: Copy, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    clock.us += 3 * HOUR_US + 20 * MINUTE_US
    found = copy.instead_of(AWAY)
    assert (dict(found), found.warnings, found.globals_warnings, found.revision) == (
        {"A": "canary"},
        ("In A: x.",),
        ("In A: x.",),
        3,
    )
    said = capsys.readouterr().err
    assert said.startswith("strongroom: Warning: https://vault.test:443 refused the connection.\n")
    assert "strongroom: Warning: The program gets the values of 2026-11-18T" in said
    assert "They are 3 hours 20 minutes old" in said
    assert "canary" not in said


def test_nothing_of_it_can_be_read_on_the_disk(copy: Copy) -> None:
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.path.parent.stat().st_mode) == 0o700
    for path in copy.path.parent.parent.rglob("*"):
        assert "canary" not in path.name
        assert path.is_dir() or b"canary" not in path.read_bytes()


def test_one_that_is_too_old_is_refused(copy: Copy, clock: Clock) -> None:
    clock.us += 24 * HOUR_US + 1
    with pytest.raises(CliError, match=r"are 1 day old\. --offline-for allows 1 day\."):
        copy.instead_of(AWAY)
    assert dict(Copy(ORIGIN, 2 * DAY_SECONDS, clock).instead_of(AWAY)) == {"A": "canary"}


@pytest.mark.parametrize("used_first", [False, True])
def test_a_clock_that_went_back_is_refused(used_first: bool, copy: Copy, clock: Clock) -> None:
    if used_first:
        # It was used 20 hours later. A clock an hour before that would give it another life.
        clock.us += 20 * HOUR_US
        copy.instead_of(AWAY)
    clock.us -= HOUR_US
    with pytest.raises(CliError, match="its clock was set back"):
        copy.instead_of(AWAY)


def test_a_clock_that_is_corrected_by_a_second_is_not(copy: Copy, clock: Clock) -> None:
    clock.us -= SECOND_US
    assert dict(copy.instead_of(AWAY)) == {"A": "canary"}


@pytest.mark.parametrize(
    "error",
    [
        Unreachable(),
        ConnectionLost(),
        errors.Unavailable(),
        errors.DatabaseUnavailable(),
        errors.KeyProviderUnavailable(),
        errors.NotReady({"x": "y"}),
    ],
)
def test_it_is_used_while_the_vault_cannot_answer(error: StrongroomError, copy: Copy) -> None:
    assert is_away(error)
    assert dict(copy.instead_of(error)) == {"A": "canary"}


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (errors.NotAuthenticated(), False),
        (errors.Forbidden(), False),
        (errors.NotFound(), False),
        (errors.FactorSetupRequired(), False),
        (errors.VaultLocked(), True),
        (errors.AuditUnavailable(), True),
        (errors.TooManyRequests(), True),
        (errors.InvalidInput(), True),
        (errors.ServerError(), True),
        (errors.TransportError("The certificate is not trusted."), True),
        (errors.SettingsError("The CA file is empty."), True),
    ],
)
def test_it_is_not_used_where_the_vault_refuses(error: StrongroomError, stays: bool, copy: Copy) -> None:
    with pytest.raises(type(error)) as raised:
        copy.instead_of(error)
    assert raised.value is error
    assert copy.path.exists() == stays


@pytest.mark.parametrize(
    "other",
    [
        replace(ORIGIN, environment="staging"),
        replace(ORIGIN, url="https://other.test"),
        replace(ORIGIN, url="https://vault.test/below"),
        replace(ORIGIN, names=("A",)),
        replace(ORIGIN, globals=False),
        replace(ORIGIN, token="srm_t_another"),
    ],
)
def test_another_call_has_no_copy_and_opens_no_other(other: Origin, copy: Copy, clock: Clock) -> None:
    another = Copy(other, DAY_SECONDS, clock)
    with pytest.raises(CliError, match="No values are kept"):
        another.instead_of(AWAY)
    # Not even if somebody renames the file, and the other server's key is the same.
    another.path.write_bytes(copy.path.read_bytes())
    another.path.chmod(0o600)
    keychain.save_key(other.url, keychain.load_key(URL))
    with pytest.raises(CliError, match="it was changed, or belongs to something else"):
        another.instead_of(AWAY)


@pytest.mark.parametrize("spelled", ["https://VAULT.test", "https://vault.test:443/", "https://vault.test."])
def test_another_spelling_of_the_address_is_the_same_call(spelled: str, copy: Copy, clock: Clock) -> None:
    other = Copy(replace(ORIGIN, url=spelled), DAY_SECONDS, clock)
    assert dict(other.instead_of(AWAY)) == {"A": "canary"}


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lose_key(path: Path) -> None:
    keychain.forget_key(URL)


def spoil_key(path: Path) -> None:
    keychain.save_key(URL, "no key")


def open_to_all(path: Path) -> None:
    path.chmod(0o644)


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


@pytest.mark.parametrize("damage", [flip, cut, empty, lose_key, spoil_key])
def test_one_that_was_changed_is_refused(damage: Callable[[Path], None], copy: Copy) -> None:
    damage(copy.path)
    with pytest.raises(CliError, match=r"it was changed, or belongs to something else, or its key is lost\. Delete it"):
        copy.instead_of(AWAY)
    copy.keep(Values({"A": "2"}))
    assert dict(copy.instead_of(AWAY)) == {"A": "2"}


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (open_to_all, "can be read by others. It is not used. Delete it."),
        (link, "cannot be opened: Too many levels of symbolic links."),
        (become_a_pipe, "is not a regular file. It is not used. Delete it."),
        (become_a_folder, "is not a regular file."),
    ],
)
def test_a_file_that_others_made_is_refused(damage: Callable[[Path], None], sentence: str, copy: Copy) -> None:
    damage(copy.path)
    with pytest.raises(SettingsError) as raised:
        copy.instead_of(AWAY)
    assert sentence in raised.value.message


def test_a_file_of_another_user_is_refused(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(SettingsError, match="can be read by others"):
        copy.instead_of(AWAY)


def test_values_that_cannot_be_kept_do_not_stop_the_program(
    home: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".local").write_text("in the way")
    Copy(ORIGIN, DAY_SECONDS, clock).keep(Values({"A": "canary"}))
    said = capsys.readouterr().err
    assert said.startswith("strongroom: Warning: The values could not be kept for --offline-for. The file ")
    assert "canary" not in said


def test_two_calls_at_once_make_one_key(home: Path, clock: Clock) -> None:
    origins = [replace(ORIGIN, environment=f"e{number}") for number in range(8)]
    copies = [Copy(each, DAY_SECONDS, clock) for each in origins]
    threads = [
        threading.Thread(target=each.keep, args=[Values({"A": str(number)})]) for number, each in enumerate(copies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [dict(each.instead_of(AWAY))["A"] for each in copies] == [str(number) for number in range(8)]


def test_all_copies_of_a_server_go_with_their_key(copy: Copy, clock: Clock) -> None:
    other = Copy(replace(ORIGIN, url="https://other.test"), DAY_SECONDS, clock)
    other.keep(Values({"A": "other"}))
    forget_all("https://VAULT.test:443")
    assert not copy.path.exists()
    assert keychain.load_key(URL) == ""
    assert dict(other.instead_of(AWAY)) == {"A": "other"}


def test_logout_forgets_them(anonymous: Strongroom, home: Path, clock: Clock) -> None:
    kept = Copy(replace(ORIGIN, url="https://localhost:8443"), DAY_SECONDS, clock)
    kept.keep(Values({"A": "canary"}))
    assert anonymous("logout").exit_code == 0
    assert not kept.path.exists()


class Stopped(Exception):
    """Ends a loop that has no end."""


def test_the_copy_stays_young_while_nothing_changes(copy: Copy, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        clock.us += int(seconds) * SECOND_US

    answers: list[Values | Exception] = [Values({"A": "1"}), AWAY, errors.VaultLocked(), Values({"A": "2"}), Stopped()]
    monkeypatch.setattr(time, "sleep", sleep)

    def read() -> Values:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    begun = clock.us
    with pytest.raises(Stopped):
        copy.renew(read)
    # Kept at the fourth hour, so it is an hour old at the fifth.
    assert clock.us - begun == 5 * HOUR_US
    clock.us += 23 * HOUR_US
    assert dict(copy.instead_of(AWAY)) == {"A": "2"}


@pytest.mark.parametrize("error", [errors.NotAuthenticated(), errors.Forbidden()])
def test_a_refusal_ends_the_copy_and_its_renewal(
    error: StrongroomError, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    answers = [error]

    def read() -> Values:
        raise answers.pop(0)

    copy.renew(read)
    assert not copy.path.exists()


VALUES = "/environments/prod/values"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (problem(401, "not_authenticated"), 2),
        (problem(404, "not_found"), 2),
        (problem(403, "forbidden"), 2),
        (problem(503, "vault_locked", "The vault is locked.", retry_after=60), 2),
    ],
)
def test_a_refusal_of_the_vault_starts_nothing(
    said: object, code: int, strongroom: Strongroom, server: FakeTransport, home: Path, clock: Clock
) -> None:
    kept = Copy(replace(ORIGIN, url="https://localhost:8443"), DAY_SECONDS)
    kept.keep(Values({"A": "canary"}))
    server.on("GET", VALUES, said)  # type: ignore[arg-type]  # an answer or an error
    result = strongroom("run", "-e", "prod", "--offline-for", "24h", "--", "no-such-program")
    assert result.exit_code == code, result.stderr
    assert "Warning" not in result.stderr


def run_once(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.scripted_client", str(home), "run", "-e", "prod"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(
        [*command, *options, "--", "printenv", "A"],
        cwd=home,
        env=environment | {"STRONGROOM_NO_KEYCHAIN": "1"},
        capture_output=True,
        text=True,
    )


def test_a_program_starts_from_the_copy_only_if_that_was_asked_for(home: Path) -> None:
    present = home / "PRESENT"
    present.write_text('{"A": "1"}')
    assert run_once(home).stdout == "1\n"
    assert not (home / ".local").exists()
    assert run_once(home, "--offline-for=24h").stdout == "1\n"
    present.write_text('{"error": "Unreachable"}')
    refused = run_once(home)
    assert (refused.returncode, refused.stdout) == (1, "")
    found = run_once(home, "--offline-for=24h")
    assert (found.returncode, found.stdout) == (0, "1\n")
    assert "They are less than a minute old" in found.stderr


def test_a_watched_program_starts_from_the_copy_and_follows_when_the_vault_is_back(home: Path) -> None:
    with WatchedRun(home, DIARY + "note('ran')", "--offline-for=24h") as before:
        assert before.ended() == 0
    with WatchedRun(home, PATIENT, "--offline-for=24h", first={"error": "Unreachable"}) as run:
        run.until("start 1")
        assert "strongroom: Warning: The program gets the values of " in run.said
        run.tell({"error": "Unreachable"})
        run.until_said("Changes are not followed at the moment")
        run.tell({"A": "2"})
        run.until("start 2")
        # The new values are in the copy, and a revoked token ends its life. The program goes on.
        run.tell({"error": "NotAuthenticated"})
        run.until_said("Changes are not followed any more: A valid credential is needed.")
        assert eventually(lambda: not list(home.rglob("*.sealed")))
        assert run.process.poll() is None
        assert all(line.startswith("strongroom: ") for line in run.said.splitlines())
    with WatchedRun(home, PATIENT, "--offline-for=24h", first={"error": "Unreachable"}) as after:
        assert after.ended() == 1
        assert "No values are kept" in after.said

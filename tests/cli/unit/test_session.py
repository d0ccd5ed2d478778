"""`login` and `logout`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import MADE_TOKEN, NEW_SESSION, SESSION, FakeTransport, answer, page, problem
from vault.cli.people import keychain
from vault.client import Response

URL = "https://localhost:8443"


@pytest.fixture
def accepting(server: FakeTransport) -> FakeTransport:
    server.on("POST", "/sessions", answer(NEW_SESSION, 201))
    server.on("GET", "/sessions?limit=200", page(SESSION)).on("DELETE", "/sessions/s1", Response(204))
    return server.on("DELETE", "/sessions", Response(204))


def test_name_and_password_are_asked_for(anonymous: Strongroom, accepting: FakeTransport) -> None:
    result = anonymous("login", answers="ada\ncorrect horse\n")
    assert result.exit_code == 0, result.output
    assert accepting.sent == {"username": "ada", "password": "correct horse"}
    assert keychain.load(URL) == "srm_s_secret"
    assert result.stdout == ""
    assert "correct horse" not in result.stderr
    assert "srm_s_secret" not in result.stderr


def test_the_address_is_told_before_the_password_is_asked_for(anonymous: Strongroom, accepting: FakeTransport) -> None:
    stderr = anonymous("login", "ada", answers="x\n").stderr
    assert stderr.index(URL) < stderr.index("password")


def test_the_password_comes_from_stdin_or_a_file(
    anonymous: Strongroom, accepting: FakeTransport, tmp_path: Path
) -> None:
    assert anonymous("login", "ada", "--password", "-", stdin="from stdin\n").exit_code == 0
    assert accepting.sent["password"] == "from stdin"
    (tmp_path / "password").write_text("from file\n")
    assert anonymous("login", "ada", "--password", f"@{tmp_path}/password").exit_code == 0
    assert accepting.sent["password"] == "from file"


def test_a_password_on_the_command_line_is_taken_with_a_warning(
    anonymous: Strongroom, accepting: FakeTransport
) -> None:
    result = anonymous("login", "ada", "--password", "canary-5c1")
    assert result.exit_code == 0
    assert "Warning: the password was given on the command line" in result.stderr
    assert "canary" not in result.output


def test_name_and_password_come_from_the_environment(
    anonymous: Strongroom, accepting: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_USERNAME", "ada")
    monkeypatch.setenv("STRONGROOM_PASSWORD", "correct horse")
    assert anonymous("login").exit_code == 0
    assert accepting.sent == {"username": "ada", "password": "correct horse"}


def test_without_a_terminal_nothing_is_asked(anonymous: Strongroom, server: FakeTransport) -> None:
    result = anonymous("login", "ada")
    assert result.exit_code == 1
    assert "no terminal to ask for the password" in result.stderr
    assert server.requests == []


def test_a_wrong_password_is_2_and_keeps_nothing(anonymous: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/sessions", problem(401, "bad_login"))
    result = anonymous("login", "ada", answers="wrong\n")
    assert result.exit_code == 2
    assert result.stderr.endswith("strongroom: bad_login\n")
    assert keychain.load(URL) == ""


def test_a_logout_ends_the_session_there_and_here(anonymous: Strongroom, accepting: FakeTransport) -> None:
    keychain.save(URL, "srm_s_secret")
    assert anonymous("logout").exit_code == 0
    assert accepting.calls[-1] == "DELETE /sessions/s1"
    assert keychain.load(URL) == ""


def test_a_logout_everywhere(anonymous: Strongroom, accepting: FakeTransport) -> None:
    keychain.save(URL, "srm_s_secret")
    assert anonymous("logout", "--all").exit_code == 0
    assert accepting.calls == ["DELETE /sessions"]


@pytest.mark.parametrize("ends", [False, True])
def test_a_logout_everywhere_tells_the_tokens(anonymous: Strongroom, server: FakeTransport, ends: bool) -> None:
    keychain.save(URL, "srm_s_secret")
    told = {"sessions": 2, "tokens": [{**MADE_TOKEN, "name": "a\x1b[31mb"}], "tokens_ended": ends}
    server.on("DELETE", "/sessions?end_tokens=true" if ends else "/sessions", answer(told))
    done = anonymous("logout", "--all", *(["--tokens"] if ends else []))
    assert (done.exit_code, keychain.load(URL)) == (0, "")
    assert ("tk1" in done.stderr, "\x1b" in done.stderr) == (True, False)
    assert ("have ended:" in done.stderr) == ends
    assert ("log in and end it: strongroom token revoke tk1" in done.stderr) == (not ends)


def test_tokens_end_only_with_all_sessions_and_only_if_the_server_did_it(
    anonymous: Strongroom, server: FakeTransport
) -> None:
    keychain.save(URL, "srm_s_secret")
    refused = anonymous("logout", "--tokens")
    assert (refused.exit_code, "--tokens needs --all." in refused.stderr) == (1, True)
    assert keychain.load(URL) == "srm_s_secret"
    server.on("DELETE", "/sessions?end_tokens=true", problem(401, "not_authenticated"))
    done = anonymous("logout", "--all", "--tokens")
    assert (done.exit_code, "The tokens were not ended" in done.stderr) == (1, True)


def test_a_session_that_has_ended_is_forgotten(anonymous: Strongroom, server: FakeTransport) -> None:
    keychain.save(URL, "srm_s_secret")
    server.on("GET", "/sessions?limit=200", problem(401, "not_authenticated"))
    assert anonymous("logout").exit_code == 0
    assert keychain.load(URL) == ""


def test_a_logout_without_a_session(anonymous: Strongroom) -> None:
    result = anonymous("logout")
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_stored_session_is_used_and_the_environment_goes_before_it(
    anonymous: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    keychain.save(URL, "srm_s_stored")
    server.on("GET", "/environments?limit=200", page())
    anonymous("env", "list")
    assert server.sent_headers["Authorization"] == "Bearer srm_s_stored"
    monkeypatch.setenv("STRONGROOM_TOKEN", "srm_t_environment")
    anonymous("env", "list")
    assert server.sent_headers["Authorization"] == "Bearer srm_t_environment"


@pytest.mark.parametrize("content", ["", "\n", "\ufeff \r\n"])
@pytest.mark.parametrize("name", ["STRONGROOM_TOKEN", "STRONGROOM_TOKEN_FILE"])
def test_an_empty_token_is_not_replaced_by_the_stored_session(
    name: str, content: str, anonymous: Strongroom, server: FakeTransport, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keychain.save(URL, "srm_s_stored")
    (home / "token").write_text(content, encoding="utf-8")
    monkeypatch.setenv(name, str(home / "token") if name.endswith("_FILE") else content)
    result = anonymous("env", "list")
    assert result.exit_code == 1
    assert f"{name}" in result.stderr
    assert "is empty" in result.stderr
    assert server.requests == []


@pytest.mark.parametrize("content", ["", "\r\n", "\ufeff\n", "  "])
@pytest.mark.parametrize("way", ["variable", "file of the variable", "file", "prompt"])
def test_an_empty_password_is_not_sent(
    way: str, content: str, anonymous: Strongroom, server: FakeTransport, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "password").write_text(content, encoding="utf-8")
    if way == "variable":
        monkeypatch.setenv("STRONGROOM_PASSWORD", content)
    if way == "file of the variable":
        monkeypatch.setenv("STRONGROOM_PASSWORD_FILE", str(home / "password"))
    arguments = ["--password", f"@{home}/password"] if way == "file" else []
    result = anonymous("login", "ada", *arguments, answers="\n")
    assert result.exit_code == 1
    assert "is empty" in result.stderr
    assert server.requests == []


def test_a_password_file_of_windows_is_read(
    anonymous: Strongroom, accepting: FakeTransport, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "password").write_bytes("\ufeff correct horse \r\n\r\n".encode())
    assert anonymous("login", "ada", "--password", f"@{home}/password").exit_code == 0
    assert accepting.sent["password"] == " correct horse "
    monkeypatch.setenv("STRONGROOM_PASSWORD_FILE", str(home / "password"))
    assert anonymous("login", "ada").exit_code == 0
    assert accepting.sent["password"] == " correct horse "


def test_a_project_file_that_points_elsewhere_finds_no_token(anonymous: Strongroom, server: FakeTransport) -> None:
    keychain.save(URL, "srm_s_stored")
    Path(".strongroom.toml").write_text('url = "https://evil.test"\n')
    assert anonymous("env", "list").exit_code == 1
    assert server.requests == []


CHALLENGE = {"id": "c1", "kinds": ["totp", "recovery"], "expires_at": "2026-11-22T09:00:00Z", "passkey": None}


@pytest.fixture
def asking(server: FakeTransport) -> FakeTransport:
    """A server that asks for a second factor."""
    server.on("POST", "/sessions", problem(401, "second_factor_required", "It needs more.", challenge=CHALLENGE))
    return server.on("POST", "/sessions/challenges/c1", answer(NEW_SESSION, 201))


def test_a_second_factor_is_asked_for(anonymous: Strongroom, asking: FakeTransport) -> None:
    result = anonymous("login", "ada", answers="correct horse\n123 456\n")
    assert result.exit_code == 0, result.output
    assert asking.sent == {"code": "123 456"}
    assert keychain.load(URL) == "srm_s_secret"
    assert "123 456" not in result.output


def test_what_is_no_code_is_a_recovery_code(anonymous: Strongroom, asking: FakeTransport) -> None:
    left = {**NEW_SESSION, "recovery_codes_left": 7}
    asking.on("POST", "/sessions/challenges/c1", answer(left, 201))
    result = anonymous("login", "ada", answers="correct horse\nabcd-efgh-jkmn\n")
    assert asking.sent == {"recovery_code": "abcd-efgh-jkmn"}
    assert "recovery code. 7 are left" in result.stderr


def test_a_code_that_was_mistyped_is_asked_for_three_times(anonymous: Strongroom, asking: FakeTransport) -> None:
    asking.on("POST", "/sessions/challenges/c1", problem(401, "bad_second_factor", "Not accepted."))
    result = anonymous("login", "ada", answers="correct horse\n111111\n222222\n333333\n")
    assert result.exit_code == 2
    assert asking.sent == {"code": "333333"}
    assert "STRONGROOM_TOKEN" not in result.stderr
    assert keychain.load(URL) == ""


def test_a_code_comes_from_stdin_or_a_file(
    anonymous: Strongroom, asking: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    result = anonymous("login", "ada", "--password", f"@{tmp_path}/password", "--code", "-", stdin="123456\n")
    assert result.exit_code == 0, result.output
    assert asking.sent == {"code": "123456"}


def test_one_standard_input_does_not_hold_both(anonymous: Strongroom, asking: FakeTransport) -> None:
    result = anonymous("login", "ada", "--password", "-", "--code", "-", stdin="x\n")
    assert (result.exit_code, asking.calls) == (1, [])


def test_without_a_terminal_no_code_is_asked_for(anonymous: Strongroom, asking: FakeTransport) -> None:
    result = anonymous("login", "ada", "--password", "-", stdin="correct horse\n")
    assert result.exit_code == 1
    assert "no terminal to ask for the code" in result.stderr


def test_an_account_with_a_passkey_alone_is_sent_to_a_browser(anonymous: Strongroom, server: FakeTransport) -> None:
    challenge = {**CHALLENGE, "kinds": ["passkey"]}
    server.on("POST", "/sessions", problem(401, "second_factor_required", challenge=challenge))
    result = anonymous("login", "ada", answers="correct horse\n")
    assert result.exit_code == 1
    assert "Log in with a browser" in result.stderr


def test_an_empty_code_is_not_sent(anonymous: Strongroom, asking: FakeTransport, home: Path) -> None:
    (home / "code").write_text("\n")
    result = anonymous("login", "ada", "--code", f"@{home}/code", answers="correct horse\n")
    assert (result.exit_code, len(asking.requests)) == (1, 1)
    assert "The code of the second factor is empty" in result.stderr

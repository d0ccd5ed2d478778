"""Secrets in variables and files: what is around is removed, and what is named and empty is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from vault.cli import config, root
from vault.client import Client
from vault.errors import SettingsError
from vault.settings import load
from vault.settings.names import _KNOWN
from vault.sources import (
    parts_of,
    secret_from,
    secret_in,
    secret_in_file,
    without_line_ends,
    without_one_line_end,
    without_space_around,
)

BLANK = ["", " ", "\n", "\r\n", "\ufeff", "\ufeff \ufeff\n", "\u00a0\t"]


@pytest.mark.parametrize("text", BLANK)
def test_what_is_empty_is_refused(text: str, tmp_path: Path) -> None:
    for clean in (without_space_around, without_line_ends, without_one_line_end):
        with pytest.raises(SettingsError, match=r"^The password is empty\.$"):
            secret_in(text, "The password", clean)
    path = tmp_path / "secret"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="X_FILE names, is empty"):
        secret_from({"X_FILE": str(path)}, "X")
    with pytest.raises(SettingsError, match="X is set, but is empty"):
        secret_from({"X": text}, "X")


def test_a_name_of_no_file_is_refused() -> None:
    for path in ("", " "):
        with pytest.raises(SettingsError, match="X_FILE is set, but is empty"):
            secret_from({"X_FILE": path}, "X")


@pytest.mark.parametrize("name", sorted(_KNOWN))
def test_a_variable_that_is_set_and_empty_is_refused_by_server_and_command(name: str, tmp_path: Path) -> None:
    variable = f"STRONGROOM_{name}"
    told = f"{variable} is set, but is empty. Give it a value, or unset it."
    for text in BLANK:
        environ = {"HOME": str(tmp_path), variable: text}
        with pytest.raises(SettingsError) as caught:
            load(environ)
        assert str(caught.value) == told
        with pytest.raises(SettingsError) as caught:
            config.load({"url": "https://x"}, environ, tmp_path)
        assert str(caught.value) == told
    assert list(tmp_path.iterdir()) == []


def test_all_variables_are_among_those() -> None:
    assert {"TOKEN_FILE", "NO_KEYCHAIN", "DATABASE_URL_FILE", "OPERATOR_NETWORKS", "TLS_KEY", "WORKERS"} < _KNOWN


@pytest.mark.parametrize("text", BLANK)
@pytest.mark.parametrize(
    "variable", ["STRONGROOM_URL", "STRONGROOM_CA_FILE", "STRONGROOM_TOKEN", "STRONGROOM_TOKEN_FILE"]
)
def test_the_sdk_refuses_a_variable_that_it_reads_and_that_is_empty(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=f"{variable} is set, but is empty"):
        Client()


@pytest.mark.parametrize("text", BLANK)
def test_the_sdk_refuses_an_argument_that_is_empty(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^url is empty\.$"):
        Client(text, "srm_t_x")
    with pytest.raises(SettingsError, match=r"^ca_file is empty\.$"):
        Client("https://x", "srm_t_x", text)


def test_the_sdk_reads_no_variable_where_an_argument_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("STRONGROOM_URL", "STRONGROOM_TOKEN", "STRONGROOM_CA_FILE"):
        monkeypatch.setenv(variable, "")
    with pytest.raises(SettingsError, match="STRONGROOM_CA_FILE is set, but is empty"):
        Client("https://x", "srm_t_x")
    assert Client("http://127.0.0.1:1", "", "/unread.pem", plain_http=True).url == "http://127.0.0.1:1"


@pytest.mark.parametrize("text", BLANK)
@pytest.mark.parametrize("option", ["--url", "--ca-file"])
def test_an_option_that_is_empty_is_refused(option: str, text: str) -> None:
    told = CliRunner().invoke(root, [option, text, "env", "list"])
    assert (told.exit_code, f"Invalid value for '{option}': It is empty." in told.stderr) == (1, True), told.stderr


@pytest.mark.parametrize("text", ["", " "])
@pytest.mark.parametrize("key", ["url", "environment", "ca_file"])
@pytest.mark.parametrize("name", [".strongroom.toml", ".config/strongroom/config.toml"])
def test_a_key_of_a_settings_file_that_is_empty_is_refused(name: str, key: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(f'{key} = "{text}"\n')
    with pytest.raises(SettingsError, match=f"In the file {tmp_path / name}, {key} is empty"):
        config.load({}, {"HOME": str(tmp_path)}, tmp_path)


def test_what_nobody_named_is_none() -> None:
    assert secret_from({"Y": "y", "Y_FILE": "/y"}, "X") is None


@pytest.mark.parametrize(
    ("text", "parts"), [("a,b", ["a", "b"]), (" a , ,b,", ["a", "b"]), ("", []), (" , ", []), ("a b", ["a b"])]
)
def test_a_list_is_split_by_commas(text: str, parts: list[str]) -> None:
    assert parts_of(text) == parts


def test_two_sources_are_refused() -> None:
    with pytest.raises(SettingsError, match="X and X_FILE are both set"):
        secret_from({"X": "x", "X_FILE": "/x"}, "X")


@pytest.mark.parametrize("text", ["\ufeff srm_t_x\r\n", "srm_t_x\u00a0", "\n\n srm_t_x", " \ufeff\tsrm_t_x \ufeff\n"])
def test_white_space_and_byte_order_marks_around_are_removed(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text, encoding="utf-8", newline="")
    assert secret_in_file("X_FILE", str(tmp_path / "token")) == "srm_t_x"
    assert secret_from({"X": text}, "X") == "srm_t_x"


def test_a_password_keeps_its_spaces() -> None:
    assert without_line_ends("\ufeff two words \r\n\n") == " two words "
    assert without_line_ends("\ttabs\t\n") == "\ttabs\t"


def test_a_passphrase_loses_one_line_end() -> None:
    assert without_one_line_end("a\r\n\n") == "a\r\n"


def test_a_file_that_cannot_be_read_is_named_and_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        secret_in_file("X_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="Is a directory"):
        secret_in_file("X_FILE", str(tmp_path))
    (tmp_path / "utf16").write_bytes("canary".encode("utf-16"))
    with pytest.raises(SettingsError, match="not UTF-8 text") as caught:
        secret_in_file("X_FILE", str(tmp_path / "utf16"))
    assert "0xff" not in str(caught.value)
    with pytest.raises(SettingsError, match="larger than 1 MiB"):
        secret_in_file("X_FILE", "/dev/zero")

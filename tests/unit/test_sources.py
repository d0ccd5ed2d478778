"""Secrets in variables and files: what is around is removed, and what is named and empty is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.errors import SettingsError
from vault.sources import (
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
        with pytest.raises(SettingsError, match="X_FILE is set, but names no file"):
            secret_from({"X_FILE": path}, "X")


def test_what_nobody_named_is_none() -> None:
    assert secret_from({"Y": "y", "Y_FILE": "/y"}, "X") is None


@pytest.mark.parametrize("text", ["", "x"])
def test_two_sources_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="X and X_FILE are both set"):
        secret_from({"X": text, "X_FILE": "/x"}, "X")


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

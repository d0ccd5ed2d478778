"""How `run` executes scripts and what it says of a program that it cannot execute, in real processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.unit.test_run import run
from vault.cli.people import programs


def script(home: Path, content: str | bytes, mode: int = 0o755) -> str:
    path = home / "script"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return "./script"


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        ('echo "$A $0 $1"\n', "canary-5c1 ./script x y\n"),
        ("\n# a comment\necho $#\n", "1\n"),
        ("", ""),
        ("#!\necho $1\n", "x y\n"),
    ],
)
def test_a_script_without_an_interpreter_is_the_shells(content: str, printed: str, home: Path) -> None:
    command = script(home, content)
    found = run("-e", "prod", "--", command, "x y", home=home)
    assert (found.returncode, found.stdout) == (0, printed), found.stderr
    # The same as `env` does.
    by_env = subprocess.run(["env", "A=canary-5c1", command, "x y"], capture_output=True, text=True, cwd=home)
    assert (by_env.returncode, by_env.stdout) == (0, printed)


def test_such_a_script_is_found_in_the_path(home: Path) -> None:
    script(home, "echo found $1\n")
    found = run("-e", "prod", "--", "script", "-c", home=home, PATH=f"{home}:/usr/bin:/bin")
    assert found.stdout == "found -c\n"


def test_its_exit_code_is_its_own(home: Path) -> None:
    assert run("-e", "prod", "--", script(home, "exit 7\n"), home=home).returncode == 7


@pytest.mark.parametrize("content", [b"\x7fELF\0\0\0", b"\xca\xfe\xba\xbe\0\0\0\x02", b"MZ\0\n"])
def test_a_binary_of_another_system_is_not_given_to_the_shell(content: bytes, home: Path) -> None:
    found = run("-e", "prod", "--", script(home, content), home=home)
    assert found.returncode == 126
    assert "a binary of another system" in found.stderr


@pytest.mark.parametrize(
    "line", ["#!/no/such/interpreter", "#! /no/such/interpreter -x", "#!\t/no/such/interpreter\t-x"]
)
def test_an_interpreter_that_is_missing_is_named(line: str, home: Path) -> None:
    found = run("-e", "prod", "--", script(home, f"{line}\necho ran\n"), home=home)
    assert (found.returncode, found.stdout) == (127, "")
    assert "the interpreter /no/such/interpreter was not found" in found.stderr


@pytest.mark.parametrize("line", ["#!/bin/sh\r", "#! /bin/sh\r", "#!/usr/bin/env\r"])
def test_a_carriage_return_after_the_interpreter_is_named(line: str, home: Path) -> None:
    found = run("-e", "prod", "--", script(home, f"{line}\necho ran\r\n"), home=home)
    assert (found.returncode, found.stdout) == (127, "")
    assert f"interpreter {line[2:-1].strip()} and a carriage return" in found.stderr
    assert "line ends of Windows" in found.stderr


def test_an_interpreter_that_may_not_be_executed_is_named(home: Path) -> None:
    (home / "interpreter").write_text("")
    found = run("-e", "prod", "--", script(home, f"#!{home}/interpreter\n"), home=home)
    assert found.returncode == 126
    assert f"its interpreter {home}/interpreter may not be executed" in found.stderr


def test_a_script_that_may_not_be_executed_is_not_blamed_on_its_interpreter(home: Path) -> None:
    found = run("-e", "prod", "--", script(home, "#!/bin/sh\n", 0o644), home=home)
    assert found.returncode == 126
    assert "Permission denied" in found.stderr


def test_a_program_that_is_missing_is_said_to_be(home: Path) -> None:
    found = run("-e", "prod", "--", "./missing", home=home)
    assert (found.returncode, found.stderr.splitlines()[-1]) == (
        127,
        "strongroom: The program ./missing was not found.",
    )


def test_a_program_without_its_loader_is_told(home: Path) -> None:
    command = home / "program"
    command.write_bytes(b"\x7fELF")
    assert "the loader that it names was not found" in programs._why_not_found(str(command), str(command))


@pytest.mark.parametrize("names", [["A"], ["A", "B"], ["A_LONG_NAME"]])
def test_a_variable_that_is_too_large_is_named(names: list[str], home: Path) -> None:
    values = {**dict.fromkeys(names, "canary" * 30_000), "SMALL": "x"}
    found = run("-e", "prod", "--", "true", home=home, values=values)
    assert found.returncode == 126
    assert "128 KiB for each variable" in found.stderr
    assert all(f"{name} ({180_000 + len(name) + 2:,} bytes)" in found.stderr for name in names)
    assert "SMALL" not in found.stderr
    assert "canary" not in found.stderr


def test_many_that_are_too_large_together_are_counted(home: Path) -> None:
    values = {f"V{number}": "x" * 120_000 for number in range(60)} | {"LARGEST": "x" * 130_000}
    found = run("-e", "prod", "--", "true", home=home, values=values)
    assert found.returncode == 126
    assert "bytes together" in found.stderr
    assert "LARGEST (130,009 bytes)" in found.stderr


def test_an_argument_that_is_too_large_is_told() -> None:
    assert "one has 200,001 bytes" in programs._too_large(["true", "x" * 200_000], {b"A": b"1"})

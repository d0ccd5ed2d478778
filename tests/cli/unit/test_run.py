"""`run`: in real processes, whose exit codes and environments are looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vault.cli.people.run import merged_environment
from vault.cli.words import CliError

CHILD = """
import json, sys
sys.path.insert(0, {root!r})
from vault.cli import root
from vault.cli.context import Cli
from tests.unit.client.fake_transport import FakeTransport, answer
values = json.loads({values!r})
server = FakeTransport()
for query in ("", "?globals=false", "?names=A"):
    found = answer({{"values": values, "warnings": ["In A: something."], "revision": 1}})
    server.on("GET", "/environments/prod/values" + query, found)
root.main({arguments!r}, obj=Cli(transport=server))
"""
SHOW = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


def run(
    *arguments: str, home: Path, values: dict[str, str] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    code = CHILD.format(
        root=str(Path(__file__).parents[3]),
        values=json.dumps({"A": "canary-5c1"} if values is None else values),
        arguments=["run", *arguments],
    )
    inherited = {"PATH": "/usr/bin:/bin", "HOME": str(home), "STRONGROOM_TOKEN": "srm_t_x", "KEPT": "1", **environment}
    # By stdin, because the system bounds an argument as it bounds a variable.
    return subprocess.run([sys.executable], input=code, env=inherited, capture_output=True, text=True, cwd=home)


def shown(*arguments: str, home: Path, **environment: str) -> dict[str, str]:
    found = run("-e", "prod", *arguments, "--", *SHOW, home=home, values=None, **environment)
    assert found.returncode == 0, found.stderr
    return dict(json.loads(found.stdout))


def test_values_are_added_to_the_environment(home: Path) -> None:
    environment = shown(home=home)
    assert (environment["A"], environment["KEPT"]) == ("canary-5c1", "1")


def test_a_value_wins_over_the_inherited_one(home: Path) -> None:
    assert shown(home=home, A="inherited")["A"] == "canary-5c1"


def test_our_own_credentials_do_not_reach_the_program(home: Path) -> None:
    assert not [name for name in shown(home=home, STRONGROOM_PASSWORD="p") if name.startswith("STRONGROOM_")]
    assert shown("--keep-token", home=home)["STRONGROOM_TOKEN"] == "srm_t_x"


def test_values_reach_a_program_whatever_the_locale(home: Path) -> None:
    found = run(
        "-e",
        "prod",
        "--",
        "sh",
        "-c",
        'printf %s "$A"',
        home=home,
        values={"A": "ä\U0001f511"},
        LC_ALL="de_DE.ISO-8859-1",
    )
    assert found.stdout == "ä\U0001f511"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], -15),
        (["no-such-program"], 127),
        (["/etc/passwd/x"], 127),
        (["/etc/passwd"], 126),
        (["/"], 126),
    ],
)
def test_the_exit_code_is_the_programs(command: list[str], code: int, home: Path) -> None:
    found = run("-e", "prod", "--", *command, home=home)
    assert found.returncode == code
    assert "Traceback" not in found.stderr


def test_the_programs_options_are_its_own(home: Path) -> None:
    assert run("-e", "prod", "printf", "%s|", "-e", "--help", home=home).stdout == "-e|--help|"


def test_a_program_dies_of_a_closed_pipe_as_it_would_alone(home: Path) -> None:
    # Python ignores SIGPIPE, and would hand that on: `yes` would then complain and fail instead.
    found = run("-e", "prod", "--", "sh", "-c", "yes | head -n 1; kill -PIPE $$; echo still here", home=home)
    assert found.stdout == "y\n"
    assert found.returncode == -13


def test_warnings_are_words_on_stderr(home: Path) -> None:
    found = run("-e", "prod", "--", "true", home=home)
    assert (found.stdout, found.stderr) == ("", "Warning: In A: something.\n")


def test_only_some_are_asked_for(home: Path) -> None:
    assert shown("--only", "A", home=home)["A"] == "canary-5c1"


def test_one_that_is_missing_stops_the_run(home: Path) -> None:
    found = run("-e", "prod", "--only", "A", "--", "echo", "ran", home=home, values={})
    assert (found.returncode, found.stdout) == (1, "")
    assert "There is no value for A here." in found.stderr


def test_the_globals_can_be_left_out(home: Path) -> None:
    assert shown("--no-globals", home=home)["A"] == "canary-5c1"


def test_a_value_with_nul_stops_the_run_unquoted(home: Path) -> None:
    found = run("-e", "prod", "--", "echo", "ran", home=home, values={"A": "canary\0"})
    assert (found.returncode, found.stdout) == (1, "")
    assert "The value of A contains a NUL character" in found.stderr
    assert "canary" not in found.stderr


def test_values_too_large_for_the_system_are_told(home: Path) -> None:
    found = run("-e", "prod", "--", "true", home=home, values={"A": "x" * 200_000})
    assert found.returncode == 126
    assert "128 KiB" in found.stderr


def test_nothing_is_written(home: Path) -> None:
    before = sorted(home.rglob("*"))
    run("-e", "prod", "--", "true", home=home)
    assert sorted(home.rglob("*")) == before


def test_a_name_that_no_environment_holds_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert merged_environment({}, {"A=B": "1", "C": "2"}, keep_token=False) == {b"C": b"2"}
    assert "A=B is left out" in capsys.readouterr().err


def test_a_credential_among_the_values_is_theirs_to_have() -> None:
    merged = merged_environment({b"STRONGROOM_TOKEN": b"mine"}, {"STRONGROOM_TOKEN": "stored"}, keep_token=False)
    assert merged == {b"STRONGROOM_TOKEN": b"stored"}


def test_nul_is_refused() -> None:
    with pytest.raises(CliError, match="NUL"):
        merged_environment({}, {"A": "\0"}, keep_token=False)

"""`run`: in real processes, whose exit codes and environments are looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport
from vault.cli.people.merging import merged_environment
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
    told = ["In A: something.", "In G: something."]
    found = answer({{"values": values, "warnings": told, "globals_warnings": told[1:], "revision": 1}})
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


STEERING = {
    "SSLKEYLOGFILE": "/evil",
    "LD_PRELOAD": "/evil.so",
    "NODE_OPTIONS": "-r /evil.js",
    "BASH_FUNC_ls%%": "() { evil; }",
    "PATH": "/evil",
}


def test_names_that_make_programs_load_code_are_left_out(home: Path) -> None:
    values = {"A": "1", **STEERING}
    found = run("-e", "prod", "--", *SHOW, home=home, values=values, NODE_OPTIONS="--mine")
    environment = json.loads(found.stdout)
    assert (environment["A"], environment["PATH"], environment["NODE_OPTIONS"]) == ("1", "/usr/bin:/bin", "--mine")
    assert not {"LD_PRELOAD", "BASH_FUNC_ls%%"} & set(environment)
    assert all(f"{name} is left out" in found.stderr for name in STEERING)
    assert "evil" not in found.stderr


@pytest.mark.parametrize(
    "options", [["--allow-name", "NODE_OPTIONS,PATH"], ["--allow-name=NODE_OPTIONS", "--allow-name=PATH"]]
)
def test_they_can_be_allowed_by_name(options: list[str], home: Path) -> None:
    found = run("-e", "prod", *options, "--", *SHOW, home=home, values=STEERING)
    environment = json.loads(found.stdout)
    assert (environment["PATH"], environment["NODE_OPTIONS"]) == ("/evil", "-r /evil.js")
    assert "LD_PRELOAD" not in environment
    assert "PATH is left out" not in found.stderr


def test_to_ask_for_one_is_not_to_allow_it(home: Path) -> None:
    found = run("-e", "prod", "--only", "A", "--", *SHOW, home=home, values={"A": "1", "PYTHONSTARTUP": "/evil.py"})
    assert "PYTHONSTARTUP" not in json.loads(found.stdout)


PORTS = {"PORT": "3000", "HOST": "stored"}


@pytest.mark.parametrize(
    ("option", "port", "host"),
    [
        (["--preserve-env", "--"], "4000", "mine"),
        (["--preserve-env"], "4000", "mine"),
        (["--preserve-env=PORT"], "4000", "stored"),
        (["--preserve-env=HOST,OTHER"], "3000", "mine"),
    ],
)
def test_the_callers_variables_can_win(option: list[str], port: str, host: str, home: Path) -> None:
    # Without `--`, the word after `--preserve-env` is the program and not its value.
    found = run("-e", "prod", *option, *SHOW, home=home, values=PORTS, PORT="4000", HOST="mine")
    environment = json.loads(found.stdout)
    assert (environment["PORT"], environment["HOST"]) == (port, host)


def test_what_the_caller_does_not_set_is_stored(home: Path) -> None:
    found = run("--preserve-env", "-e", "prod", "--", *SHOW, home=home, values=PORTS, PORT="4000")
    environment = json.loads(found.stdout)
    assert (environment["PORT"], environment["HOST"]) == ("4000", "stored")


def test_the_programs_own_preserve_env_is_its_own(home: Path) -> None:
    found = run("-e", "prod", "printf", "%s|", "--preserve-env", home=home)
    assert found.stdout == "--preserve-env|"


def test_our_own_credentials_are_not_preserved(home: Path) -> None:
    assert "STRONGROOM_TOKEN" not in shown("--preserve-env", home=home)


@pytest.mark.parametrize("names", ["", ",", ",,"])
@pytest.mark.parametrize("option", ["--only", "--preserve-env", "--allow-name"])
def test_a_choice_of_nothing_is_an_error(
    option: str, names: str, strongroom: Strongroom, server: FakeTransport
) -> None:
    result = strongroom("run", "-e", "prod", f"{option}={names}", "--", "echo", "ran")
    assert result.exit_code == 1
    assert f"{option} names no variable" in result.stderr
    assert server.requests == []


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
    assert (found.stdout, found.stderr) == ("", "strongroom: Warning: In A: something.\n")


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
    assert merged_environment({}, {"A=B": "1", "C": "2"}) == {b"C": b"2"}
    assert "A=B is left out" in capsys.readouterr().err


def test_a_credential_among_the_values_is_theirs_to_have() -> None:
    merged = merged_environment({b"STRONGROOM_TOKEN": b"mine"}, {"STRONGROOM_TOKEN": "stored"})
    assert merged == {b"STRONGROOM_TOKEN": b"stored"}


def test_nul_is_refused() -> None:
    with pytest.raises(CliError, match="NUL"):
        merged_environment({}, {"A": "\0"})


@pytest.mark.parametrize("name", ["STRONGROOM_URL", "STRONGROOM_CA_FILE", "STRONGROOM_CONFIG"])
def test_no_value_leads_the_token_that_is_passed_on_to_another_server(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inherited = {b"STRONGROOM_TOKEN": b"srm_t_x", b"STRONGROOM_URL": b"https://vault.test"}
    merged = merged_environment(inherited, {name: "https://evil.test", "A": "1"}, keep_token=True)
    assert merged == inherited | {b"A": b"1"}
    assert f"{name} is left out" in capsys.readouterr().err
    # Without a token, it is a setting of the program.
    assert merged_environment({}, {name: "https://b.test"}) == {name.encode(): b"https://b.test"}

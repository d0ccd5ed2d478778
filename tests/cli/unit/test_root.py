"""Exit codes, sentences instead of tracebacks, and what the command does not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport, answer, page, problem
from vault import __version__
from vault.cli.root import COMMANDS
from vault.client.transport import Unreachable
from vault.errors import TransportError

LIST = "/environments?limit=200"
HEAVY = {
    "flask",
    "sqlalchemy",
    "rich",
    "yaml",
    "redis",
    "psycopg",
    "keyring",
    "cryptography",
    "gunicorn",
    "marshmallow",
}


def test_success_is_0(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, page())
    assert strongroom("env", "list").exit_code == 0


@pytest.mark.parametrize(
    ("status", "code"), [(401, "not_authenticated"), (404, "not_found"), (409, "name_taken"), (500, "internal")]
)
def test_a_refusal_there_is_2(status: int, code: str, strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, problem(status, code, "A sentence."))
    result = strongroom("env", "list")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("strongroom: A sentence.")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("nothing-like-this",), ("env", "create"), ("get", "--format", "csv"), ("get", "A", "-e", "x", "--globals")],
)
def test_a_wrong_call_is_1(arguments: tuple[str, ...], strongroom: Strongroom) -> None:
    result = strongroom(*arguments)
    assert result.exit_code == 1
    assert "Error: " in result.stderr


@pytest.mark.parametrize("empty", ["", " "])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("-e", ("get",)),
        ("-e", ("import", "--replace", "x.env")),
        ("--env", ("run", "true")),
        ("--url", ("get",)),
        ("--ca-file", ("env", "list")),
        ("--user", ("keys", "rotate")),
        ("--provider", ("keys", "rotate")),
    ],
)
def test_an_option_that_is_given_and_empty_is_1(
    option: str, words: tuple[str, ...], empty: str, strongroom: Strongroom, server: FakeTransport
) -> None:
    """Without it, the command would do the same with what the settings name."""
    Path("x.env").write_text("A=1\n")
    Path(".strongroom.toml").write_text('environment = "prod"\n')
    place = 2 if words[0] in ("keys", "env") else 1
    result = strongroom(*words[:place], option, empty, *words[place:])
    assert result.exit_code == 1
    assert option in result.stderr
    assert "It is empty. Give a value, or leave the option out." in result.stderr
    assert server.requests == []


def test_a_server_out_of_reach_is_1(
    strongroom: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.client.caller.time.sleep", lambda _seconds: None)
    server.on("GET", LIST, Unreachable("refused"))
    result = strongroom("env", "list")
    assert (result.exit_code, result.stderr) == (1, "strongroom: refused\n")


def test_no_credential_says_how_to_get_one(anonymous: Strongroom) -> None:
    result = anonymous("env", "list")
    assert result.exit_code == 1
    assert "strongroom login" in result.stderr


def test_what_is_not_there_says_where_to_look(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, problem(404, "not_found", "It does not exist, or you have no right to it."))
    assert "'strongroom env list'" in strongroom("env", "list").stderr


def test_a_field_that_is_refused_is_named(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/environments", problem(422, "invalid_input", "No.", path="name"))
    assert "No. (at name)" in strongroom("env", "create", "x").stderr


def test_a_bug_is_a_sentence_that_quotes_nothing(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, RuntimeError("canary-5c1"))
    result = strongroom("env", "list")
    assert result.exit_code == 1
    assert "unexpected RuntimeError in fake_transport.py" in result.stderr
    assert "canary" not in result.output
    assert "Traceback" not in result.output


def test_ctrl_c_is_130(strongroom: Strongroom, server: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "send", interrupt)
    result = strongroom("env", "list")
    assert result.exit_code == 130
    assert "Stopped." in result.stderr


def test_the_end_of_input_at_a_prompt_is_1(anonymous: Strongroom) -> None:
    assert anonymous("login", answers="").exit_code == 1


def test_the_version(anonymous: Strongroom) -> None:
    assert anonymous("--version").stdout == f"strongroom {__version__}\n"


def test_the_help_names_every_command(anonymous: Strongroom) -> None:
    result = anonymous("--help")
    assert all(f"\n  {name} " in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name, (place, _) in COMMANDS.items() if name not in ("serve", "db", "user")])
def test_every_command_explains_itself(name: str, anonymous: Strongroom) -> None:
    result = anonymous(name, "--help")
    assert result.exit_code == 0
    assert "Usage: root " in result.stdout


def test_a_command_whose_libraries_are_missing_says_what_to_install(
    anonymous: Strongroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "serve", ("vault.cli.no_such_module:serve", ""))
    result = anonymous("serve")
    assert result.exit_code == 1
    assert "pip install 'strongroom[server]'" in result.stderr


def test_so_does_one_that_finds_it_out_as_it_runs(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, ModuleNotFoundError("No module named 'gunicorn'", name="gunicorn"))
    assert "(gunicorn is missing): pip install 'strongroom[server]'" in strongroom("env", "list").stderr
    server.on("GET", LIST, ModuleNotFoundError("No module named 'vault.x'", name="vault.x"))
    assert "unexpected ModuleNotFoundError" in strongroom("env", "list").stderr


def test_the_server_is_told_before_or_after_the_command(anonymous: Strongroom) -> None:
    for arguments in (("--url", "https://a.test", "env", "list"), ("env", "list", "--url", "https://a.test")):
        assert "for https://a.test" in anonymous(*arguments).stderr


PROBE = """
import os, sys
sys.path.insert(0, {root!r})
from vault.cli import root
from vault.cli.context import Cli
from tests.unit.client.fake_transport import FakeTransport, answer
values = {{"values": {{}}, "warnings": [], "revision": 1}}
server = FakeTransport().on("GET", "/environments/prod/values", answer(values))
def finish(*_arguments):
    print(" ".join({{name.partition(".")[0] for name in sys.modules}}))
    sys.stdout.flush()
    os._exit(0)
os.execvpe = finish
try:
    root.main({arguments!r}, obj=Cli(transport=server))
except SystemExit:
    finish()
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "-e", "prod", "--", "true"]])
def test_a_light_command_imports_nothing_heavy(arguments: list[str], home: Path) -> None:
    code = PROBE.format(root=str(Path(__file__).parents[3]), arguments=arguments)
    environment = {"STRONGROOM_TOKEN": "t", "HOME": str(home), "PATH": "/usr/bin:/bin"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert HEAVY & set(found.stdout.split()) == set()


def test_python_dash_m_vault_is_the_command() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "vault", "--version"], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (0, f"strongroom {__version__}\n")


def test_a_transport_error_carries_no_answer(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, TransportError("The certificate is not trusted."))
    assert strongroom("env", "list").exit_code == 1


def test_an_answer_that_is_not_ours_is_1(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", LIST, answer({"hello": "world"}))
    assert strongroom("env", "list").exit_code == 1

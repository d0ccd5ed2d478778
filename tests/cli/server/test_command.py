"""The command as people run it: its own process, TLS, a real server."""

from __future__ import annotations

import io
import json
import subprocess
import threading
from pathlib import Path

import dotenv
import pytest

from tests.cli.server.shell import Shell
from tests.support.serving import RunningServer
from tests.support.vaults import PASSWORD
from vault.client import Client
from vault.errors import NotFound


def test_a_program_gets_what_a_person_stored(shell: Shell) -> None:
    assert shell("set", "-e", "run-test", "A=1").returncode == 2
    assert shell("env", "create", "run-test").returncode == 0
    assert shell("set", "-e", "run-test", "A=-", stdin="it's\n").returncode == 0
    secret = shell("token", "create", "t", "-e", "run-test").stdout.strip()
    found = shell(
        "run", "-e", "run-test", "--", "sh", "-c", 'printf "%s|%s" "$A" "$STRONGROOM_TOKEN"', STRONGROOM_TOKEN=secret
    )
    assert (found.returncode, found.stdout) == (0, "it's|")


def test_a_shell_takes_an_export_as_it_is(shell: Shell, tmp_path: Path) -> None:
    shell("env", "create", "shell-test")
    shell("set", "-e", "shell-test", "A=-", stdin="$(touch pwned) `id`\n'\"\\\n")
    shell("export", "-e", "shell-test", "-o", "x.sh")
    found = subprocess.run(["sh", "-c", '. ./x.sh; printf %s "$A"'], cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout == "$(touch pwned) `id`\n'\"\\\n"
    assert not (tmp_path / "pwned").exists()


def test_an_age_file_goes_to_somebody_else_and_back(shell: Shell, tmp_path: Path) -> None:
    shell("env", "create", "age-test")
    shell("set", "-e", "age-test", "A=-", stdin="it's\n{{B}}")
    made = subprocess.run(["age-keygen", "-o", "key"], cwd=tmp_path, capture_output=True, text=True)
    public = made.stderr.split()[-1]
    assert shell("export", "-e", "age-test", "-r", public, "-o", "x.env.age").returncode == 0
    opened = subprocess.run(["age", "-d", "-i", "key", "x.env.age"], cwd=tmp_path, capture_output=True, text=True)
    assert dotenv.dotenv_values(stream=io.StringIO(opened.stdout), interpolate=False) == {"A": "it's\n{{B}}"}
    found = shell("import", "-e", "age-copy", "x.env.age", "-i", "key")
    assert (found.returncode, found.stdout) == (0, "added\tA\n")


def test_a_dry_run_of_an_import_stores_nothing(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "x.env").write_text("A='canary'\n")
    found = shell("import", "-e", "dry-run-test", "--dry-run", "x.env")
    assert (found.returncode, found.stdout) == (0, "added\tA\n")
    assert "canary" not in found.stdout + found.stderr
    assert "dry-run-test" not in shell("env", "list").stdout


@pytest.mark.parametrize("count", [1, 100_000], ids=["a value of 10 MB", "100,000 variables"])
def test_a_postman_file_that_is_too_large_is_told_and_stores_nothing(shell: Shell, tmp_path: Path, count: int) -> None:
    values = [{"key": f"V{number}", "value": "x" * (10_000_000 // count)} for number in range(count)]
    (tmp_path / "x.json").write_text(json.dumps({"values": values}))
    found = shell("import", "-e", "large-test", "--format", "postman", "x.json")
    assert found.returncode == 2
    assert "Nothing of x.json was stored. It is too large" in found.stderr
    assert "Traceback" not in found.stderr
    assert "large-test" not in shell("env", "list").stdout


def test_the_doctor_finds_a_new_server_well(shell: Shell) -> None:
    found = shell("doctor", "--format", "json")
    assert {finding["check"]: finding["verdict"] for finding in json.loads(found.stdout)} == {
        "connection": "ok",
        "protocol": "ok",
        "chain": "ok",
        "name": "ok",
        "expiry": "ok",
        "alive": "ok",
        "HSTS": "ok",
        "clock": "ok",
        "ready": "ok",
    }
    assert found.returncode == 0


def test_a_server_whose_authority_is_unknown_gets_no_password(server: RunningServer, tmp_path: Path) -> None:
    found = Shell(server, tmp_path)("login", "ada", "--password", "-", stdin=PASSWORD, STRONGROOM_CA_FILE=None)
    assert found.returncode == 1
    assert "Give the CA file" in found.stderr


def test_threads_share_one_client(server: RunningServer) -> None:
    with Client(server.url, "", server.ca_file) as client:
        client.login("ada", PASSWORD)
        client.environments.create("threads")
        place = client.environment("threads")

        def write(number: int) -> None:
            for round_ in range(5):
                place.set(f"V{number}", str(round_))

        threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert dict(client.values("threads")) == {f"V{number}": "4" for number in range(8)}
        assert place.variables().revision == 40


def test_an_error_carries_what_the_operator_can_look_for(server: RunningServer) -> None:
    with Client(server.url, "", server.ca_file) as client:
        client.login("ada", PASSWORD)
        with pytest.raises(NotFound) as caught:
            client.values("nothing-like-this")
        assert caught.value.request_id

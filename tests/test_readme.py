"""The README tells the truth: its blocks run as they stand on a real server, and its table names every setting."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from flask import Flask

from tests.support.patience import HANG_SECONDS
from tests.support.serving import RunningServer
from vault import kv
from vault.settings import SECRET_SETTINGS, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PASSWORD = "violet-kettle-93-orbit"
STRONGROOM = Path(sys.executable).with_name("strongroom")


def _blocks() -> list[tuple[str, str]]:
    """The blocks that the README says are run, with their language, in order."""
    return re.findall(r"<!-- run: [^\n]*-->\n```(\w+)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real server with the person that the README speaks of, logged in, and an empty working directory."""
    directory = tmp_path_factory.mktemp("readme")
    with RunningServer(directory, {"STRONGROOM_WORKERS": "1"}) as server:
        found = server.env | {
            "HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory / "config"),
            "XDG_STATE_HOME": str(directory / "state"),
            "STRONGROOM_URL": server.url,
            "STRONGROOM_CA_FILE": str(server.ca_file),
            "STRONGROOM_NO_KEYCHAIN": "1",
            "PATH": f"{STRONGROOM.parent}{os.pathsep}{os.environ['PATH']}",
            "PASSWORD": PASSWORD,
        }
        for command in (["user", "add", "ada", "--password", "-"], ["login", "ada", "--password", "-"]):
            subprocess.run(
                [STRONGROOM, *command], env=found, input=PASSWORD, text=True, check=True, timeout=HANG_SECONDS
            )
        yield found


def test_every_block_that_says_so_runs_as_it_stands(environment: dict[str, str], tmp_path: Path) -> None:
    blocks = _blocks()
    assert [language for language, _ in blocks] == ["sh", "python", "sh"]
    assert shutil.which("curl"), "The README's examples use curl."
    for language, text in blocks:
        command = ["sh", "-eu", "-c", text] if language == "sh" else [sys.executable, "-W", "error", "-c", text]
        # The first block leaves the token's file behind, which the SDK's comment speaks of.
        env = environment | ({"STRONGROOM_TOKEN_FILE": "shop.token"} if language == "python" else {})
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=HANG_SECONDS)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_examples_answer_what_their_comments_say(environment: dict[str, str]) -> None:
    def strongroom(*words: str, given: str = "") -> str:
        done = subprocess.run(
            [STRONGROOM, *words],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=True,
            timeout=HANG_SECONDS,
        )
        return done.stdout

    strongroom("set", "--globals", "REGION=-", given="eu-west-1")
    strongroom("import", "-e", "told", "--format", "dotenv", "-", given="BUCKET='shop-{{REGION}}'\n")
    assert strongroom("get", "-e", "told", "BUCKET", "--resolve").strip() == "shop-eu-west-1"


def test_the_table_of_settings_names_every_setting_and_no_other() -> None:
    table = README.split("<!-- settings:")[1].split("## In production")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name.lower() for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)} - {"_file"}
    assert told == {item.name for item in fields(Settings)}
    with_file = {name.lower() for row in rows for name in re.findall(r"`([A-Z0-9_]+)` \(`_FILE`\)", row)}
    assert with_file == set(SECRET_SETTINGS)


def test_the_table_of_vaults_calls_names_every_call_and_no_other() -> None:
    table = README.split("<!-- vault calls:")[1].split("Beyond Vault")[0]
    told: set[str] = set()
    for line in table.splitlines():
        names = re.findall(r"`([a-z/-]+)`", line.split("|")[1]) if line.startswith("| `") else []
        # A name that ends in a slash stands before all that follow it.
        prefix = names.pop(0) if names and names[0].endswith("/") else ""
        told |= {prefix + name for name in names}
    app = Flask("routes")
    kv.register(app)
    rules = (rule.rule.removeprefix("/v1/") for rule in app.url_map.iter_rules() if rule.rule.startswith("/v1/"))
    verbs = {f"secret/{verb}" for verb in ("delete", "undelete", "destroy")}
    offered = {re.sub(r"/<.*", "", rule) for rule in rules} - {"secret"} | verbs
    assert told == offered

"""README and pages tell the truth: their blocks run as they stand, and their tables name every setting and call."""

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
# In this order: some pages use what an earlier one has made.
RUN = (
    "README.md",
    "docs/tutorial/first-steps.md",
    "docs/how-to/use-the-command.md",
    "docs/how-to/run-without-the-vault.md",
    "docs/how-to/use-the-sdk.md",
    "docs/how-to/use-the-api.md",
    "docs/how-to/share-variables.md",
    "docs/how-to/hand-over-a-file.md",
    "docs/how-to/from-doppler.md",
    "docs/how-to/from-infisical.md",
    "docs/how-to/from-1password.md",
    "docs/how-to/from-bitwarden.md",
    "docs/how-to/from-env-file.md",
    "docs/how-to/follow-changes.md",
    "docs/tutorial/follow-configuration.md",
    "docs/how-to/in-ci.md",
    "docs/how-to/in-kubernetes.md",
    "docs/how-to/manage-people.md",
    "docs/how-to/read-the-audit.md",
    "docs/how-to/back-up-and-restore.md",
    "docs/how-to/rotate-keys.md",
)
PASSWORD = "violet-kettle-93-orbit"
RUNS = {
    "sh": ["sh", "-eu", "-c"],
    "python": [sys.executable, "-W", "error", "-c"],
    "js": ["node", "--input-type=module", "--eval"],
}
"""What runs a block in each language."""
STRONGROOM = Path(sys.executable).with_name("strongroom")


def _blocks(page: str) -> list[tuple[str, str]]:
    """The blocks that a page says are run, with their language, in order."""
    return re.findall(r"<!-- run: [^\n]*-->\n```(\w+)\n(.*?)```", _read(page), re.DOTALL)


def _read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real server with the person that the pages speak of, logged in."""
    directory = tmp_path_factory.mktemp("readme")
    with RunningServer(directory, {"STRONGROOM_WORKERS": "1"}) as server:
        found = server.env | {
            "HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory / "config"),
            "XDG_STATE_HOME": str(directory / "state"),
            "STRONGROOM_URL": server.url,
            "STRONGROOM_CA_FILE": str(server.ca_file),
            "NODE_EXTRA_CA_CERTS": str(server.ca_file),
            "STRONGROOM_NO_KEYCHAIN": "1",
            "PATH": f"{STRONGROOM.parent}{os.pathsep}{os.environ['PATH']}",
            "PASSWORD": PASSWORD,
        }
        for command in (["user", "add", "ada", "--password", "-"], ["login", "ada", "--password", "-"]):
            subprocess.run(
                [STRONGROOM, *command], env=found, input=PASSWORD, text=True, check=True, timeout=HANG_SECONDS
            )
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all blocks run, one after the other."""
    return tmp_path_factory.mktemp("pages")


@pytest.mark.parametrize("page", RUN)
def test_every_block_that_says_so_runs_as_it_stands(environment: dict[str, str], folder: Path, page: str) -> None:
    blocks = _blocks(page)
    assert blocks
    assert shutil.which("curl"), "The examples use curl."
    for language, text in blocks:
        # A comment of a program's block names the file that an earlier block has left behind.
        token_file = re.search(r"STRONGROOM_TOKEN_FILE=(\S+) ", text) if language != "sh" else None
        env = environment | ({"STRONGROOM_TOKEN_FILE": token_file[1]} if token_file else {})
        done = subprocess.run(
            [*RUNS[language], text], env=env, cwd=folder, capture_output=True, text=True, timeout=HANG_SECONDS
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_every_page_with_such_blocks_is_run() -> None:
    pages = ["README.md", *(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]
    marks = {page: len(re.findall(r"^<!-- run:", _read(page), re.MULTILINE)) for page in pages}
    assert {page for page in pages if marks[page]} == set(RUN)
    assert all(marks[page] == len(_blocks(page)) for page in RUN)


@pytest.mark.parametrize("page", [page for page in RUN if page.startswith("docs/tutorial/")])
def test_a_tutorial_sets_a_variable_before_another_one_refers_to_it(page: str) -> None:
    text = "".join(block for _, block in _blocks(page))
    names = set(re.findall(r"\{\{(\w+)\}\}", text))
    assert names
    for name in names:
        assert 0 < text.find(f" {name}=-") < text.index(f"{{{{{name}}}}}"), name


def test_the_tutorial_of_the_feed_leaves_nothing_in_the_globals() -> None:
    text = "".join(block for _, block in _blocks("docs/tutorial/follow-configuration.md"))
    made, removed = (re.findall(rf"strongroom {verb} --globals (\w+)", text) for verb in ("set", "unset"))
    assert set(made) == set(removed) != set()


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
    table = _read("docs/reference/settings.md").split("<!-- settings:")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name.lower() for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)} - {"_file"}
    assert told == {item.name for item in fields(Settings)}
    with_file = {name.lower() for row in rows for name in re.findall(r"`([A-Z0-9_]+)` \(`_FILE`\)", row)}
    assert with_file == set(SECRET_SETTINGS)


def test_the_table_of_vaults_calls_names_every_call_and_no_other() -> None:
    table = _read("docs/reference/vault-api.md").split("<!-- vault calls:")[1].split("\n## ")[0]
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

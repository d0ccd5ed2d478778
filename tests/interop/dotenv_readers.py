"""The readers of dotenv files. Each gets many texts. It returns what it reads of each, or None if it refuses it."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import dotenv

from tests.support import dotenv_models
from tests.support.patience import HANG_SECONDS

Found = dict[str, str | None] | None

NODE_SCRIPT = Path(__file__).parent / "node" / "read-dotenv.mjs"
OUR_WORD = {
    "dotenv 18": "Node's dotenv",
    "dotenv 18, fast": "Node's dotenv",
    "dotenv 17": "Node's dotenv",
    "bash": "shells",
    "dash": "shells",
}
"""How a warning names a reader, if not by its own name."""


def read_by_all(texts: Sequence[str], folder: Path) -> dict[str, list[Found]]:
    """What every reader reads of every text."""
    found = _by_node(texts)
    found["python-dotenv"] = [_by_python(text) for text in texts]
    found["godotenv"] = [_by_model(dotenv_models.godotenv, text) for text in texts]
    found["docker compose"] = [_by_model(dotenv_models.compose, text) for text in texts]
    for shell in ("bash", "dash"):
        found[shell] = [_by_shell(shell, text, folder) for text in texts]
    return found


def _by_node(texts: Sequence[str]) -> dict[str, list[Found]]:
    done = subprocess.run(
        ["node", str(NODE_SCRIPT)], input=json.dumps(texts).encode(), capture_output=True, timeout=HANG_SECONDS
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[Found]] = json.loads(done.stdout)
    return found


def _by_python(text: str) -> Found:
    """What python-dotenv reads by default: with interpolation."""
    before = dict(os.environ)
    os.environ.clear()
    try:
        return dict(dotenv.dotenv_values(stream=io.StringIO(text, newline="")))
    finally:
        os.environ.update(before)


def _by_model(read: Callable[[str], dict[str, str]], text: str) -> Found:
    try:
        return dict(read(text))
    except dotenv_models.Refused:
        return None


def _by_shell(shell: str, text: str, folder: Path) -> Found:
    """What a shell reads, that finds no program to run: values with commands in them are read too."""
    path = folder / "file.env"
    path.write_bytes(text.encode())
    script = 'set -a; . "$1" && PATH=/bin:/usr/bin && exec env -0'
    done = subprocess.run(
        [f"/bin/{shell}", "-c", script, shell, str(path)],
        env={"PATH": "/nowhere"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_SECONDS,
    )
    if done.returncode:
        return None
    pairs = (entry.decode(errors="replace").partition("=") for entry in done.stdout.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}

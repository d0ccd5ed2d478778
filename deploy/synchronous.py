"""Writes the synchronous half of the SDK from the asynchronous one: `vault/client/aio` without `async` and `await`.

Part of `make reference`. tests/test_reference.py fails if one is out of date.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "vault" / "client"

MODULES = ("caller", "client", "following", "groups", "paging", "sets", "watching")
"""The modules that call the server. The others of `vault/client` are shared by both clients."""

_REPLACEMENTS = (
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\basyncio\.sleep\(", "time.sleep("),
    (r"^import asyncio$", "import time"),
    (r"\bAwaitable\[(\w+)\]", r"\1"),
    (r"\bvault\.client\.aio\.", "vault.client."),
    (r"\bHttpxTransport\b", "HttpsTransport"),
    (r"\b__a(enter|exit|iter|next)__\b", r"__\1__"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\bAsync([A-Z]\w+)", r"\1"),
    (r"An asynchronous iterator\b", "An iterator"),
    (r"For one event loop\b", "Thread-safe"),
    (r" for asyncio\b", ""),
    (r"\b(any|another|One|reading) task\b", r"\1 thread"),
)


def made(module: str) -> str:
    """Return the text of one synchronous module."""
    text = (CLIENT / "aio" / f"{module}.py").read_text(encoding="utf-8")
    for pattern, replacement in _REPLACEMENTS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    text = f"# Made from aio/{module}.py by `make reference`. Change that file.\n\n{text}"
    name = str(CLIENT / f"{module}.py")
    # Shorter lines are joined, and names of both kinds of transport come from one module.
    for arguments in (["check", "--quiet", "--select", "I,F401", "--fix-only"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", name, "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


def write(module: str) -> None:
    """Write one synchronous module if it has changed, and print its name."""
    path, text = CLIENT / f"{module}.py", made(module)
    if path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"vault/client/{module}.py is written.\n")

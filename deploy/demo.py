"""`make demo`: shows the main features in a minute, with a real server, in a temporary directory.

A vault starts with its defaults. A person stores an environment and globals. A service fetches the values in three
ways. Then the database is searched for the secret.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

USUAL_PORT = 8443
START_SECONDS = 120.0
PERSON, SECRET = "ada", "postgres://shop:s3cr3t@db.internal/shop"
STRONGROOM = Path(sys.executable).with_name("strongroom")

SDK = """\
from vault.client import Client

with Client() as client:  # address, token and CA file come from the environment
    values = client.values("prod")
    print(dict(values), "revision", values.revision)"""


class Demo:
    """One demo, in one temporary directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = USUAL_PORT if _is_free(USUAL_PORT) else _free_port()
        self.url = f"https://localhost:{self._port}"
        data = directory / "data"
        self.ca_file, self.database = data / "tls" / "ca.pem", data / "strongroom.db"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
        self._environment = kept | {
            "STRONGROOM_DATA_DIR": str(data),
            "STRONGROOM_KEYRING": str(directory / "keyring" / "master.json"),
            "STRONGROOM_BIND": f"127.0.0.1:{self._port}",
            "STRONGROOM_LOG_LEVEL": "warning",
            "STRONGROOM_URL": self.url,
            "STRONGROOM_CA_FILE": str(self.ca_file),
            "STRONGROOM_NO_KEYCHAIN": "1",
            "XDG_CONFIG_HOME": str(directory / "config"),
            "XDG_STATE_HOME": str(directory / "state"),
            "PATH": f"{STRONGROOM.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        }

    def tell(self) -> None:
        """Run all steps in order."""
        _title("The vault starts with SQLite and a local keyring file. It needs nothing else")
        with self._served():
            self._set_up()
            self._fetch(self._fill())
            self._look_inside()
            _title("The vault stops")

    def _set_up(self) -> None:
        _title("An operator creates an account for a person")
        password = self._run("strongroom", "user", "add", PERSON, "--generate").strip()
        _title("The person logs in, and stores an environment and globals")
        self._run("strongroom", "login", PERSON, "--password", "-", given=password)

    def _fill(self) -> str:
        self._run("strongroom", "env", "create", "prod")
        self._run("strongroom", "set", "--globals", "REGION=-", given="eu-west-1")
        self._run("strongroom", "set", "-e", "prod", "--type", "secret", "DATABASE_URL=-", given=SECRET)
        self._run("strongroom", "set", "-e", "prod", "BUCKET=-", given="shop-{{REGION}}")
        self._run("strongroom", "get", "-e", "prod")
        _title("A service gets a token that reads this environment and the globals, for an hour")
        grants = ("-e", "prod", "--globals", "--ttl", "1h")
        return self._run("strongroom", "token", "create", "shop", *grants, hide=True).strip().splitlines()[-1]

    def _fetch(self, token: str) -> None:
        self._environment["STRONGROOM_TOKEN"] = token
        _title("The service fetches the values with curl")
        address = f"{self.url}/api/v1/environments/prod/values"
        if shutil.which("curl"):
            self._run("curl", "-sS", "--cacert", str(self.ca_file), "--oauth2-bearer", "$STRONGROOM_TOKEN", address)
        else:
            print("  (curl is not installed, so this step is skipped)")
        _title("The service fetches the values with the SDK")
        self._run(sys.executable, "-c", SDK)
        _title("The service fetches the values with strongroom run, which adds them to a program's environment")
        program = 'echo "BUCKET is $BUCKET, and DATABASE_URL has ${#DATABASE_URL} characters"'
        self._run("strongroom", "run", "-e", "prod", "--", "sh", "-c", program)

    def _look_inside(self) -> None:
        _title("The database contains only sealed data")
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            number, blob = connection.execute("SELECT number, blob FROM revisions ORDER BY size DESC").fetchone()
        print(f"  revision {number}, {len(blob)} bytes: {blob[:48].hex(' ', 4)} …")
        folder = self.database.parent
        leaks = [path.name for path in folder.glob("strongroom.db*") if SECRET.encode() in path.read_bytes()]
        if leaks:
            raise SystemExit(f"The secret is in plain text in {leaks}. This is a bug in Strongroom.")
        print(f"  {SECRET!r} is not in {', '.join(sorted(path.name for path in folder.glob('strongroom.db*')))}.")

    def _run(self, *command: str, given: str | None = None, hide: bool = False) -> str:
        """Show a command, run it, show its output, and return its standard output."""
        print(f"$ {_shown(command, given)}")
        arguments = [self._environment.get(part[1:], part) if part.startswith("$") else part for part in command]
        done = subprocess.run(arguments, env=self._environment, input=given, capture_output=True, text=True, timeout=60)
        for line in (done.stderr + ("" if hide else done.stdout)).splitlines():
            print(f"  {line}")
        if hide:
            print(f"  {done.stdout.strip()[:18]}…")
        if done.returncode != 0:
            raise SystemExit(f"This command failed with exit code {done.returncode}.")
        return done.stdout

    @contextlib.contextmanager
    def _served(self) -> Iterator[None]:
        print("$ strongroom serve")
        log_path = self._directory / "serve.log"
        with log_path.open("w") as log:
            server = subprocess.Popen([str(STRONGROOM), "serve"], env=self._environment, stderr=log)
        try:
            self._await(server, log_path)
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)

    def _await(self, server: subprocess.Popen[bytes], log_path: Path) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and server.poll() is None and not self._is_ready():
            time.sleep(0.05)
        for line in log_path.read_text().splitlines():
            print(f"  {line}")
        if not self._is_ready():
            raise SystemExit("The server did not start.")

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            context = ssl.create_default_context(cafile=self.ca_file)
            # The URL is our own, with the scheme https.
            with urllib.request.urlopen(f"{self.url}/readyz", context=context, timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        return False


def _title(text: str) -> None:
    print(f"\n— {text}.")


def _shown(command: tuple[str, ...], given: str | None) -> str:
    if command[1:2] == ("-c",):
        lines = command[2].replace("\n", "\n  | ")
        return f"python -c …\n  | {lines}"
    text = " ".join(part if part.startswith("$") else shlex.quote(part) for part in command)
    return text if given is None else f"{text}   (given on standard input)"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> None:
    """Run the demo, and remove its directory."""
    with tempfile.TemporaryDirectory(prefix="strongroom-demo-") as directory:
        Demo(Path(directory)).tell()
    print("\nThe demo has ended, and its directory is removed. `make serve` starts a vault of your own.")


if __name__ == "__main__":
    main()

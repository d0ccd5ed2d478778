"""Who really reads each format, and what that reader cannot take: the other side of `test_formats.py`."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dotenv
import yaml

SYSTEMD = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")
"""It hands out what systemd's own parser of environment files has read, and needs no running systemd."""


@dataclass(frozen=True)
class Reader:
    """`read` gives name → value; `cannot_carry` tells the values that the format has to leave out."""

    read: Callable[[str, Path], dict[str, str | None]]
    cannot_carry: Callable[[str], bool] = lambda _: False
    takes_any_name: bool = False


def python_dotenv(text: str, folder: Path) -> dict[str, str | None]:
    path = folder / "file.env"
    path.write_bytes(text.encode())
    from_file = dotenv.dotenv_values(path, interpolate=False)
    assert from_file == dotenv.dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False)
    return dict(from_file)


def sh(text: str, folder: Path) -> dict[str, str | None]:
    path = folder / "file.sh"
    path.write_bytes(text.encode())
    found = subprocess.run(
        ["/bin/sh", "-c", '. "$1" && exec env -0', "sh", str(path)], env={"PATH": "/bin:/usr/bin"}, capture_output=True
    )
    assert (found.returncode, found.stderr) == (0, b"")
    pairs = (entry.decode().split("=", 1) for entry in found.stdout.split(b"\0") if entry)
    return {name: value for name, value in pairs if name not in ("PATH", "PWD", "OLDPWD", "_")}


def docker(text: str, _: Path) -> dict[str, str | None]:
    """What docker/cli's `opts/file.go` does, on top of Go's `bufio.ScanLines`; it was compared with docker 28.2."""
    found: dict[str, str | None] = {}
    for number, raw in enumerate(text.encode().split(b"\n")):
        assert len(raw) < 64 * 1024, "bufio.Scanner: token too long"
        line = raw.removesuffix(b"\r").decode()
        line = (line.removeprefix("\ufeff") if number == 0 else line).lstrip("\t\n\v\f\r \x85\xa0\u2028\u2029")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        assert equals, "docker would take this one from its own process"
        assert name, "no variable name"
        assert not set(" \t") & set(name), "the name contains whitespaces"
        assert "\0" not in value, "no process can be started with this"
        found[name] = value
    return found


def systemd(text: str, folder: Path, names: set[str] | None = None) -> dict[str, str | None]:
    """systemd's own reader, of which two things are undone: the generator expands `$$` to `$`, as services do not,
    and drops empty values, which services get. `names` are those to look for, by default all that `text` assigns."""
    (folder / "environment.d").mkdir(exist_ok=True)
    (folder / "environment.d" / "file.conf").write_bytes(text.replace("$", "$$").encode())
    environ = {"XDG_CONFIG_HOME": str(folder), "PATH": "/bin:/usr/bin", "HOME": str(folder)}
    found = subprocess.run([SYSTEMD], env=environ, capture_output=True)
    assert found.returncode == 0, found.stderr
    complaints = found.stderr.decode().splitlines()
    empty = {match[1]: "" for line in complaints if (match := re.search(r'\(around "(\w+)"\), ignoring', line))}
    assert len(empty) == len(complaints), complaints
    pairs = (line.split("=", 1) for line in found.stdout.decode().split("\n") if line)
    # What the distribution sets itself is there too.
    wanted = set(re.findall(r"^(\w+)=", text, re.MULTILINE)) if names is None else names
    given: dict[str, str | None] = {name: _without_c_escapes(value) for name, value in pairs if name in wanted}
    return given | empty


_C_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _without_c_escapes(quoted: str) -> str:
    if not quoted.startswith('"'):
        return quoted

    def plain(escape: re.Match[str]) -> str:
        word = escape[1]
        return chr(int(word, 8)) if word.isdecimal() else _C_ESCAPES.get(word, word)

    return re.sub(r"\\([0-7]{3}|.)", plain, quoted[1:-1])


def postman(text: str, _: Path) -> dict[str, str | None]:
    return {entry["key"]: entry["value"] for entry in json.loads(text)["values"]}


def kubernetes(text: str, _: Path) -> dict[str, str | None]:
    secret = yaml.safe_load(text)
    assert (secret["apiVersion"], secret["kind"], secret["type"]) == ("v1", "Secret", "Opaque")
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", name) for name in secret["data"])
    return {name: base64.b64decode(value, validate=True).decode() for name, value in secret["data"].items()}


def _is_noncharacter(value: str) -> bool:
    return any(0xFDD0 <= ord(sign) <= 0xFDEF or ord(sign) & 0xFFFE == 0xFFFE for sign in value)


def _holds_nul(value: str) -> bool:
    return "\0" in value


READERS = {
    "dotenv": Reader(python_dotenv),
    "json": Reader(lambda text, _: json.loads(text), takes_any_name=True),
    "yaml": Reader(lambda text, _: yaml.safe_load(text), takes_any_name=True),
    "shell": Reader(sh, _holds_nul),
    "postman": Reader(postman, takes_any_name=True),
    "postman-newman": Reader(postman, takes_any_name=True),
    "kubernetes": Reader(kubernetes),
    "docker": Reader(docker, lambda value: "\n" in value or _holds_nul(value) or value.endswith("\r")),
    "systemd": Reader(systemd, lambda value: _holds_nul(value) or _is_noncharacter(value)),
}

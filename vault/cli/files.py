"""Files with secrets in them: read whole, written 0600, never over another by accident; and how a secret is given."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import click

from vault.cli.context import Cli, CliError, say


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """Write `text` to `path`, readable by its owner alone. Raises `CliError` where something is there already,
    unless `replace`: then the old file stays whole until the new one is."""
    target = path.with_name(f".{path.name}.{secrets.token_hex(4)}") if replace else path
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise CliError(f"The file {path} exists already; --force replaces it.") from error
    except OSError as error:
        raise CliError(f"The file {path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if replace:
            target.replace(path)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise CliError(f"The file {path} cannot be written: {error.strerror}.") from error


def read_text(place: str) -> str:
    """The text of a file, or of stdin for `-`, with its line ends as they are. Raises `CliError`."""
    name = "stdin" if place == "-" else place
    try:
        data = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
        return data.decode()
    except OSError as error:
        raise CliError(f"The file {name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CliError(f"{name} is not UTF-8 text (byte {error.start}).") from error


def read_secret(cli: Cli, given: str | None, what: str) -> str:
    """A secret as it was given: None asks for it, `-` is stdin, `@FILE` a file, anything else the secret itself.

    A text of one line loses its line end, which editors and `echo` add; one of several lines is kept as it is.
    """
    if given is None:
        return _ask(cli, what)
    if given == "-" or given.startswith("@"):
        text = read_text("-" if given == "-" else given[1:])
        return text.removesuffix("\n").removesuffix("\r") if text.count("\n") <= 1 else text
    say(f"Warning: {what} stood on the command line, where the process list and the shell's history show it.")
    return given


def _ask(cli: Cli, what: str) -> str:
    if not cli.can_ask():
        raise CliError(f"There is no terminal to ask for {what}: give it as - (stdin) or @FILE.")
    return str(click.prompt(what[0].upper() + what[1:], hide_input=True, err=True, default="", show_default=False))


def read_new_secret(cli: Cli, given: str | None, what: str) -> str:
    """As `read_secret`, but a person at a terminal types it twice: nobody sees what they type."""
    secret = read_secret(cli, given, what)
    if given is None and _ask(cli, f"{what}, once more") != secret:
        raise CliError("The two entries differ.")
    return secret

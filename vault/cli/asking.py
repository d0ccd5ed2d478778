"""Reads a secret for a command: from a prompt, from stdin, from a file, or (with a warning) from an argument."""

from __future__ import annotations

from collections.abc import Callable

import click

from vault.cli.context import Cli
from vault.cli.files import read_text
from vault.cli.words import CliError, say
from vault.sources import secret_in, without_line_ends

HOW = "give it as - (stdin) or @FILE"


def read_secret(cli: Cli, given: str | None, what: str, how: str = HOW) -> str:
    """Return a secret: None asks for it, `-` reads stdin, `@FILE` reads a file, anything else is the secret itself.

    A text of one line loses its line end, which editors and `echo` add. A text of several lines is not changed.
    """
    if given is None:
        return _ask(cli, what, how)
    if given == "-" or given.startswith("@"):
        text = read_text("-" if given == "-" else given[1:])
        return text.removesuffix("\n").removesuffix("\r") if text.count("\n") <= 1 else text
    say(f"Warning: {what} was given on the command line. The process list and the shell's history show it.")
    return given


def read_password(cli: Cli, given: str | None, what: str) -> str:
    """Return a password, as `read_secret` does, without line ends around. Raises `SettingsError` if it is empty."""
    return secret_in(read_secret(cli, given, what), _sentence_start(what), without_line_ends)


def read_code(cli: Cli, given: str | None, what: str) -> str:
    """Return a code, as `read_secret` does, without white space around. Raises `SettingsError` if it is empty."""
    return secret_in(read_secret(cli, given, what), _sentence_start(what))


def _ask(cli: Cli, what: str, how: str = HOW) -> str:
    if not cli.can_ask():
        raise CliError(f"There is no terminal to ask for {what}. Instead, {how}.")
    return str(click.prompt(_sentence_start(what), hide_input=True, err=True, default="", show_default=False))


def read_new_secret(
    cli: Cli, given: str | None, what: str, how: str = HOW, check: Callable[[str], None] = lambda _secret: None
) -> str:
    """Like `read_secret`, but a person at a terminal types it twice, because the input is hidden.

    `check` raises for a secret that may not be used, before it is typed again.
    """
    secret = read_secret(cli, given, what, how)
    check(secret)
    if given is None and _ask(cli, f"{what}, again") != secret:
        raise CliError("The two entries differ. Run the command again.")
    return secret


def read_new_password(
    cli: Cli, given: str | None, what: str, check: Callable[[str], None] = lambda _password: None
) -> str:
    """Like `read_new_secret`, without line ends around. Raises `SettingsError` if it is empty."""

    def stripped(secret: str) -> str:
        return secret_in(secret, _sentence_start(what), without_line_ends)

    return stripped(read_new_secret(cli, given, what, check=lambda secret: check(stripped(secret))))


def _sentence_start(what: str) -> str:
    return what[0].upper() + what[1:]

"""How a secret is given to a command: asked for, from stdin, from a file, or (with a warning) as an argument."""

from __future__ import annotations

import click

from vault.cli.context import Cli
from vault.cli.files import read_text
from vault.cli.words import CliError, say

HOW = "give it as - (stdin) or @FILE"


def read_secret(cli: Cli, given: str | None, what: str, how: str = HOW) -> str:
    """A secret as it was given: None asks for it, `-` is stdin, `@FILE` a file, anything else the secret itself.

    A text of one line loses its line end, which editors and `echo` add; one of several lines is kept as it is.
    """
    if given is None:
        return _ask(cli, what, how)
    if given == "-" or given.startswith("@"):
        text = read_text("-" if given == "-" else given[1:])
        return text.removesuffix("\n").removesuffix("\r") if text.count("\n") <= 1 else text
    say(f"Warning: {what} stood on the command line, where the process list and the shell's history show it.")
    return given


def _ask(cli: Cli, what: str, how: str = HOW) -> str:
    if not cli.can_ask():
        raise CliError(f"There is no terminal to ask for {what}: {how}.")
    return str(click.prompt(what[0].upper() + what[1:], hide_input=True, err=True, default="", show_default=False))


def read_new_secret(cli: Cli, given: str | None, what: str, how: str = HOW) -> str:
    """As `read_secret`, but a person at a terminal types it twice: nobody sees what they type."""
    secret = read_secret(cli, given, what, how)
    if given is None and _ask(cli, f"{what}, once more") != secret:
        raise CliError("The two entries differ.")
    return secret

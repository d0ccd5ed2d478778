"""The command's messages: sentences on stderr, and the error that ends it on this side."""

from __future__ import annotations

from contextlib import suppress

import click

from vault.errors import StrongroomError
from vault.model.printable import shown

FAULTS_NAMED = 20
"""How many faults a command names at most."""


class CliError(StrongroomError):
    """An error on this side of the connection. The message says what to do."""

    code = "command"


def say(sentence: str) -> None:
    """Print a message on stderr, so that stdout has only data."""
    # A name from a database or a server may contain characters that control a terminal.
    click.echo("\n".join(map(shown, sentence.split("\n"))), err=True)


def tell(sentence: str) -> None:
    """Print a message of a command that runs for long, and go on if nobody reads its stderr any more.

    It begins with the command's name, because a log may have the lines of other programs too.
    """
    with suppress(OSError):
        say(f"strongroom: {sentence}")


def warn(sentences: tuple[str, ...] | list[str]) -> None:
    """Print each warning on its own line."""
    for sentence in sentences:
        say(f"Warning: {sentence}")

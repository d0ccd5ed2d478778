"""What the command says: sentences on stderr, and the error that ends it on this side of the wire."""

from __future__ import annotations

import click

from vault.errors import StrongroomError
from vault.model.printable import shown


class CliError(StrongroomError):
    """Something on this side of the wire stands in the way; the message says what to do."""

    code = "command"


def say(sentence: str) -> None:
    """Words go to stderr, so that stdout holds data alone."""
    # A name from a database or a server may hold what steers a terminal.
    click.echo("\n".join(map(shown, sentence.split("\n"))), err=True)


def warn(sentences: tuple[str, ...] | list[str]) -> None:
    """Say each warning, on a line of its own."""
    for sentence in sentences:
        say(f"Warning: {sentence}")

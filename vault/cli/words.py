"""What the command says: sentences on stderr, and the error that ends it on this side of the wire."""

from __future__ import annotations

import click

from vault.errors import StrongroomError


class CliError(StrongroomError):
    """Something on this side of the wire stands in the way; the message says what to do."""

    code = "command"


def say(sentence: str) -> None:
    """Words go to stderr, so that stdout holds data alone."""
    click.echo(sentence, err=True)


def warn(sentences: tuple[str, ...] | list[str]) -> None:
    """Say each warning, on a line of its own."""
    for sentence in sentences:
        say(f"Warning: {sentence}")

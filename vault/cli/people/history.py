"""`strongroom history`, `diff` and `rollback`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vault.cli.actors import actor_named
from vault.cli.context import Cli
from vault.cli.options import connection_options, format_option, pass_cli, set_options, show_option
from vault.cli.render import as_row, print_rows
from vault.cli.words import CliError, say
from vault.errors import StrongroomError
from vault.model.principal import PrincipalKind, kind_and_id

if TYPE_CHECKING:
    from vault.client import Change

_ATTRIBUTES = ("value", "type", "enabled", "literal", "description")


@click.command()
@set_options
@click.option(
    "-n",
    "--number",
    "count",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="The number of revisions to print.",
)
@format_option
@connection_options
@pass_cli
def history(cli: Cli, environment: str | None, use_globals: bool, count: int) -> None:
    """List the revisions, newest first."""
    found = cli.chosen_set(environment, use_globals).revisions(at_most=count)
    rows = [
        {field: item for field, item in as_row(revision).items() if field != "variables"}
        | {"revision": revision.number, "state": _state(revision.destroyed, revision.deletion_at is not None)}
        for revision in found
    ]
    if cli.settings.format == "table":
        names = _names_of_tokens(cli, [revision.created_by for revision in found])
        # Only the owner and the owner's tokens can write a revision.
        rows = [{**row, "created_by": actor_named(str(row["created_by"]), "the owner", names)} for row in rows]
    print_rows(cli, rows, ("revision", "created_at", "created_by", "state"))


def _names_of_tokens(cli: Cli, labels: Sequence[str]) -> dict[str, str]:
    """Return the names of the tokens in these labels, by id, as far as the caller may see them."""
    if not any(kind_and_id(label)[0] == PrincipalKind.TOKEN for label in labels):
        return {}
    try:
        return {token.id: token.name for token in cli.client.tokens.list()}
    except StrongroomError:
        # A token may not list tokens. The ids are enough then.
        return {}


def _state(destroyed: bool, has_deletion: bool) -> str:
    return "destroyed" if destroyed else "deletion set" if has_deletion else "kept"


@click.command()
@click.argument("revision", type=click.IntRange(1), required=False)
@set_options
@click.option("--against", type=click.IntRange(0), help="The revision to compare with (by default the previous one).")
@show_option
@format_option
@connection_options
@pass_cli
def diff(
    cli: Cli, revision: int | None, environment: str | None, use_globals: bool, against: int | None, show: bool
) -> None:
    """Show what REVISION changed (by default the newest). Values are hidden unless --show is given."""
    chosen = cli.chosen_set(environment, use_globals)
    if revision is None:
        newest = chosen.revisions(at_most=1)
        if not newest:
            raise CliError("There is no revision yet.")
        revision = newest[0].number
    rows = [_difference(change, show) for change in chosen.diff(revision, against=against)]
    print_rows(cli, rows, ("name", "kind", "what", "before", "after") if show else ("name", "kind", "what"))


def _difference(change: Change, show: bool) -> dict[str, object]:
    before, after = change.before, change.after
    differing = [name for name in _ATTRIBUTES if before and after and getattr(before, name) != getattr(after, name)]
    row: dict[str, object] = {"name": change.name, "kind": change.kind, "what": differing}
    if show:
        row |= {"before": before.text if before else None, "after": after.text if after else None}
    return row


@click.command()
@click.argument("revision", type=click.IntRange(1))
@set_options
@connection_options
@pass_cli
def rollback(cli: Cli, revision: int, environment: str | None, use_globals: bool) -> None:
    """Go back to REVISION: its variables become a new revision."""
    number = cli.chosen_set(environment, use_globals).rollback(revision)
    say(f"Revision {number} has the variables of revision {revision}.")

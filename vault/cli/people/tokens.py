"""`strongroom token`: manages service tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from vault.cli.context import Cli
from vault.cli.files import already_exists, write_private
from vault.cli.options import as_seconds, connection_options, format_option, pass_cli
from vault.cli.people.grants import described
from vault.cli.people.proving import with_proof
from vault.cli.render import as_row, print_data, print_rows
from vault.cli.words import CliError, say

if TYPE_CHECKING:
    from vault.client import Grant, NewToken, Token

PERMISSIONS = ("list", "read", "create", "update", "delete", "history", "delegate")

output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the secret to this file, with mode 0600.",
)


class _Limits(TypedDict):
    """Options of `create`; None is for the server to choose."""

    ttl: int | None
    max_ttl: int | None
    renewable: bool | None
    uses: int | None
    may_rotate: bool | None


@click.group()
def token() -> None:
    """Create, list, rotate and revoke service tokens."""


@token.command()
@click.argument("name")
@click.option("-e", "--env", "environments", metavar="NAME", multiple=True, help="Grant this environment.")
@click.option("--path", "paths", metavar="PATH", multiple=True, help="Grant this path and all below it (* for all).")
@click.option("--globals", "use_globals", is_flag=True, help="Grant the globals.")
@click.option(
    "--allow", "permissions", type=click.Choice(PERMISSIONS), multiple=True, help="The permissions; by default read."
)
@click.option("--ttl", metavar="TIME", callback=as_seconds, help="Its lifetime, such as 30d.")
@click.option("--max-ttl", metavar="TIME", callback=as_seconds, help="Its longest lifetime with renewals.")
@click.option("--renewable", is_flag=True, default=None, help="Allow or forbid renewal.")
@click.option("--may-rotate", is_flag=True, default=None, help="Let it give itself a new secret.")
@click.option("--uses", type=click.IntRange(1), help="The number of calls that it allows.")
@click.option(
    "--network",
    "networks",
    metavar="CIDR",
    multiple=True,
    help="Allow calls only from this network, such as 10.0.0.0/8.",
)
@output_option
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@format_option
@connection_options
@pass_cli
def create(
    cli: Cli,
    /,
    name: str,
    environments: tuple[str, ...],
    paths: tuple[str, ...],
    use_globals: bool,
    permissions: tuple[str, ...],
    networks: tuple[str, ...],
    output: Path | None,
    force: bool,
    **limits: Unpack[_Limits],
) -> None:
    """Create a token NAME, and print its secret, which is shown only once."""
    grants = _grants(environments, paths, use_globals, permissions or ("read",))
    if not grants:
        raise click.UsageError("A token needs a grant. Use -e NAME, --path PATH or --globals.")
    _refuse_existing(output, force)
    made = with_proof(
        cli,
        lambda: cli.client.tokens.create(
            name,
            grants,
            ttl_seconds=limits["ttl"],
            max_ttl_seconds=limits["max_ttl"],
            renewable=limits["renewable"],
            uses=limits["uses"],
            networks=networks or None,
            may_rotate=limits["may_rotate"],
        ),
    )
    _hand_over(cli, made, output, force)


def _grants(
    environments: tuple[str, ...], paths: tuple[str, ...], use_globals: bool, permissions: tuple[str, ...]
) -> list[Grant]:
    from vault.client import Grant

    found = [Grant(permissions, environment=environment) for environment in environments]
    found += [Grant(permissions, path=path) for path in paths]
    return found + ([Grant(permissions, globals=True)] if use_globals else [])


@token.command("list")
@format_option
@connection_options
@pass_cli
def list_tokens(cli: Cli) -> None:
    """List the tokens, without their secrets."""
    tokens = cli.client.tokens.list()
    rows = [as_row(item) for item in tokens]
    if cli.settings.format == "table":
        rows = [as_row(item) | {"grants": list(map(described, item.grants))} for item in tokens]
    print_rows(cli, rows, ("id", "name", "grants", "expires_at", "uses_left", "last_used_at"))


@token.command()
@click.argument("token_name", metavar="ID|NAME")
@click.option(
    "--overlap",
    metavar="TIME",
    callback=as_seconds,
    default="0",
    help="How long the old secret still works, such as 1h.",
)
@output_option
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@format_option
@connection_options
@pass_cli
def rotate(cli: Cli, token_name: str, overlap: int, output: Path | None, force: bool) -> None:
    """Give a token a new secret, and print it. It is shown only once."""
    _refuse_existing(output, force)
    found = _find(cli, token_name)
    made = with_proof(cli, lambda: cli.client.tokens.rotate(found.id, overlap_seconds=overlap))
    _hand_over(cli, made, output, force)


@token.command()
@click.argument("token_names", metavar="ID|NAME...", nargs=-1, required=True)
@connection_options
@pass_cli
def revoke(cli: Cli, token_names: tuple[str, ...]) -> None:
    """End tokens and all of their children at once."""
    found = [_find(cli, token_name) for token_name in token_names]
    for item in found:
        cli.client.tokens.revoke(item.id)
        say(f"Revoked {item.name} ({item.id}).")


def _find(cli: Cli, wanted: str) -> Token:
    """Return the token with that id, otherwise the only one with that name."""
    tokens = cli.client.tokens.list()
    found = [item for item in tokens if item.id == wanted] or [item for item in tokens if item.name == wanted]
    if not found:
        raise CliError(f"There is no token {wanted}.")
    if len(found) > 1:
        raise CliError(f"There are {len(found)} tokens named {wanted}. Give the id: {'; '.join(map(_origin, found))}.")
    return found[0]


def _origin(found: Token) -> str:
    """Return the id of a token, when it was made, and of which other token it is a child."""
    child = f", a child of {found.parent_id}" if found.parent_id else ""
    return f"{found.id} (made {found.created_at:%Y-%m-%d %H:%M}{child})"


def _refuse_existing(output: Path | None, force: bool) -> None:
    """Check before the secret is made: afterwards there would be no place for it."""
    if output is not None and not force and output.exists():
        raise already_exists(output)


def _hand_over(cli: Cli, made: NewToken, output: Path | None, force: bool) -> None:
    say(f"{made.token.name} has the id {made.token.id}. Its secret is shown only once.")
    if output is not None:
        write_private(output, made.secret + "\n", replace=force)
        say(f"Wrote {output}. Only you can read it.")
    elif cli.settings.format == "table":
        click.echo(made.secret)
    else:
        print_data(cli, {**as_row(made.token), "secret": made.secret})

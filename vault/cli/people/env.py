"""`strongroom env`: environments as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, format_option, pass_cli
from vault.cli.people.grants import not_listed
from vault.cli.render import as_row, print_rows
from vault.cli.words import CliError, say, warn
from vault.model.names import mixed_scripts

if TYPE_CHECKING:
    from vault.client import Environment
    from vault.client.attributes import EnvironmentChange, NewEnvironmentAttributes

_base_option = click.option(
    "--base",
    "bases",
    metavar="NAME",
    multiple=True,
    help="A base, by name or id. Repeat it for more; a later base overrides an earlier one.",
)
_description_option = click.option("--description", default=None, help="What it is for.")


@click.group()
def env() -> None:
    """List, show, create, change, copy, delete and undelete environments."""


@env.command("list")
@click.option("--deleted", is_flag=True, help="List deleted environments that can be undeleted.")
@format_option
@connection_options
@pass_cli
def list_environments(cli: Cli, deleted: bool) -> None:
    """List the environments that you may list. For a service token, stderr names what else it may use."""
    found = cli.client.environments.list(deleted=deleted)
    if deleted:
        print_rows(cli, [as_row(environment) for environment in found], ("name", "id", "deleted_at"))
        return
    bases = ("bases",) if any(environment.bases for environment in found) else ()
    _print(cli, found, ("name", "revision", *bases, "updated_at", "description"), among=found)
    hidden = not_listed(cli)
    if hidden:
        say(hidden)


@env.command()
@click.argument("environment")
@format_option
@connection_options
@pass_cli
def show(cli: Cli, environment: str) -> None:
    """Show an environment and its bases, without values."""
    found = cli.client.environments.get(environment)
    among = cli.client.environments.list() if found.bases and cli.settings.format == "table" else []
    _print(cli, [found], ("name", "revision", "bases", "updated_at", "description", "id"), among=among)


@env.command()
@click.argument("name")
@_description_option
@_base_option
@format_option
@connection_options
@pass_cli
def create(cli: Cli, name: str, description: str | None, bases: tuple[str, ...]) -> None:
    """Create an environment without variables, on the bases that are given."""
    attributes: NewEnvironmentAttributes = {} if description is None else {"description": description}
    if bases:
        attributes["bases"] = bases
    print_rows(cli, [as_row(cli.client.environments.create(name, **attributes))], ("name", "id"))
    warn(mixed_scripts(name))


@env.command("set")
@click.argument("environment")
@_description_option
@_base_option
@click.option("--no-bases", is_flag=True, help="Remove all bases.")
@connection_options
@pass_cli
def change(cli: Cli, environment: str, description: str | None, bases: tuple[str, ...], no_bases: bool) -> None:
    """Change the description or the bases of ENVIRONMENT. The bases that are given replace all present ones."""
    if bases and no_bases:
        raise CliError("Give --base or --no-bases, not both.")
    attributes: EnvironmentChange = {} if description is None else {"description": description}
    if bases or no_bases:
        attributes["bases"] = bases
    if not attributes:
        raise CliError("Say what to change: give --description, --base or --no-bases.")
    cli.client.environments.update(environment, **attributes)
    say(f"{environment} was changed.")


@env.command()
@click.argument("environment")
@click.argument("name")
@connection_options
@pass_cli
def rename(cli: Cli, environment: str, name: str) -> None:
    """Give ENVIRONMENT the new NAME; its id stays."""
    cli.client.environments.rename(environment, name)
    say(f"{environment} is now {name}.")
    warn(mixed_scripts(name))


@env.command()
@click.argument("environment")
@click.argument("name")
@format_option
@connection_options
@pass_cli
def copy(cli: Cli, environment: str, name: str) -> None:
    """Make a new environment NAME with the current variables and the bases of ENVIRONMENT."""
    print_rows(cli, [as_row(cli.client.environments.copy(environment, name))], ("name", "id"))
    warn(mixed_scripts(name))


@env.command()
@click.argument("environment")
@connection_options
@pass_cli
def delete(cli: Cli, environment: str) -> None:
    """Delete an environment. Within 30 days, undelete brings it back."""
    warn(cli.client.environments.delete(environment))
    say(f"{environment} was deleted. Within 30 days, 'strongroom env undelete {environment}' brings it back.")


@env.command()
@click.argument("environment")
@click.option("--name", default=None, help="Undelete it under another name, if its own name is taken.")
@connection_options
@pass_cli
def undelete(cli: Cli, environment: str, name: str | None) -> None:
    """Bring back a deleted environment, by id, or by name the one deleted last."""
    say(f"{cli.client.environments.undelete(environment, name=name).name} was undeleted.")


def _print(cli: Cli, found: Sequence[Environment], columns: Sequence[str], *, among: Sequence[Environment]) -> None:
    """Print environments. A table shows the name of a base if the base is in `among`."""
    names = {environment.id: environment.name for environment in among}
    rows = [as_row(environment) for environment in found]
    if cli.settings.format == "table":
        named = [[names.get(base, base) for base in environment.bases] for environment in found]
        rows = [{**row, "bases": bases} for row, bases in zip(rows, named, strict=True)]
    print_rows(cli, rows, columns)

"""`strongroom env`: environments as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, format_option, pass_cli
from vault.cli.render import as_row, print_rows
from vault.cli.words import say

if TYPE_CHECKING:
    from vault.client.attributes import NewEnvironmentAttributes

_COLUMNS = ("name", "revision", "updated_at", "description")


@click.group()
def env() -> None:
    """List, create, rename, copy, delete and undelete environments."""


@env.command("list")
@click.option("--deleted", is_flag=True, help="Those whose deletion can still be undone.")
@format_option
@connection_options
@pass_cli
def list_environments(cli: Cli, deleted: bool) -> None:
    """List the environments that you may see."""
    found = [as_row(environment) for environment in cli.client.environments.list(deleted=deleted)]
    print_rows(cli, found, ("name", "id", "deleted_at") if deleted else _COLUMNS)


@env.command()
@click.argument("name")
@click.option("--description", default=None, help="What it is for.")
@format_option
@connection_options
@pass_cli
def create(cli: Cli, name: str, description: str | None) -> None:
    """Create an environment without variables."""
    attributes: NewEnvironmentAttributes = {} if description is None else {"description": description}
    print_rows(cli, [as_row(cli.client.environments.create(name, **attributes))], ("name", "id"))


@env.command()
@click.argument("environment")
@click.argument("name")
@connection_options
@pass_cli
def rename(cli: Cli, environment: str, name: str) -> None:
    """Give ENVIRONMENT the new NAME; its id stays."""
    cli.client.environments.rename(environment, name)
    say(f"{environment} is now {name}.")


@env.command()
@click.argument("environment")
@click.argument("name")
@format_option
@connection_options
@pass_cli
def copy(cli: Cli, environment: str, name: str) -> None:
    """Make a new environment NAME with the current variables of ENVIRONMENT."""
    print_rows(cli, [as_row(cli.client.environments.copy(environment, name))], ("name", "id"))


@env.command()
@click.argument("environment")
@connection_options
@pass_cli
def delete(cli: Cli, environment: str) -> None:
    """Delete an environment. Within 30 days, undelete brings it back."""
    cli.client.environments.delete(environment)
    say(f"{environment} is deleted. Within 30 days, 'strongroom env undelete {environment}' brings it back.")


@env.command()
@click.argument("environment")
@click.option("--name", default=None, help="Bring it back under another name, where its own is taken by now.")
@connection_options
@pass_cli
def undelete(cli: Cli, environment: str, name: str | None) -> None:
    """Bring back a deleted environment, by id, or by name the one deleted last."""
    say(f"{cli.client.environments.undelete(environment, name=name).name} is back.")

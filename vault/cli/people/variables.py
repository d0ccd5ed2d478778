"""`strongroom set`, `get` and `unset`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal, TypedDict, Unpack, cast

import click

from vault.cli.asking import read_secret
from vault.cli.context import Cli
from vault.cli.options import connection_options, format_option, pass_cli, set_options, show_option
from vault.cli.render import print_data, print_rows
from vault.cli.words import CliError, say, warn
from vault.client.answers import variable_as_json
from vault.client.attributes import VariableAttributes, VariableChange
from vault.model.json_types import JsonObject


class _Given(TypedDict):
    """Options of `set`; None is for what was not given."""

    type: Literal["default", "secret"] | None
    enabled: bool | None
    literal: bool | None
    description: str | None


@click.command("set")
@click.argument("assignments", metavar="NAME[=-|=@FILE|=VALUE]...", nargs=-1, required=True)
@set_options
@click.option("--type", type=click.Choice(["default", "secret"]), help="How pages show the value.")
@click.option("--enabled/--disabled", default=None, help="Whether services get the variable.")
@click.option("--literal/--no-literal", default=None, help="Whether {{references}} in the value are left as they are.")
@click.option("--description", default=None, help="What it is for.")
@connection_options
@pass_cli
def set_variables(
    cli: Cli,
    /,
    assignments: tuple[str, ...],
    environment: str | None,
    use_globals: bool,
    **given: Unpack[_Given],
) -> None:
    """Set variables, all in one revision.

    NAME alone asks for the value; NAME=- reads it from stdin, NAME=@FILE from a file; NAME=VALUE works, with a
    warning. Text of one line loses its line end; text of several lines is kept as it is.
    """
    if sum(assignment.partition("=")[2] == "-" for assignment in assignments) > 1:
        raise click.UsageError("Only one value can come from stdin.")
    chosen = cli.chosen_set(environment, use_globals)
    attributes = cast(VariableAttributes, {name: value for name, value in given.items() if value is not None})
    changes: dict[str, VariableChange] = {}
    for assignment in assignments:
        name, sign, value = assignment.partition("=")
        secret = read_secret(cli, value if sign else None, f"the value of {name}")
        changes[name] = {"value": secret, **attributes}
    revision = chosen.patch(changes)
    say(f"Set {', '.join(changes)}: revision {revision}.")
    warn(revision.warnings)


@click.command("get")
@click.argument("name", required=False)
@set_options
@click.option(
    "--resolve", is_flag=True, help="Print what a service gets, with globals and bases merged and references resolved."
)
@show_option
@format_option
@connection_options
@pass_cli
def get_variables(
    cli: Cli, name: str | None, environment: str | None, use_globals: bool, resolve: bool, show: bool
) -> None:
    """Print the bare value of NAME; without a NAME, list the names (and with --show the values).

    The value is as it is stored; --resolve gives what a service gets. A line end follows it on a terminal only.
    """
    if name is not None:
        _print_one(cli, name, environment, use_globals, resolve)
        return
    chosen = cli.chosen_set(environment, use_globals)
    if resolve:
        values = chosen.values()
        warn(values.warnings)
        rows: list[Mapping[str, object]] = [{"name": item, "value": value} for item, value in values.items()]
        columns = ["name"]
    else:
        rows = [*map(variable_as_json, chosen.variables())]
        columns = ["name", "type", "enabled", "literal", "description"]
    if show:
        columns.insert(1, "value")
    else:
        rows = [{field: item for field, item in row.items() if field != "value"} for row in rows]
    print_rows(cli, rows, columns)


def _print_one(cli: Cli, name: str, environment: str | None, use_globals: bool, resolve: bool) -> None:
    chosen = cli.chosen_set(environment, use_globals)
    if resolve:
        values = chosen.values([name])
        warn(values.warnings)
        if name not in values:
            raise CliError(f"There is no value for {name} here.")
        row: JsonObject = {"name": name, "value": values[name]}
    else:
        row = variable_as_json(chosen.variable(name))
    if cli.settings.format == "table":
        click.echo(row["value"], nl=sys.stdout.isatty())
    else:
        print_data(cli, row)


@click.command("unset")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@set_options
@connection_options
@pass_cli
def unset_variables(cli: Cli, names: tuple[str, ...], environment: str | None, use_globals: bool) -> None:
    """Remove variables, all in one revision. History keeps them until it is pruned."""
    chosen = cli.chosen_set(environment, use_globals)
    if len(names) == 1:
        revision = chosen.unset(names[0])
    else:
        held = chosen.variables()
        missing = set(names) - {variable.name for variable in held}
        if missing:
            raise CliError(f"Nothing was removed, because these do not exist: {', '.join(sorted(missing))}.")
        revision = chosen.patch(dict.fromkeys(names), etag=held.etag)
    say(f"Removed {', '.join(names)}: revision {revision}.")

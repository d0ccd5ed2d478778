"""Options that many commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from vault.cli.context import Cli
from vault.model.clock import DAY_SECONDS, HOUR_SECONDS
from vault.sources import is_blank

P = ParamSpec("P")
R = TypeVar("R")

OUTPUT_FORMATS = ("table", "json", "yaml")

_UNITS_SECONDS = {"s": 1, "m": 60, "h": HOUR_SECONDS, "d": DAY_SECONDS}


def not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an option that is given and empty. A variable of the caller's shell may have been empty: with
    `import -e "$NAME" --replace`, the command would act on the environment that the settings name.
    """
    if value is not None and is_blank(value):
        raise click.BadParameter("It is empty. Give a value, or leave the option out.", context, parameter)
    return value


def as_seconds(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Parse `90`, `30m`, `12h` or `30d` into seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not a duration. Write for example 90, 30m, 12h or 30d.")
    return int(match[1]) * _UNITS_SECONDS[match[2] or "s"]


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    not_empty(context, parameter, value)
    if value is not None and parameter.name:
        context.ensure_object(Cli).flags[parameter.name] = value


def connection_options(function: Callable[P, R]) -> Callable[P, R]:
    """`--url` and `--ca-file`, before or after a command's name."""
    url = click.option("--url", metavar="URL", expose_value=False, callback=_remember, help="The server's address.")
    ca_file = click.option(
        "--ca-file",
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        help="A PEM file of authorities to trust instead of the system's.",
    )
    return url(ca_file(function))


def format_option(function: Callable[P, R]) -> Callable[P, R]:
    """`--format table|json|yaml`."""
    option = click.option(
        "--format",
        type=click.Choice(OUTPUT_FORMATS),
        expose_value=False,
        callback=_remember,
        help="How to print data.",
    )
    return option(function)


def environment_option(function: Callable[P, R]) -> Callable[P, R]:
    """`-e NAME` only."""
    option = click.option(
        "-e", "--env", "environment", metavar="NAME", callback=not_empty, help="The environment, by name or id."
    )
    return option(function)


def set_options(function: Callable[P, R]) -> Callable[P, R]:
    """`-e NAME` or `--globals`."""
    use_globals = click.option(
        "--globals", "use_globals", is_flag=True, help="Use the globals instead of an environment."
    )
    return environment_option(use_globals(function))


show_option = click.option("--show", is_flag=True, help="Show the values.")

pass_cli = click.make_pass_decorator(Cli, ensure=True)

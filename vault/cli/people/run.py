"""`strongroom run`: replaces this process by a program with the values in its environment, or watches over one.

The values go from the server's answer directly into the program's environment. They are written to a file only with
`--offline-for`, and sealed.
"""

from __future__ import annotations

import os
from typing import Unpack

import click

from vault.cli.context import Cli
from vault.cli.options import as_seconds, connection_options, environment_option, pass_cli
from vault.cli.people.merging import Merging
from vault.cli.people.programs import replace_process
from vault.cli.people.run_watch import WatchOptions, plan_from, run_watched, watch_options
from vault.cli.people.source import OFFLINE_MOST_SECONDS, Source
from vault.cli.words import CliError

_PRESERVE, _ALL = "--preserve-env", "*"


class _Run(click.Command):
    """A command whose `--preserve-env` takes a value only with `=`, as sudo's does.

    Otherwise `run --preserve-env ./program` would take the program's name for a list of variables.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Options after the program's name are the program's."""
        with_value = {name for each in self.params if isinstance(each, click.Option) for name in _takes_next(each)}
        rest, found = list(args), []
        while rest and rest[0] != "--" and len(rest[0]) > 1 and rest[0].startswith("-"):
            word = rest.pop(0)
            found.append(f"{_PRESERVE}={_ALL}" if word == _PRESERVE else word)
            if word in with_value and rest:
                found.append(rest.pop(0))
        return super().parse_args(ctx, found + rest)


def _takes_next(option: click.Option) -> list[str]:
    return [] if option.is_flag else [name for name in option.opts if name != _PRESERVE]


def _as_offline_time(context: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    seconds = as_seconds(context, parameter, text)
    if seconds is not None and not 0 < seconds <= OFFLINE_MOST_SECONDS:
        raise click.BadParameter("It must be from 1s to 30d.", context, parameter)
    return seconds


@click.command(cls=_Run, context_settings={"allow_interspersed_args": False})
@environment_option
@click.option("--only", metavar="A,B", help="Only these variables.")
@click.option("--no-globals", is_flag=True, help="Leave the globals out.")
@click.option(
    _PRESERVE, metavar="[=A,B]", help="Where this shell sets a variable too, keep the shell's (all, or A and B)."
)
@click.option(
    "--allow-name", metavar="A,B", multiple=True, help="Pass these on, though they can make programs load code."
)
@click.option("--keep-token", is_flag=True, help="Pass STRONGROOM_TOKEN to the program.")
@watch_options
@click.option(
    "--offline-for",
    metavar="TIME",
    callback=_as_offline_time,
    help="Keep the values sealed on this machine, and use them for up to TIME if the vault cannot be reached.",
)
@click.argument("command", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, required=True, type=click.UNPROCESSED)
@connection_options
@pass_cli
def run(
    cli: Cli,
    environment: str | None,
    only: str | None,
    no_globals: bool,
    preserve_env: str | None,
    allow_name: tuple[str, ...],
    keep_token: bool,
    offline_for: int | None,
    command: tuple[str, ...],
    **watching: Unpack[WatchOptions],
) -> None:
    """Run COMMAND with the values of an environment added to its own.

    It takes this process's place, so signals reach it and its exit code is ours: 126 where it cannot be executed,
    127 where it is not found. A script without a first line `#!` is run by /bin/sh.

    With --watch this process stays, passes signals on, and ends as COMMAND ends. When the values change, COMMAND gets
    SIGTERM and is started again with the new ones.

    Names that can make a program load code, such as LD_PRELOAD, NODE_OPTIONS and PATH, are left out with a warning:
    everybody who may write the environment could run code here.

    An unresolved reference in a global has a warning only if a value of the environment uses that global, or --only
    names it. 'strongroom get --resolve' warns of all.
    """
    plan = plan_from(command, watching)
    wanted = None if only is None else tuple(_names("--only", only))
    allowed = frozenset(name for names in allow_name for name in _names("--allow-name", names))
    kept = frozenset[str]() if preserve_env is None else frozenset(_names(_PRESERVE, preserve_env))
    inherited = dict(os.environb)
    preserved = frozenset(inherited) if preserve_env == _ALL else frozenset(name.encode() for name in kept)
    source = Source(cli, cli.environment_name(environment), wanted, not no_globals, offline_for)
    merging = Merging(inherited, wanted or (), preserved, allowed, keep_token)
    merged = merging.environment_of(source.values())
    if plan is not None:
        run_watched(plan, source, merging, merged)
    cli.client.close()
    replace_process(command, merged)


def _names(option: str, text: str) -> list[str]:
    """Return the names in an option's value. Raises `CliError` if there are none: a variable of the caller's shell may
    have been empty.
    """
    names = [name for name in text.split(",") if name]
    if not names:
        raise CliError(f"{option} names no variable.")
    return names

"""`strongroom run`: replaces this process by a program with the values in its environment.

The values go from the server's answer directly into the program's environment. They are never written to a file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, environment_option, pass_cli
from vault.cli.people.programs import replace_process
from vault.cli.words import CliError, warn
from vault.model.steering import danger_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_CREDENTIALS = (b"STRONGROOM_TOKEN", b"STRONGROOM_TOKEN_FILE", b"STRONGROOM_PASSWORD", b"STRONGROOM_PASSWORD_FILE")

_GUIDES = ("STRONGROOM_URL", "STRONGROOM_CA_FILE", "STRONGROOM_CONFIG")
"""These say where a token is sent, and to whom it is shown."""

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
    command: tuple[str, ...],
) -> None:
    """Run COMMAND with the values of an environment added to its own.

    It takes this process's place, so signals reach it and its exit code is ours: 126 where it cannot be executed,
    127 where it is not found. A script without a first line `#!` is run by /bin/sh.

    Names that can make a program load code, such as LD_PRELOAD, NODE_OPTIONS and PATH, are left out with a warning:
    everybody who may write the environment could run code here.

    An unresolved reference in a global has a warning only if a value of the environment uses that global, or --only
    names it. 'strongroom get --resolve' warns of all.
    """
    wanted = None if only is None else _names("--only", only)
    allowed = frozenset(name for names in allow_name for name in _names("--allow-name", names))
    kept = frozenset[str]() if preserve_env is None else frozenset(_names(_PRESERVE, preserve_env))
    values = cli.client.values(cli.environment_name(environment), wanted, globals=not no_globals)
    warn([warning for warning in values.warnings if warning not in values.globals_warnings])
    missing = [name for name in wanted or () if name not in values]
    if missing:
        raise CliError(f"There is no value for {', '.join(missing)} here.")
    cli.client.close()
    inherited = os.environb
    preserved = frozenset(inherited) if preserve_env == _ALL else frozenset(name.encode() for name in kept)
    merged = merged_environment(inherited, values, preserved=preserved, allowed=allowed, keep_token=keep_token)
    replace_process(command, merged)


def merged_environment(
    inherited: Mapping[bytes, bytes],
    values: Mapping[str, str],
    *,
    preserved: Collection[bytes] = (),
    allowed: Collection[str] = (),
    keep_token: bool = False,
) -> dict[bytes, bytes]:
    """Return the inherited environment without our own credentials, and with `values` added.

    An inherited variable whose name is in `preserved` wins over the value. A name that is a danger to programs is left
    out with a warning, unless it is in `allowed`; so is a name that no environment can contain. Raises `CliError` for
    a value that none can contain.
    """
    merged = {name: value for name, value in inherited.items() if keep_token or name not in _CREDENTIALS}
    kept = merged.keys() & set(preserved)
    for name, value in values.items():
        # Use bytes, because the locale's encoding may not have every character.
        if name.encode() in kept:
            continue
        if "\0" in value:
            raise CliError(
                f"The value of {name} contains a NUL character, which no environment can contain. "
                "Leave it out with --only, or disable it."
            )
        if "=" in name:
            warn([f"{name} is left out: a name in an environment must not contain '='."])
        elif keep_token and name in _GUIDES:
            warn([f"{name} is left out, because it could lead the token of --keep-token to another server."])
        elif (danger := danger_of(name)) and name not in allowed:
            warn(
                [
                    f"{name} is left out, because it can make a program {danger}. If everybody who may write this "
                    f"environment may run code here, use: --allow-name {name}"
                ]
            )
        else:
            merged[name.encode()] = value.encode()
    return merged


def _names(option: str, text: str) -> list[str]:
    """Return the names in an option's value. Raises `CliError` if there are none: a variable of the caller's shell may
    have been empty.
    """
    names = [name for name in text.split(",") if name]
    if not names:
        raise CliError(f"{option} names no variable.")
    return names

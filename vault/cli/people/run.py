"""`strongroom run`: replaces this process by a program with the values in its environment.

The values go from the server's answer directly into the program's environment. They are never written to a file.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, environment_option, pass_cli
from vault.cli.words import CliError, say, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

# The exit codes of a shell (POSIX, Shell Command Language 2.8.2).
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127

_CREDENTIALS = (b"STRONGROOM_TOKEN", b"STRONGROOM_TOKEN_FILE", b"STRONGROOM_PASSWORD", b"STRONGROOM_PASSWORD_FILE")


@click.command(context_settings={"allow_interspersed_args": False})
@environment_option
@click.option("--only", metavar="A,B", help="Only these variables.")
@click.option("--no-globals", is_flag=True, help="Leave the globals out.")
@click.option("--keep-token", is_flag=True, help="Pass STRONGROOM_TOKEN to the program.")
@click.argument("command", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, required=True, type=click.UNPROCESSED)
@connection_options
@pass_cli
def run(
    cli: Cli, environment: str | None, only: str | None, no_globals: bool, keep_token: bool, command: tuple[str, ...]
) -> None:
    """Run COMMAND with the values of an environment added to its own.

    It takes this process's place, so signals reach it and its exit code is ours: 126 where it cannot be executed,
    127 where it is not found.
    """
    wanted = None if only is None else [name for name in only.split(",") if name]
    values = cli.client.values(cli.environment_name(environment), wanted, globals=not no_globals)
    warn(values.warnings)
    missing = [name for name in wanted or () if name not in values]
    if missing:
        raise CliError(f"There is no value for {', '.join(missing)} here.")
    cli.client.close()
    _replace_process(command, merged_environment(os.environb, values, keep_token=keep_token))


def merged_environment(
    inherited: Mapping[bytes, bytes], values: Mapping[str, str], *, keep_token: bool
) -> dict[bytes, bytes]:
    """Return the inherited environment without our own credentials, and with `values` added.

    Raises `CliError` for a value that no environment can contain. A name that none can contain is left out with a
    warning.
    """
    merged = {name: value for name, value in inherited.items() if keep_token or name not in _CREDENTIALS}
    for name, value in values.items():
        if "\0" in value:
            raise CliError(
                f"The value of {name} contains a NUL character, which no environment can contain. "
                "Leave it out with --only, or disable it."
            )
        if "=" in name:
            warn([f"{name} is left out: a name in an environment must not contain '='."])
            continue
        # Use bytes, because the locale's encoding may not have every character.
        merged[name.encode()] = value.encode()
    return merged


def _replace_process(command: tuple[str, ...], environment: dict[bytes, bytes]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two signals, and a new program inherits that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    program = command[0]
    try:
        # Use the caller's PATH: a PATH from the vault must not choose the program.
        path = program if "/" in program else shutil.which(program)
        if path is None:
            raise FileNotFoundError
        os.execve(path, command, environment)  # noqa: S606 - running a program without a shell is the purpose.
    except (FileNotFoundError, NotADirectoryError):
        say(f"strongroom: The program {program} was not found.")
        raise click.exceptions.Exit(EXIT_NOT_FOUND) from None
    except (OSError, ValueError) as error:
        say(f"strongroom: The program {program} cannot be executed: {_reason(error)}.")
        raise click.exceptions.Exit(EXIT_NOT_EXECUTABLE) from None


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "its name or an argument contains a NUL character"
    if error.errno == errno.E2BIG:
        return "the values are larger than this system allows (on Linux, 128 KiB each)"
    return error.strerror or type(error).__name__

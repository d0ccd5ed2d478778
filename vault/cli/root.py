"""The command `strongroom`: maps names to files, and turns an error into a message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from vault import __version__
from vault.cli.context import Cli
from vault.cli.options import connection_options, format_option
from vault.cli.words import CliError, say
from vault.errors import BadLogin, BadSecondFactor, NotAuthenticated, NotFound, StrongroomError, TransportError

EXIT_HERE = 1
"""The error is on this side: the command line, a file, a setting, or the connection to the server."""

EXIT_THERE = 2
"""The server was reached, and refused or failed."""

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""

# Each command with its place and its line in the help, which is printed without importing the command.
COMMANDS = {
    "login": ("vault.cli.people.session:login", "Log in with name and password."),
    "logout": ("vault.cli.people.session:logout", "End the session and forget its token."),
    "env": ("vault.cli.people.env:env", "List, show, create, change, copy, delete and undelete environments."),
    "set": ("vault.cli.people.variables:set_variables", "Set variables."),
    "get": ("vault.cli.people.variables:get_variables", "Print a value, or list the names."),
    "unset": ("vault.cli.people.variables:unset_variables", "Remove variables."),
    "export": (
        "vault.cli.people.transfer:export_variables",
        "Write variables to a file: dotenv, JSON, Postman and more.",
    ),
    "import": ("vault.cli.people.transfer:import_variables", "Read variables from such a file."),
    "history": ("vault.cli.people.history:history", "List the revisions."),
    "diff": ("vault.cli.people.history:diff", "Show what a revision changed."),
    "rollback": ("vault.cli.people.history:rollback", "Restore an older revision as a new one."),
    "run": ("vault.cli.people.run:run", "Run a program with the values in its environment."),
    "watch": ("vault.cli.people.watch:watch", "Print a line for each change as it comes."),
    "token": ("vault.cli.people.tokens:token", "Create, list, rotate and revoke service tokens."),
    "trust": ("vault.cli.people.trust:trust", "Trust the settings of a project."),
    "account": ("vault.cli.people.account:account", "Show or delete your own account, or change its password."),
    "doctor": ("vault.cli.people.doctor:doctor", "Check the connection to a server, and say what to do."),
    "serve": ("vault.cli.operators.serve:serve", "Operators: serve the vault."),
    "db": ("vault.cli.operators.db:db", "Operators: upgrade and check the database."),
    "user": ("vault.cli.operators.user:user", "Operators: manage accounts."),
    "audit": ("vault.cli.operators.audit:audit", "Operators: search, verify, export and prune the audit."),
    "backup": ("vault.cli.operators.backup:backup", "Operators: make, verify and list backups, and restore one."),
    "keys": ("vault.cli.operators.keys:keys", "Operators: rotate and destroy the vault's keys."),
    "lock": ("vault.cli.operators.locks:lock", "Operators: make every worker forget its keys at once."),
    "unlock": ("vault.cli.operators.locks:unlock", "Operators: end a lock."),
}


class Root(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order of the map."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        found = load(COMMANDS[cmd_name][0])
        if not isinstance(found, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command.")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands in the help, using only the map."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(  # type: ignore[override, explicit-any]  # it always leaves by exit code; Click has `**extra: Any`
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run, and exit with 0, 1 or 2. An error is one sentence on stderr, never a traceback."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, prog_name, **extra)
        except click.exceptions.Exit as leave:
            code = leave.exit_code
        except click.Abort as abort:
            code = _tell("Stopped.", EXIT_INTERRUPTED if isinstance(abort.__cause__, KeyboardInterrupt) else EXIT_HERE)
        except click.ClickException as error:
            # Click's own exit code for a wrong call is 2, which means the server here.
            error.show()
            code = EXIT_HERE
        except StrongroomError as error:
            code = _tell(_sentence(error), _code(error))
        except ModuleNotFoundError as error:
            # A command imports its heavy libraries when it runs.
            code = _tell(_unexpected(error) if _is_ours(error) else _missing(error), EXIT_HERE)
        except Exception as error:  # The last resort: a bug must not print a secret either.
            code = _tell(_unexpected(error), EXIT_HERE)
        sys.exit(code if isinstance(code, int) else 0)


def load(place: str) -> object:
    """Return the object at `module:name`. Raises `CliError` if the server's libraries are not installed."""
    module_name, _, name = place.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise CliError(_missing(error)) from error
    found: object = getattr(module, name)
    return found


def _missing(error: ModuleNotFoundError) -> str:
    return f"This command needs the server ({error.name} is missing): pip install 'strongroom[server]'."


def _is_ours(error: ModuleNotFoundError) -> bool:
    return (error.name or "vault").partition(".")[0] == "vault"


def _tell(sentence: str, code: int) -> int:
    say(f"strongroom: {sentence}")
    return code


def _sentence(error: StrongroomError) -> str:
    # A sentence about a password says so itself, and a prompt has no field.
    has_place = error.path and not error.path.endswith("password")
    sentence = f"{error.message} (at {error.path})" if has_place else error.message
    if isinstance(error, NotAuthenticated) and not isinstance(error, BadLogin | BadSecondFactor):
        sentence += " Log in with 'strongroom login', or set STRONGROOM_TOKEN."
    if isinstance(error, NotFound) and error.message == NotFound.sentence:
        sentence += " Is the name right? 'strongroom env list' shows the environments that you may use."
    return sentence


def _code(error: StrongroomError) -> int:
    # An error has a request if the server answered it. A transport error also has one, but no answer.
    return EXIT_THERE if error.request is not None and not isinstance(error, TransportError) else EXIT_HERE


def _unexpected(error: Exception) -> str:
    """Return where it happened and the type. The text is left out, because it may quote a value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno}" if trace else "an unknown place"
    return f"An unexpected {type(error).__name__} in {place}. This is a bug in strongroom. Please report it."


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="strongroom %(version)s")
@format_option
@connection_options
@click.pass_context
def root(context: click.Context) -> None:
    """An encrypted vault for environment variables.

    Where a setting comes from, the first that has it: the flag, the environment (STRONGROOM_URL,
    STRONGROOM_CA_FILE, STRONGROOM_ENVIRONMENT, STRONGROOM_TOKEN), the project file .strongroom.toml (looked for
    upwards from here), the user's strongroom/config.toml, the default.
    """
    context.ensure_object(Cli)

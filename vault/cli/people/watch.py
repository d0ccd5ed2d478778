"""`strongroom watch`: prints a line for each change as it comes, and never a value."""

from __future__ import annotations

import json
import os
import select
import stat
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, environment_option, pass_cli
from vault.cli.words import tell
from vault.errors import NotFound, StrongroomError
from vault.model.json_types import JsonObject
from vault.model.printable import shown

if TYPE_CHECKING:
    from vault.client import Changes, Client, FeedChange

_GLOBALS = "the globals"

_WHAT_HAPPENED = {
    "create": "was created",
    "write": "changed",
    "rename": "is the new name of an environment",
    "change": "has new settings",
    "bases": "has new bases",
    "undelete": "was undeleted",
    "expire": "changed: the deletion time of a revision has passed",
}


@click.command()
@environment_option
@click.option("--all", "everything", is_flag=True, help="Watch all that you may read, the globals too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@connection_options
@pass_cli
def watch(cli: Cli, environment: str | None, everything: bool, as_json: bool) -> None:
    """Print a line for each change of an environment, of its bases and of the globals, as it comes.

    Values are never printed. Ctrl-C ends it. If the connection is lost, it is opened again, and what happened in the
    meantime is printed then. If the environment does not exist yet, a line on stderr says so, and its changes are
    printed when it does.
    """
    if everything and environment is not None:
        raise click.UsageError("-e and --all cannot be used together.")
    wanted = [] if everything else [cli.environment_name(environment, "--all")]
    with cli.client.changes(wanted, on_interruption=_tell_interruption) as changes:
        _end_with_reader(changes)
        # A name that may not be followed is refused here.
        changes.begin()
        for name in wanted:
            _tell_if_missing(cli.client, name)
        for change in changes:
            if change.type == "reset":
                tell("The feed started again: changes may have been missed.")
            else:
                click.echo(_as_json(change, is_of_all=everything) if as_json else shown(_as_line(change)))


def _tell_interruption(error: StrongroomError | None) -> None:
    tell(
        "The connection is back." if error is None else f"The connection is interrupted. Trying again: {error.message}"
    )


def _tell_if_missing(client: Client, name: str) -> None:
    try:
        if _is_missing(client, name):
            tell(
                f"The environment {name} was not found. If it does not exist yet, its changes are printed when it does."
            )
    except StrongroomError:
        # The feed goes on. It says itself if it is interrupted.
        return


def _is_missing(client: Client, name: str) -> bool:
    with suppress(NotFound):
        client.environments.get(name)
        return False
    # A token that may read an environment is not always allowed to list it.
    with suppress(NotFound):
        client.environment(name).values(resolve=False, globals=False)
        return False
    return True


def _end_with_reader(changes: Changes) -> None:
    """End the watch when the reader of our pipe is gone, and not only at the next change."""
    try:
        output = sys.stdout.fileno()
    except OSError:
        return
    kind = os.fstat(output).st_mode
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        threading.Thread(target=_await_hang_up, args=(output, changes), daemon=True).start()


def _await_hang_up(output: int, changes: Changes) -> None:
    poll = select.poll()
    # Errors and hang-ups are always reported.
    poll.register(output, 0)
    poll.poll()
    changes.close()


def _as_line(change: FeedChange) -> str:
    name = _GLOBALS if change.environment_name is None else change.environment_name
    when = datetime.now().astimezone().strftime("%H:%M:%S")
    if change.type == "gone":
        return f"{when} {name} is gone: it was deleted or renamed, or you have no right to it any more"
    line = f"{when} {name} {_WHAT_HAPPENED.get(change.kind, 'changed')}"
    if change.revision is not None and change.kind in ("create", "write", "expire"):
        line += f", revision {change.revision}"
    affected = [_GLOBALS if item is None else item for item in change.affects]
    is_beneath = bool(affected) and not {name, change.environment_id} & set(affected)
    return f"{line} (affects {', '.join(affected)})" if is_beneath else line


def _as_json(change: FeedChange, *, is_of_all: bool) -> str:
    """Return the time and the members of the message (docs/reference/live.md), without its cursor."""
    is_gone = change.type == "gone"
    told: JsonObject = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "type": change.type,
        **({} if is_gone else {"kind": change.kind}),
        "environment": {"id": change.environment_id, "name": change.environment_name},
        **({} if is_gone else {"revision": change.revision}),
        **({} if is_of_all else {"affects": change.affects}),
    }
    return json.dumps(told)

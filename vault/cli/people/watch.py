"""`strongroom watch`: prints a line for each change as it comes, and never a value."""

from __future__ import annotations

import json
import os
import select
import stat
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.cli.options import connection_options, environment_option, pass_cli
from vault.cli.words import say
from vault.model.printable import shown

if TYPE_CHECKING:
    from vault.client import Changes, FeedChange
    from vault.errors import StrongroomError

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

    Values are never printed. Ctrl-C ends it. If the connection is lost, it is opened
    again, and what happened in the meantime is printed then.
    """
    if everything and environment is not None:
        raise click.UsageError("-e and --all cannot be used together.")
    wanted = [] if everything else [cli.environment_name(environment)]
    with cli.client.changes(wanted, on_interruption=_tell_interruption) as changes:
        _end_with_reader(changes)
        for change in changes:
            if change.type == "reset":
                say("The feed started again: changes may have been missed.")
            else:
                click.echo(_as_json(change) if as_json else shown(_as_line(change)))


def _tell_interruption(error: StrongroomError | None) -> None:
    say("The connection is back." if error is None else f"The connection is interrupted. Trying again: {error.message}")


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


def _as_json(change: FeedChange) -> str:
    told = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "type": change.type,
        "kind": change.kind,
        "environment": {"id": change.environment_id, "name": change.environment_name},
        "revision": change.revision,
        "affects": list(change.affects),
    }
    return json.dumps(told)

"""`strongroom audit`: shows who did what, and verifies that nobody has changed the record."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypedDict, Unpack

import click

from vault.cli.actors import actor_named
from vault.cli.context import Cli
from vault.cli.files import read_text
from vault.cli.operators import host
from vault.cli.options import format_option, pass_cli
from vault.cli.render import print_rows
from vault.cli.words import CliError, say
from vault.model.clock import DAY_US, SECOND_US, from_datetime
from vault.model.printable import shown

if TYPE_CHECKING:
    from vault.services import Services
    from vault.services.audit.verify import VerifyReport
    from vault.storage import Seen

_COLUMNS = ("at", "action", "what", "result", "actor", "environment", "revision", "address")
_PAGE = 500
_FOLLOW_SECONDS = 1.0
_PROGRESS_SECONDS = 0.2
_LATE_US = 10 * SECOND_US
"""Events in a spool reach the database a second later, and may be older than events that are there already."""
_BROKEN = 1


class _Asked(TypedDict):
    """Options of `search`."""

    actor: str | None
    action: str | None
    result: str | None
    environment_id: str | None
    since: datetime | None
    until: datetime | None


@click.group()
def audit() -> None:
    """Search, verify, export and prune the audit."""


@audit.command()
@click.option("-n", "--lines", type=click.IntRange(0, _PAGE), default=20, help="How many events to print at first.")
@click.option("-f", "--follow", is_flag=True, help="Keep printing new events until Ctrl-C.")
@format_option
@pass_cli
def tail(cli: Cli, lines: int, follow: bool) -> None:
    """Print the newest events."""
    from vault.storage import Search

    with _opened() as vault:
        found = vault.audit.trail.search(host.operator(), Search(), None, lines) if lines else []
        _print(cli, vault, list(reversed(found)))
        seen = {item.event.id for item in found}
        since_us = found[0].event.at_us if found else vault.clock()
        while follow:
            time.sleep(_FOLLOW_SECONDS)
            fresh = vault.audit.trail.look(host.operator(), Search(since_us=since_us), _PAGE)
            new = [item for item in reversed(fresh) if item.event.id not in seen]
            _print_lines(vault, new)
            seen.update(item.event.id for item in new)
            if new:
                since_us = new[-1].event.at_us - _LATE_US


@audit.command()
@click.option("--user", metavar="NAME", help="Only events of this person, by name or id.")
@click.option("--actor", metavar="KIND:ID", help="Only events of this actor, such as token:3kTMd9….")
@click.option("--action", help="Only this action, such as values.read or refused.")
@click.option("--result", help="Only this result: ok, unchanged, or the reason of a refusal.")
@click.option("--environment", "environment_id", metavar="ID", help="Only events of this environment.")
@click.option("--variable", metavar="NAME", help="Only events that changed or read this variable.")
@click.option("--since", type=click.DateTime(), help="Only events at or after this time (UTC).")
@click.option("--until", type=click.DateTime(), help="Only events before this time (UTC).")
@click.option("-n", "--lines", type=click.IntRange(1), default=_PAGE, help="The most events to print.")
@format_option
@pass_cli
def search(cli: Cli, /, lines: int, user: str | None, variable: str | None, **asked: Unpack[_Asked]) -> None:
    """Print the events that are asked for, the newest first."""
    from vault.storage import Search

    with _opened() as vault:
        user_id = vault.audit.trail.user_id(host.operator(), user) if user is not None else None
        wanted = Search(
            user_id=user_id,
            actor=asked["actor"],
            action=asked["action"],
            result=asked["result"],
            environment_id=asked["environment_id"],
            since_us=_microseconds(asked["since"]),
            until_us=_microseconds(asked["until"]),
        )
        _print(cli, vault, vault.audit.trail.search(host.operator(), wanted, None, lines, variable=variable))


@audit.command()
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint from `strongroom audit checkpoint` that you kept elsewhere.",
)
@click.option(
    "--trust-file",
    is_flag=True,
    help="Accept a checkpoint from before a reseal by its content alone. Use this only if nobody could change it.",
)
def verify(checkpoint: Path | None, trust_file: bool) -> None:
    """Prove that no event was changed, moved, added or removed, and that no old row was put back.

    Without a checkpoint from elsewhere, a whole database that was put back to an older state is not seen.
    """
    note = read_text(str(checkpoint)) if checkpoint is not None else None
    with _opened() as vault:
        report = vault.audit.verifier.verify(note, _progress(), is_trusted=trust_file)
    _tell(report)
    if report.faults:
        raise click.exceptions.Exit(_BROKEN)
    if note is None:
        say("Only a checkpoint that was kept elsewhere shows whether the whole database is an older copy.")


@audit.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@click.option(
    "--from",
    "first",
    type=click.IntRange(0),
    default=0,
    metavar="PLACE",
    help="The position in the audit to start from.",
)
def export(output: Path | None, first: int) -> None:
    """Write all events as JSON Lines, in order, and the signed checkpoint as the last line."""
    with _opened() as vault, _written(output) as file:
        count = 0
        for seen in vault.audit.trail.export(host.operator(), first):
            file.write(_line(seen) + "\n")
            count += 1
        with vault.storage.read() as unit:
            note = vault.audit.tree.checkpoint(unit)
        file.write(json.dumps({"checkpoint": note}, ensure_ascii=False) + "\n")
    say(f"{count} events.")


@audit.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(1),
    required=True,
    metavar="DAYS",
    help="Prune events older than this many days.",
)
def prune(days: int) -> None:
    """Delete old events. Their hashes stay, and so does the newest event about each signed row."""
    with _opened() as vault:
        count = vault.audit.trail.prune(host.operator(), vault.clock() - days * DAY_US)
    say(f"{count} events were pruned. The audit can still be verified.")


@audit.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of standard output.",
)
@click.option("--key", is_flag=True, help="Print the public key that verifies checkpoints.")
def checkpoint(output: Path | None, key: bool) -> None:
    """Write the newest signed checkpoint. Keep it where an attacker of this host cannot change it."""
    with _opened() as vault:
        if key:
            click.echo(vault.audit.tree.verifier_key)
            return
        with vault.storage.read() as unit:
            note = vault.audit.tree.checkpoint(unit)
    with _written(output) as file:
        file.write(note)


@contextmanager
def _opened() -> Iterator[Services]:
    """Open the vault and store all events that this host knows of."""
    from vault.errors import Unavailable

    with host.opened_vault() as vault:
        try:
            vault.audit.reads.drain_left_behind()
            with vault.storage.write() as unit:
                vault.audit.tree.sequence(unit)
        except Unavailable as error:
            say(f"Warning: the newest events may be missing: {error.message}")
        try:
            yield vault
        finally:
            vault.audit.reads.close()


@contextmanager
def _written(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            yield file
    except FileExistsError as error:
        raise CliError(f"{path} already exists and is not overwritten. Choose another name.") from error


def _print(cli: Cli, vault: Services, found: Sequence[Seen]) -> None:
    documents = _in_words(vault, found) if cli.settings.format == "table" else map(_document, found)
    print_rows(cli, list(documents), _COLUMNS)


def _print_lines(vault: Services, found: Sequence[Seen]) -> None:
    for document in _in_words(vault, found):
        click.echo("  ".join(shown(str(document[name])) for name in _COLUMNS if document[name] not in (None, "")))


def _in_words(vault: Services, found: Sequence[Seen]) -> Iterator[dict[str, object]]:
    """Yield events for people: with names in place of ids."""
    names = vault.audit.trail.names(host.operator(), found)
    for seen in found:
        event = seen.event
        place = event.environment_id or ""
        yield _document(seen) | {
            "actor": actor_named(event.actor, names.people.get(event.actor_id or "", ""), names.tokens),
            "environment": names.environments.get(place, place),
        }


def _document(seen: Seen) -> dict[str, object]:
    from vault.model.action import words_of
    from vault.services.audit.forward import as_document

    return {**as_document(seen.event, seen.sequence), "what": words_of(seen.event.action)}


def _line(seen: Seen) -> str:
    from vault.services.audit.forward import as_document

    return json.dumps(as_document(seen.event, seen.sequence, commitments=True), ensure_ascii=False)


def _microseconds(moment: datetime | None) -> int | None:
    return from_datetime(moment.replace(tzinfo=UTC)) if moment is not None else None


def _progress() -> Callable[[int, int], None]:
    """Return a function that shows progress on stderr, if stderr is a terminal."""
    started = told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _PROGRESS_SECONDS and sys.stderr.isatty():
            told = now
            click.echo(f"\r{done:,} of {total:,} events, {done / (now - started):,.0f} a second", err=True, nl=False)
            if done >= total:
                click.echo(err=True)

    return tell


def _tell(report: VerifyReport) -> None:
    for fault in report.faults:
        click.echo(shown(fault))
    rate = report.size / report.seconds if report.seconds else 0
    told = [f"{report.size:,} events in the tree"]
    told += [f"{count:,} {what}" for count, what in ((report.pruned, "pruned"), (report.erased, "erased")) if count]
    say(f"{', '.join(told)}; {report.rows:,} rows compared; {rate:,.0f} events a second.")
    say("The audit is whole." if not report.faults else f"The audit has {len(report.faults)} faults.")

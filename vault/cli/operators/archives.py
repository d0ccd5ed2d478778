"""Options that select an archive, its place, and the key that opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypedDict, TypeVar

import click

from vault.cli.files import read_text
from vault.cli.words import CliError, warn

if TYPE_CHECKING:
    from vault.services.backup import Archive, Opener, Place
    from vault.services.backup.names import ArchiveName
    from vault.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

_LATEST = "latest"


class Where(TypedDict):
    """What the options of `archive_options` give besides the archive."""

    addresses: Sequence[str]
    key_path: Path | None
    identity: str | None


def archive_options(function: Callable[P, R]) -> Callable[P, R]:
    """Add `ARCHIVE` and the options for its place and its key."""
    for decorate in (
        click.option("-i", "--identity", metavar="FILE", help="The age identity, if archives are for age recipients."),
        click.option(
            "--key",
            "key_path",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The backup key; by default STRONGROOM_BACKUP_KEY, or backup.key beside the keyring.",
        ),
        click.option(
            "--from",
            "addresses",
            metavar="PLACE",
            multiple=True,
            help="Look here (dir:/path, s3://bucket/prefix) instead of STRONGROOM_BACKUP_TO.",
        ),
        click.argument("archive", metavar="ARCHIVE|latest"),
    ):
        function = decorate(function)
    return function


@contextmanager
def found_archive(
    found: Settings, archive: str, addresses: Sequence[str], key_path: Path | None, identity: str | None
) -> Iterator[tuple[Archive, list[Place]]]:
    """Return the selected archive, and the places whose lists of erased keys apply to it."""
    from vault.services.backup import Archive, place_at

    opener = _opener(found, key_path, identity)
    path = Path(archive).absolute()
    if "/" in archive or path.is_file():
        others = places_of(found, addresses) if addresses or found.backup_to else []
        beside = place_at(f"dir:{path.parent}")
        yield Archive(path, opener), [beside, *(place for place in others if place.address != beside.address)]
        return
    places = places_of(found, addresses)
    place, name = _latest(found, places) if archive == _LATEST else _holder(found, places, archive)
    with place.fetched(name) as local:
        yield Archive(local, opener), places


def _opener(found: Settings, key_path: Path | None, identity: str | None) -> Opener:
    """Return an opener with the backup key, if there is one, and the given identities."""
    from vault.crypto.age import identities_from
    from vault.keys import backup as backup_key
    from vault.services.backup import Opener
    from vault.wiring import backup_plan

    path = key_path or backup_plan(found).key_file
    # If no file is named, the key may be missing: archives can be for age recipients only.
    is_named = key_path is not None or (found.backup_key is not None and not identity)
    known = backup_key.read(path) if is_named or path.exists() else None
    return Opener(known, identities_from(read_text(identity)) if identity else ())


def places_of(found: Settings, addresses: Sequence[str]) -> list[Place]:
    """Return the given places, or those of the settings. Raises `CliError` if there are none."""
    from vault.services.backup import places_at

    places = places_at(",".join(addresses) or found.backup_to)
    if not places:
        raise CliError("No place for archives is given. Use --from dir:/path, or set STRONGROOM_BACKUP_TO.")
    return places


def _latest(found: Settings, places: list[Place]) -> tuple[Place, str]:
    """Return the newest archive by its counter, from the first place that has it."""
    from vault.model.clock import now_us
    from vault.services.backup import held_in
    from vault.wiring import backup_plan

    held, failed = held_in(places, backup_plan(found).keeping, found.backup_place_seconds)
    warn([report.error for report in failed])
    if not held:
        raise CliError("There is no archive in any of these places.")
    if len({each.name.vault for each in held}) > 1:
        raise CliError("There are archives of more than one vault. Give the name of one (`strongroom backup list`).")
    newest = held[0].name
    _doubt_dates(newest, [each.name for each in held], now_us())
    having = {each.place for each in held if each.name == newest}
    return next(place for place in places if place.address in having), str(newest)


def _doubt_dates(newest: ArchiveName, names: list[ArchiveName], now_us: int) -> None:
    """Warn if dates disagree with counters. Raises `CliError` if only dates could show which archive is newest."""
    from vault.services.backup import ahead

    if future := ahead([newest], now_us):
        if not newest.counter:
            raise CliError(
                f"{newest} is dated in the future, and archives of release 0.1.0 have no counter to compare. "
                "Run `strongroom backup list` and give the name of one."
            )
        warn([f"{newest} is the newest by its counter, but it is dated in the future: a clock was wrong."])
    elif future := ahead(names, newest.created_us):
        warn([f"{future[0]} has a later date than {newest}, which is the newest by its counter: a clock was wrong."])


def _holder(found: Settings, places: list[Place], name: str) -> tuple[Place, str]:
    from vault.services.backup import places_with

    having, failed = places_with(places, name, found.backup_place_seconds)
    warn([report.error for report in failed])
    if having:
        return having[0], name
    raise CliError(f"There is no archive {name} in any of these places. Run `strongroom backup list`.")

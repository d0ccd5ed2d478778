"""Which archives the places have."""

from __future__ import annotations

from collections.abc import Sequence

from vault.errors import BackupError
from vault.services.backup.each_place import PlaceReport, at_each, hangs
from vault.services.backup.keeping import Keeping
from vault.services.backup.names import StoredArchive, archives_in
from vault.services.backup.place import Place


def held_in(
    places: Sequence[Place], kept: Keeping, seconds: int, vault: str | None = None
) -> tuple[list[StoredArchive], list[PlaceReport]]:
    """Return the archives in some places, the newest first, of one vault or of all; and the places that cannot
    be read, or take longer than `seconds`.
    """
    found: list[StoredArchive] = []
    listed, failed = _listed(places, seconds)
    for place, sizes in listed:
        found += [
            StoredArchive(name, place.address, sizes[str(name)], kept.until_us(name))
            for name in archives_in(sizes, vault)
        ]
    return sorted(found, key=lambda held: held.name.order, reverse=True), failed


def places_with(places: Sequence[Place], name: str, seconds: int) -> tuple[list[Place], list[PlaceReport]]:
    """Return the places that have a file of this name; and those that cannot be read, or take too long."""
    listed, failed = _listed(places, seconds)
    return [place for place, sizes in listed if name in sizes], failed


def _listed(places: Sequence[Place], seconds: int) -> tuple[list[tuple[Place, dict[str, int]]], list[PlaceReport]]:
    listed: list[tuple[Place, dict[str, int]]] = []
    failed: list[PlaceReport] = []
    for place, sizes in zip(places, at_each(places, _sizes, seconds), strict=True):
        if isinstance(sizes, dict):
            listed.append((place, sizes))
        else:
            failed.append(PlaceReport(place.address, sizes or hangs(place, seconds)))
    return listed, failed


def _sizes(place: Place) -> dict[str, int] | str:
    """Return the size of each file, or the error."""
    try:
        return {file.name: file.size_bytes for file in place.stored()}
    except BackupError as error:
        return error.message

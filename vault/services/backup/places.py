"""Places for archives: a directory (`dir:/path`), or an S3 bucket (`s3://bucket/prefix`)."""

from __future__ import annotations

from pathlib import Path

from vault.errors import BackupError
from vault.services.backup.directory import DIRECTORY, DirectoryPlace
from vault.services.backup.place import Place
from vault.sources import parts_of

BUCKET = "s3://"


def place_at(address: str) -> Place:
    """Return the place of an address. Raises `BackupError`."""
    if address.startswith(BUCKET):
        from vault.services.backup.bucket import BucketPlace

        return BucketPlace(address)
    path = Path(address.removeprefix(DIRECTORY))
    if not path.is_absolute():
        raise BackupError(f"{address} is not a place for archives. Write dir:/an/absolute/path or s3://bucket/prefix.")
    return DirectoryPlace(path)


def places_at(addresses: str) -> list[Place]:
    """Return the places in a setting, which are separated by commas."""
    return list(map(place_at, parts_of(addresses)))

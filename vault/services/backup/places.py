"""Where archives lie: a directory (`dir:/path`), or a bucket of S3's kind (`s3://bucket/prefix`)."""

from __future__ import annotations

from pathlib import Path

from vault.errors import BackupError
from vault.services.backup.directory import DIRECTORY, DirectoryPlace
from vault.services.backup.place import Place

BUCKET = "s3://"


def place_at(address: str) -> Place:
    """The place of an address. Raises `BackupError`."""
    if address.startswith(BUCKET):
        from vault.services.backup.bucket import BucketPlace

        return BucketPlace(address)
    path = Path(address.removeprefix(DIRECTORY))
    if not path.is_absolute():
        raise BackupError(f"{address} is no place for archives: write dir:/an/absolute/path or s3://bucket/prefix.")
    return DirectoryPlace(path)


def places_at(addresses: str) -> list[Place]:
    """The places that a setting names, split by commas."""
    return [place_at(address.strip()) for address in addresses.split(",") if address.strip()]

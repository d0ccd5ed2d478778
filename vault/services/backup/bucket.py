"""A bucket with the S3 protocol, used with boto3. AWS's SDK finds credentials, region and endpoint by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

from vault.errors import BackupError, NotFound
from vault.services.backup.place import FILES_MOST, Stored, too_many

CONNECT_SECONDS = 5
READ_SECONDS = 60
TRIES = 3

_MISSING = frozenset({"404", "NoSuchKey"})

T = TypeVar("T")

_Object: TypeAlias = dict[str, Any]  # type: ignore[explicit-any]  # boto3 ships no types.


class BucketPlace:
    """A bucket, or the objects under a prefix of it. An object appears completely or not at all."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        parts = urlsplit(address)
        self._bucket, prefix = parts.netloc, parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        if not self._bucket:
            raise BackupError(f"{address} has no bucket. Write s3://bucket or s3://bucket/prefix.")

    def stored(self) -> list[Stored]:
        """Return all objects, in order of name, without those in deeper folders."""
        start = len(self._prefix)
        found = [Stored(item["Key"][start:], item["Size"]) for item in self._asked(self._list)]
        return sorted((file for file in found if file.name and "/" not in file.name), key=lambda file: file.name)

    def put(self, name: str, source: Path) -> None:
        """Upload a file. S3 joins the parts of a large one at the end."""
        self._asked(
            lambda: self._client.upload_file(str(source), self._bucket, self._prefix + name, Config=_in_this_thread())
        )

    def size_bytes(self, name: str) -> int:
        """Return the size of an object."""
        found = self._asked(lambda: self._client.head_object(Bucket=self._bucket, Key=self._prefix + name), name)
        return int(found["ContentLength"])

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """Yield a copy in a temporary directory. Raises `BackupError` if it does not fit there."""
        with TemporaryDirectory(prefix="strongroom-backup-") as folder:
            size, free = self.size_bytes(name), shutil.disk_usage(folder).free
            if size > free:
                raise BackupError(
                    f"{name} in {self.address} has {size:,} bytes, and {gettempdir()} has room for {free:,}. Set "
                    "TMPDIR to a directory with more room."
                )
            path = Path(folder, name)
            key = self._prefix + name
            self._asked(
                lambda: self._client.download_file(self._bucket, key, str(path), Config=_in_this_thread()), name
            )
            yield path

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._asked(lambda: self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name))

    def _list(self) -> list[_Object]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        items = list(islice((item for page in pages for item in page.get("Contents", [])), FILES_MOST + 1))
        if len(items) > FILES_MOST:
            raise too_many(self.address)
        return items

    @cached_property
    def _client(self) -> Any:  # type: ignore[explicit-any]  # boto3 ships no types.
        import boto3
        from botocore.config import Config

        retries = {"mode": "standard", "total_max_attempts": TRIES}
        config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries=retries)
        return boto3.session.Session().client("s3", config=config)

    def _asked(self, ask: Callable[[], T], name: str = "") -> T:
        """Call S3. Raises `BackupError` with its error, and `NotFound`."""
        try:
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError
        except ModuleNotFoundError as error:
            raise BackupError("A bucket needs boto3: pip install 'strongroom[s3]'.") from error
        try:
            return ask()
        except ClientError as error:
            if name and error.response.get("Error", {}).get("Code") in _MISSING:
                raise NotFound(f"There is no file {name} in {self.address}.") from error
            raise self._unusable(error) from error
        except (BotoCoreError, Boto3Error, OSError) as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> BackupError:
        return BackupError(f"{self.address} cannot be used: {error}")


def _in_this_thread() -> Any:  # type: ignore[explicit-any]  # boto3 ships no types.
    """Return the settings of a transfer without threads of its own. Python waits for those when the process ends, so a
    bucket that hangs would keep the command alive for minutes after its time limit.
    """
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(use_threads=False)

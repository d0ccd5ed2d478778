"""A memory limit for a server and its workers, as a container has one.

A cgroup (version 1) where this machine lets us make one. Elsewhere each process gets a limit on its address space,
and the memory of all of them is looked at again and again.
"""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

_LOOK_SECONDS = 0.2
_REMOVE_TRIES = 50


class Limit(Protocol):
    """What holds the memory of a server down."""

    kind: str

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Processes that are started within the `with` block are under the limit."""

    def kills(self) -> int:
        """How many processes the limit has ended."""


class _Cgroup:
    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.kind = f"cgroup at {folder}"
        self._folder = folder
        self._events = folder / "memory.oom_control"
        folder.mkdir()
        try:
            with (folder / "memory.limit_in_bytes").open("r+") as file:
                file.write(str(limit_bytes))
        except OSError:
            folder.rmdir()
            raise

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        # A child starts where its parent is, so this process goes there and back.
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (self._folder.parent / "cgroup.procs").write_text(str(os.getpid()))

    def kills(self) -> int:
        for line in self._events.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
        raise AssertionError(f"{self._events} tells no kills.")

    def remove(self) -> None:
        for _ in range(_REMOVE_TRIES):
            with contextlib.suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(_LOOK_SECONDS)


class _AddressSpace:
    kind = "RLIMIT_AS for each process"

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        # Threads reserve addresses that they never use.
        resource.setrlimit(resource.RLIMIT_AS, (4 * self._limit_bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    def kills(self) -> int:
        return 0


@contextlib.contextmanager
def memory_limit(limit_bytes: int) -> Iterator[Limit]:
    """The best limit that this machine offers."""
    try:
        group = _Cgroup(Path("/sys/fs/cgroup/memory") / f"strongroom-soak-{os.getpid()}", limit_bytes)
    except OSError:
        yield _AddressSpace(limit_bytes)
        return
    try:
        yield group
    finally:
        group.remove()


class MemoryWatch:
    """The memory of a process and all below it, looked at five times a second: what only they hold, and their share."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ends.set()
        self._thread.join()

    def now_bytes(self) -> int:
        return sum(map(_share_bytes, tree(self._pid)))

    def _run(self) -> None:
        while not self._ends.wait(_LOOK_SECONDS):
            self.peak_bytes = max(self.peak_bytes, self.now_bytes())


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found


def _share_bytes(pid: int) -> int:
    # PSS: what several processes share counts once.
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

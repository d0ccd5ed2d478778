"""Measures rewraps per second with the file provider and without other load, for growing numbers of accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.table import Line
from tests.support.crowds import add_crowd
from tests.support.vaults import HOST, make_vault
from vault.services import Services

ACCOUNTS = (1_000, 100_000)
TARGET_A_SECOND = 5_000


def rewraps(name: str, directory: Path, make_url: Callable[[Path], str]) -> list[Line]:
    """Return one line for each number of accounts. The target applies to PostgreSQL."""
    return [_line(name, directory / f"keys-{count}", make_url, count) for count in ACCOUNTS]


def _line(name: str, folder: Path, make_url: Callable[[Path], str], count: int) -> Line:
    folder.mkdir(parents=True)
    vault = crowded(folder, make_url(folder), count)
    try:
        done, seconds, processor = rewrap(vault)
    finally:
        close(vault)
    rate = done / seconds
    figures = f"{rate:,.0f}/s ({processor / done * 1e6:.0f} µs of this process for each)"
    case = f"rewraps of {count:,} user keys"
    if name != "PostgreSQL":
        return Line(case, name, figures)
    return Line(case, name, figures, None, f"≥ {TARGET_A_SECOND:,}/s", rate >= TARGET_A_SECOND)


def crowded(folder: Path, url: str, count: int) -> Services:
    """Make and open a vault with so many user keys."""
    vault = make_vault(folder, url)
    try:
        assert vault.settings.keyring.is_file(), "This measures only the file provider."
        add_crowd(vault, count)
    except BaseException:
        close(vault)
        raise
    return vault


def rewrap(vault: Services) -> tuple[int, float, float]:
    """Rewrap all user keys with a new master key: how many, in how long, with how much processor time."""
    vault.keys.master.rotate(HOST, wait_seconds=0)
    started, processor = time.perf_counter(), time.process_time()
    done = vault.keys.rewrapping.run(HOST).done
    return done, time.perf_counter() - started, time.process_time() - processor


def close(vault: Services) -> None:
    """Close the vault's threads and connections."""
    vault.audit.reads.close()
    vault.storage.close()

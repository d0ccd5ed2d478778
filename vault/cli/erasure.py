"""Prints the report of an erasure, for the operator on the host and for a person who deletes their account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.cli.context import Cli
from vault.cli.render import as_row, print_data, print_rows
from vault.cli.words import say

if TYPE_CHECKING:
    from vault.client import ErasureReport

_COUNTS = ("environments", "revisions", "user_keys", "data_keys", "sessions", "tokens", "audit_events")


def print_erasure(cli: Cli, report: ErasureReport) -> None:
    """Print what was erased and what remains."""
    found = as_row(report)
    if cli.settings.format != "table":
        print_data(cli, found)
        return
    print_rows(cli, [{"erased": name.replace("_", " "), "count": found[name]} for name in _COUNTS], ["erased", "count"])
    for place in report.remains:
        until = f"until {place.until:%Y-%m-%d %H:%M}Z" if place.until is not None else "until an unknown time"
        say(f"Remains in {place.place}, {until}: {place.sentence}")

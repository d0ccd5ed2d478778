"""Prints the report of an erasure, for the operator on the host and for a person who deletes their account."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from vault.cli.context import Cli
from vault.cli.render import print_data, print_rows
from vault.cli.words import say

_COUNTS = ("environments", "revisions", "user_keys", "data_keys", "sessions", "tokens", "audit_events")


def print_erasure(cli: Cli, report: Any) -> None:
    """Print what was erased and what remains. `report` is the service's report or the SDK's answer."""
    found = _told(dataclasses.asdict(report))
    if cli.settings.format != "table":
        print_data(cli, found)
        return
    print_rows(cli, [{"erased": name.replace("_", " "), "count": found[name]} for name in _COUNTS], ["erased", "count"])
    for place in found["remains"]:
        until = f"until {place['until']:%Y-%m-%d %H:%M}Z" if place["until"] is not None else "until an unknown time"
        say(f"Remains in {place['place']}, {until}: {place['sentence']}")


def _told(value: Any) -> Any:
    """Return a value for display: times from either side as times, and names as in the API."""
    if isinstance(value, dict):
        return {_name(name): _moment(name, item) for name, item in value.items()}
    return [_told(item) for item in value] if isinstance(value, list | tuple) else value


def _name(name: str) -> str:
    return {"until_us": "until", "erased_us": "erased_at"}.get(name, name)


def _moment(name: str, value: Any) -> Any:
    if name.endswith("_us") and value is not None:
        return datetime.fromtimestamp(value / 1e6, UTC)
    return _told(value)

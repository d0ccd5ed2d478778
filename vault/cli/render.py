"""Data on stdout, as a table for people or as JSON or YAML for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.model.printable import shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_WIDE_COLUMNS = 10_000
"""The width of a table in a pipe, so wide that nothing is cut or wrapped."""


def print_rows(cli: Cli, rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print rows: all of their fields as JSON or YAML, `columns` of them as a table."""
    if cli.settings.format == "table":
        _print_table(rows, columns)
    else:
        print_data(cli, [dict(row) for row in rows])


def print_data(cli: Cli, data: object) -> None:
    """Print one value as YAML if that was requested, otherwise as JSON."""
    if cli.settings.format == "yaml":
        import yaml

        text = yaml.safe_dump(_plain(data), sort_keys=False, allow_unicode=True)
        if not _is_plain(text):
            text = yaml.safe_dump(_plain(data), sort_keys=False)
        click.echo(text, nl=False)
    else:
        click.echo(_json(_plain(data)))


def as_row(answer: DataclassInstance) -> dict[str, object]:
    """Return the fields of an answer of the SDK."""
    return {item.name: getattr(answer, item.name) for item in dataclasses.fields(answer)}


def _json(data: object) -> str:
    """Return JSON text. If it has characters that must not be printed, all that is not ASCII is escaped: the data are
    the same.
    """
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return text if _is_plain(text) else json.dumps(data, indent=2)


def _is_plain(text: str) -> bool:
    """Report whether a text of many lines has no invisible characters, and none that control a terminal."""
    return all(line == shown(line) for line in text.split("\n"))


def _plain(value: object) -> object:
    """Return a value that JSON and YAML can write."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(as_row(value))
    # Our enums are also `str`, which YAML would not write.
    return str(value) if isinstance(value, str) else value


def _print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    # Import here, because it takes longer than the rest of the command.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(row[column])) for column in columns))
    is_terminal = sys.stdout.isatty()
    Console(file=sys.stdout, highlight=False, width=None if is_terminal else _WIDE_COLUMNS).print(table)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "-"
    # A value may contain terminal control characters. In a table they are shown, not executed.
    return shown(str(value))

"""Text ↔ variables: one file a format, and `FORMATS`, which knows them by name.

    text ── parse ──► variables ── render ──► text

What a format writes, its own readers read back the same, for any value. What a format cannot carry is left out
and named in a warning; it is never changed in silence. A new format is one new file and one line here.
"""

from __future__ import annotations

from vault.formats.base import Format, ParsedFile, Rendered
from vault.formats.dotenv import DotenvFormat
from vault.formats.json import JsonFormat
from vault.formats.shell import ShellFormat
from vault.formats.yaml import YamlFormat

FORMATS: dict[str, Format] = {
    format_.name: format_ for format_ in (DotenvFormat(), JsonFormat(), YamlFormat(), ShellFormat())
}

__all__ = ["FORMATS", "Format", "ParsedFile", "Rendered"]

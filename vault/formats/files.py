"""Files on disk: which format a file name means, and which encoding the bytes have."""

from __future__ import annotations

import codecs

from vault.errors import FormatError
from vault.formats import FORMATS

ENCRYPTED_END = ".age"
"""The suffix of an encrypted file. The part of the name before it identifies the format."""

_BY_END = {end: name for name, format_ in FORMATS.items() for end in format_.ends}
"""Suffixes and their formats. The longest suffix that matches a name counts."""

_NOT_TEXT = {
    b"PK\x03\x04": "a ZIP archive, as 1Password exports it (.1pux)",
    b"\x1f\x8b": "compressed with gzip",
    b"\x03\xd9\xa2\x9a": "a database of KeePass",
    b"SQLite format 3\0": "a SQLite database",
    b"\0GITCRYPT": "encrypted by git-crypt",
}
"""How files start that are not text but that people have."""


def format_of(file_name: str) -> str | None:
    """Return the format that a file name means, or None."""
    name = file_name.removesuffix(ENCRYPTED_END)
    fitting = [end for end in _BY_END if name.endswith(end)]
    if fitting:
        return _BY_END[max(fitting, key=len)]
    return "dotenv" if name.startswith(".env") else None


def text_of(data: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16. Raises `FormatError`."""
    for start, what in _NOT_TEXT.items():
        if data.startswith(start):
            raise FormatError(f"This file is {what}. Export the variables as dotenv or JSON, and import that file.")
    encoding = _encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(f"This file is not {encoding.upper()} text (byte {error.start}).") from error


def _encoding_of(data: bytes) -> str:
    """Return UTF-16 if the file has its byte order mark, or cannot be anything else (Windows writes such files).
    Otherwise UTF-8.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # Every file that can be imported starts with an ASCII character that is not NUL.
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get(
        (data[:1] == b"\0", data[1:2] == b"\0"), "utf-8"
    )

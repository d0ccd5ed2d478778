"""Files as they lie on a disk: which format a name tells of, and what text the bytes are."""

from __future__ import annotations

import codecs

from vault.errors import FormatError
from vault.formats import FORMATS

ENCRYPTED_END = ".age"
"""The end of an encrypted file's name; what stands before it tells the format."""

_BY_END = {end: name for name, format_ in FORMATS.items() for end in format_.ends}
"""The longest fitting end of a file's name tells its format."""


def format_of(file_name: str) -> str | None:
    """The format that a file's name tells of; None where it tells of none."""
    name = file_name.removesuffix(ENCRYPTED_END)
    fitting = [end for end in _BY_END if name.endswith(end)]
    if fitting:
        return _BY_END[max(fitting, key=len)]
    return "dotenv" if name.startswith(".env") else None


def text_of(data: bytes) -> str:
    """The text of a file, in whatever Unicode it is written. Raises `FormatError`."""
    encoding = _encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise FormatError(f"This file is not {encoding.upper()} text (byte {error.start}).") from error


def _encoding_of(data: bytes) -> str:
    """UTF-16 where the file says so or cannot be anything else (Windows writes it), else UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # The first character of every file that is imported here is of ASCII, and none is NUL.
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get(
        (data[:1] == b"\0", data[1:2] == b"\0"), "utf-8"
    )

"""age's armor: the file in base64 between two lines, as strict PEM, so that it can be pasted into a message."""

from __future__ import annotations

import base64
import binascii

from vault.errors import FormatError

_BEGIN = b"-----BEGIN AGE ENCRYPTED FILE-----"
_END = b"-----END AGE ENCRYPTED FILE-----"
_COLUMNS = 64
_BLANKS = b" \t\r\n"


def is_armored(data: bytes) -> bool:
    """Report whether these bytes start like an armored file. Blanks before it are allowed."""
    return data.lstrip(_BLANKS).startswith(_BEGIN)


def enarmored(data: bytes) -> bytes:
    """Return `data` between the two lines."""
    text = base64.b64encode(data)
    lines = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return b"\n".join([_BEGIN, *lines, _END, b""])


def dearmored(data: bytes) -> bytes:
    """Return the data between the two lines. Raises `FormatError` for anything that `enarmored` would write
    differently.

    Only line ends may differ. If two texts were valid for one file, a change could go unnoticed.
    """
    lines = [line.removesuffix(b"\r") for line in data.strip(_BLANKS).split(b"\n")]
    body = lines[1:-1]
    is_framed = len(lines) > 1 and lines[0] == _BEGIN and lines[-1] == _END
    if (
        not is_framed
        or any(len(line) != _COLUMNS for line in body[:-1])
        or (body and not 0 < len(body[-1]) <= _COLUMNS)
    ):
        raise _bad()
    text = b"".join(body)
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _bad() from None
    if base64.b64encode(decoded) != text:
        raise _bad()
    return decoded


def _bad() -> FormatError:
    return FormatError("The armor of this age file is damaged. Copy all of it, from its first dash to its last.")

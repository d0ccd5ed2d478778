"""Secrets that somebody named: in a variable, or in a file. One rule for all of them.

A source that was named and is empty is an error. Otherwise a secret that got lost on its way, such as a CI secret that
a job may not see, would make the program act with the next credential that it finds: the person's own session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from vault.errors import SettingsError

_MOST_BYTES = 1024 * 1024
_BOM = "\ufeff"

Cleaning = Callable[[str], str]
"""Removes from a text what does not belong to the secret in it."""


def without_space_around(text: str) -> str:
    """Remove white space and byte order marks around: editors, `echo` and Windows add them. For tokens, addresses and
    codes.
    """
    while text != (shorter := text.strip().strip(_BOM)):
        text = shorter
    return text


def without_line_ends(text: str) -> str:
    """Remove byte order marks and line ends around. For passwords: a space at the end may belong to one."""
    return text.strip(_BOM + "\r\n")


def without_one_line_end(text: str) -> str:
    """Remove one line end. For keyrings' passphrases: vaults were founded with all the rest."""
    return text.removesuffix("\n")


def secret_in(text: str, source: str, clean: Cleaning = without_space_around) -> str:
    """Return the secret in `text`. Raises `SettingsError` if there is nothing but white space. `source` begins the
    sentence.
    """
    if not without_space_around(text):
        raise SettingsError(f"{source} is empty.")
    return clean(text)


def secret_in_file(variable: str, path: str, clean: Cleaning = without_space_around) -> str:
    """Return the secret in the file that `variable` names. Raises `SettingsError` if it cannot be read or is empty."""
    if not path.strip():
        raise SettingsError(f"{variable} is set, but names no file. Name one, or unset it.")
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        text = data.decode()
    except UnicodeDecodeError:
        # No `from`: a traceback would show the bytes.
        raise SettingsError(f"{variable} names the file {path}, which cannot be read: it is not UTF-8 text.") from None
    except OSError as error:
        raise SettingsError(f"{variable} names the file {path}, which cannot be read: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise SettingsError(f"{variable} names the file {path}, which is larger than 1 MiB.")
    return secret_in(text, f"The file {path}, which {variable} names,", clean)


def secret_from(environ: Mapping[str, str], variable: str, clean: Cleaning = without_space_around) -> str | None:
    """Return the secret in `variable` or in the file that `variable_FILE` names, or None if neither is set.

    Raises `SettingsError` if both are set, and for a source that is empty or unreadable.
    """
    text, path = environ.get(variable), environ.get(f"{variable}_FILE")
    if text is not None and path is not None:
        raise SettingsError(f"{variable} and {variable}_FILE are both set. Remove one.")
    if path is not None:
        return secret_in_file(f"{variable}_FILE", path, clean)
    return None if text is None else secret_in(text, f"{variable} is set, but", clean)

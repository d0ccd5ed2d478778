"""What somebody named: in a variable, a file, an option or an argument. One rule for server, command and SDK.

A source that was named and is empty is an error. Otherwise a setting that got lost on its way would make the program
use the next one that it finds: the person's own session for a CI secret that a job may not see, or a new SQLite file
for a DATABASE_URL that a compose file passes on with `${DATABASE_URL:-}`.
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


def is_blank(text: str) -> bool:
    """Report whether there is nothing but white space and byte order marks: what was named is empty."""
    return not without_space_around(text)


def filled(text: str, source: str) -> str:
    """Return `text`. Raises `SettingsError` if it is blank. `source` begins the sentence."""
    if is_blank(text):
        raise SettingsError(f"{source} is empty.")
    return text


def parts_of(text: str) -> list[str]:
    """Return the parts of a list that is split by commas, without the space around them and without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def variable_of(environ: Mapping[str, str], variable: str) -> str | None:
    """Return the text of a variable, or None if it is not set. Raises `SettingsError` if it is set and empty."""
    text = environ.get(variable)
    if text is not None and is_blank(text):
        raise SettingsError(f"{variable} is set, but is empty. Give it a value, or unset it.")
    return text


def secret_in(text: str, source: str, clean: Cleaning = without_space_around) -> str:
    """Return the secret in `text`. Raises `SettingsError` if there is nothing but white space. `source` begins the
    sentence.
    """
    return clean(filled(text, source))


def secret_in_file(variable: str, path: str, clean: Cleaning = without_space_around) -> str:
    """Return the secret in the file that `variable` names. Raises `SettingsError` if it cannot be read or is empty."""
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
    text, path = variable_of(environ, variable), variable_of(environ, f"{variable}_FILE")
    if text is not None and path is not None:
        raise SettingsError(f"{variable} and {variable}_FILE are both set. Remove one.")
    if path is not None:
        return secret_in_file(f"{variable}_FILE", path, clean)
    return None if text is None else clean(text)

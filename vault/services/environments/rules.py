"""The rules for descriptions, and for an environment's number of versions and times."""

from __future__ import annotations

from vault.errors import InvalidInput
from vault.model.clock import DAY_SECONDS
from vault.model.environment import DESCRIPTION_MAX_CHARACTERS

MAX_VERSIONS_DEFAULT = 100
MAX_VERSIONS_MOST = 1000
DELETE_AFTER_MOST_SECONDS = 10 * 366 * DAY_SECONDS


def checked_description(text: str, *, path: str = "description") -> str:
    """Return the text of an environment or a variable. Raises `InvalidInput` if it is too long."""
    if len(text) > DESCRIPTION_MAX_CHARACTERS:
        raise InvalidInput(f"A description can have at most {DESCRIPTION_MAX_CHARACTERS} characters.", path=path)
    return text


def checked_versions(number: int) -> int:
    """Return the number. Raises `InvalidInput` if it is 0 or above the limit of versions."""
    if not 1 <= number <= MAX_VERSIONS_MOST:
        raise InvalidInput(f"max_versions must be from 1 to {MAX_VERSIONS_MOST}.", path="max_versions")
    return number


def checked_seconds(number: int) -> int:
    """Return the number. Raises `InvalidInput` for a time that is not from 0 to ten years."""
    if not 0 <= number <= DELETE_AFTER_MOST_SECONDS:
        raise InvalidInput("This time must be from 0 (never) to ten years.", path="delete_version_after_seconds")
    return number

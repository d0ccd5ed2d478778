"""The base class of all errors, and the error of a setting."""

from __future__ import annotations

from typing import ClassVar


class StrongroomError(Exception):
    """The base class. `code` is stable and meant for programs. `str(error)` is a sentence for people."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong."

    request: tuple[str, str] | None = None
    """Method and path of the failed call. The SDK sets it."""
    request_id: str = ""
    """The id by which the server's operator can find this call in the logs. The SDK sets it."""
    path: str = ""
    """The path of the field with the error, such as `variables.3.name`; empty if there is none."""
    retry_after_seconds: int = 0
    """When a new attempt makes sense; 0 if waiting alone does not help."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.sentence)

    @property
    def message(self) -> str:
        """The sentence for people."""
        return str(self.args[0])


class SettingsError(StrongroomError):
    """A setting is missing or unusable."""

    code = "bad_settings"

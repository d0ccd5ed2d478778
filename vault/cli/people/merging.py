"""The environment of a program that `strongroom run` starts: the caller's, with the values added."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vault.cli.words import CliError, tell, warn
from vault.model.steering import danger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from vault.client import Values

_CREDENTIALS = (b"STRONGROOM_TOKEN", b"STRONGROOM_TOKEN_FILE", b"STRONGROOM_PASSWORD", b"STRONGROOM_PASSWORD_FILE")

_GUIDES = ("STRONGROOM_URL", "STRONGROOM_CA_FILE", "STRONGROOM_CONFIG")
"""These say where a token is sent, and to whom it is shown."""


@dataclass
class Merging:
    """How one run makes environments: at its start, and after each change. Each warning is printed once."""

    inherited: Mapping[bytes, bytes]
    wanted: Sequence[str]
    preserved: Collection[bytes]
    allowed: Collection[str]
    keep_token: bool
    _warned: set[str] = field(default_factory=set)

    def environment_of(self, values: Values) -> dict[bytes, bytes]:
        """Return the program's environment with these values. Raises `CliError` if one that is wanted is missing, or
        cannot be passed on.
        """
        self._warn([warning for warning in values.warnings if warning not in values.globals_warnings])
        missing = [name for name in self.wanted if name not in values]
        if missing:
            raise CliError(f"There is no value for {', '.join(missing)} here.")
        return merged_environment(
            self.inherited,
            values,
            preserved=self.preserved,
            allowed=self.allowed,
            keep_token=self.keep_token,
            warns=self._warn,
        )

    def _warn(self, sentences: list[str]) -> None:
        for sentence in sentences:
            if sentence not in self._warned:
                self._warned.add(sentence)
                tell(f"Warning: {sentence}")


def merged_environment(
    inherited: Mapping[bytes, bytes],
    values: Mapping[str, str],
    *,
    preserved: Collection[bytes] = (),
    allowed: Collection[str] = (),
    keep_token: bool = False,
    warns: Callable[[list[str]], None] = warn,
) -> dict[bytes, bytes]:
    """Return the inherited environment without our own credentials, and with `values` added.

    An inherited variable whose name is in `preserved` wins over the value. A name that is a danger to programs is left
    out with a warning, unless it is in `allowed`; so is a name that no environment can contain. Raises `CliError` for
    a value that none can contain.
    """
    merged = {name: value for name, value in inherited.items() if keep_token or name not in _CREDENTIALS}
    kept = merged.keys() & set(preserved)
    for name, value in values.items():
        # Use bytes, because the locale's encoding may not have every character.
        if name.encode() in kept:
            continue
        if "\0" in value:
            raise CliError(
                f"The value of {name} contains a NUL character, which no environment can contain. "
                "Leave it out with --only, or disable it."
            )
        if "=" in name:
            warns([f"{name} is left out: a name in an environment must not contain '='."])
        elif keep_token and name in _GUIDES:
            warns([f"{name} is left out, because it could send the token of --keep-token to another server."])
        elif (danger := danger_of(name)) and name not in allowed:
            warns(
                [
                    f"{name} is left out, because it can make a program {danger}. If everybody who may write this "
                    f"environment may run code here, use: --allow-name {name}"
                ]
            )
        else:
            merged[name.encode()] = value.encode()
    return merged

"""Names that an environment can store, but that shells and most files cannot carry."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vault.cli.words import warn
from vault.model.printable import shown

_CARRIED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def warn_of_odd(names: Iterable[str]) -> None:
    """Warn of each name that is new and that a shell cannot read."""
    sentence = "is stored, but shells cannot read this name, and most exports leave it out."
    warn([f"{shown(name)} {sentence}" for name in names if not _CARRIED.fullmatch(name)])

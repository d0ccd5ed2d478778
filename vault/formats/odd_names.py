"""Names that an environment can store, but that shells or some formats do not take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vault.formats import FORMATS, Format
from vault.formats.base import left_out
from vault.formats.dotenv_readers import READERS
from vault.formats.shell import TAKEN_BY_SHELLS
from vault.model.environment import Variable
from vault.model.names import mixed_scripts
from vault.model.printable import shown
from vault.model.steering import steers_loading

_TOLD_MOST = 20


def odd_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return a warning for each name that some programs or exports leave out, and their number after the first ones."""
    odd = [name for name in names if not TAKEN_BY_SHELLS.match(name)]
    more = len(odd) - _TOLD_MOST
    told = tuple(map(_sentence, odd[:_TOLD_MOST]))
    return (*told, f"There are {more} more such names.") if more > 0 else told


def _sentence(name: str) -> str:
    programs = [reader.name for reader in READERS if not reader.names.match(name)]
    # The formats themselves are asked, so this cannot differ from what an export does.
    formats = [format_.name for format_ in FORMATS.values() if _leaves_out(format_, Variable(name, "x"))]
    # See `merged_environment` in vault/cli/people/merging.py.
    run = "leaves it out" if "=" in name or steers_loading(name) else "passes it on"
    return " ".join(
        (
            f"{shown(name)} is a name that {_listed(programs)} do not take. `strongroom run` {run}.",
            f"Exports as {_listed(formats)} leave it out.",
            *mixed_scripts(name),
        )
    )


def _leaves_out(format_: Format, variable: Variable) -> bool:
    start = left_out(variable, "").rstrip(". ")
    return any(warning.startswith(start) for warning in format_.render((variable,)).warnings)


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))

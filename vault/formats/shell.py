"""Shell: `export NAME='value'` lines, for `.` in any POSIX shell. This format cannot be read.

Names that shells use themselves are left out. For them, `export` fails, stops the script, or is overwritten at once, so
the variable would not have the written value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vault.errors import FormatError
from vault.formats.base import UNNAMED, ParsedFile, Rendered, Source, lines
from vault.model.environment import Variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Found by exporting each name that bash 5 and dash know, and reading it back in a child process.
KEPT_BY_SHELLS = frozenset(
    """_ BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_COMMAND BASH_COMPAT BASH_LINENO BASH_SOURCE
    BASH_SUBSHELL BASH_VERSINFO BASH_XTRACEFD DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD LINENO
    OPTIND PPID RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID""".split()
)

TAKEN_BY_SHELLS = re.compile(rf"(?!(?:{'|'.join(sorted(KEPT_BY_SHELLS))})\Z){_NAME.pattern}\Z")
"""Matches a name that every shell takes: whole, and not one that shells use themselves."""


class ShellFormat:
    """`export` lines; see the top of this file."""

    name = "shell"
    media_type = "application/x-sh"
    suffix = ".sh"
    ends = (suffix,)
    can_parse = False
    keeps_disabled = False
    reads_references = False
    writes_values = True

    def parse(self, text: str) -> ParsedFile:
        """Raise `FormatError`: reading a shell script would mean running it."""
        raise FormatError("A shell file cannot be imported. Import a dotenv or JSON file instead.")

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """Write one `export` for each variable. What no shell can carry is left out with a warning."""
        return lines(variables, _obstacle, lambda variable: f"export {variable.name}={_quote(variable.text)}\n")


def _obstacle(variable: Variable) -> str:
    if not _NAME.fullmatch(variable.name):
        return "a shell cannot carry this name"
    if variable.name in KEPT_BY_SHELLS:
        return "shells use this name themselves"
    if "\0" in variable.text:
        return "its value contains a NUL character, which no shell variable can contain"
    return ""


def _quote(value: str) -> str:
    """Put a value in single quotes, where only the quote has a meaning (POSIX, Shell Command Language 2.2.2)."""
    return "'" + value.replace("'", "'\"'\"'") + "'"

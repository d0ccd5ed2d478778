"""Shell, written only: `export NAME='value'` lines for `.` in any POSIX shell.

Names that a shell keeps for itself are left out: there `export` fails, stops the script, or is overwritten at
once, so the value would not be what was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vault.errors import FormatError
from vault.formats.base import UNNAMED, ParsedFile, Rendered, Source, lines
from vault.model.environment import Variable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Found by exporting each name that bash 5 and dash know and reading it back in a child process.
_KEPT_BY_SHELLS = frozenset(
    """_ BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_CMDS BASH_COMMAND BASH_COMPAT BASH_LINENO BASH_SOURCE
    BASH_SUBSHELL BASH_VERSINFO BASH_XTRACEFD DIRSTACK EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD LINENO
    OPTIND PPID RANDOM SECONDS SHELLOPTS SHLVL SRANDOM UID""".split()
)


class ShellFormat:
    """`export` lines; see the top of this file."""

    name = "shell"
    media_type = "application/x-sh"
    suffix = ".sh"
    ends = (suffix,)
    can_parse = False
    keeps_disabled = False

    def parse(self, text: str) -> ParsedFile:
        """Always raises `FormatError`: reading it would mean running it."""
        raise FormatError("Shell can be exported, not imported: give the variables as dotenv or JSON.")

    def render(self, variables: Sequence[Variable], source: Source = UNNAMED) -> Rendered:
        """One `export` a variable; what no shell can hold is left out with a warning."""
        return lines(variables, _obstacle, lambda variable: f"export {variable.name}={_quote(variable.text)}\n")


def _obstacle(variable: Variable) -> str:
    if not _NAME.fullmatch(variable.name):
        return "a shell cannot carry this name"
    if variable.name in _KEPT_BY_SHELLS:
        return "shells keep this name for themselves"
    if "\0" in variable.text:
        return "its value holds a NUL character, which no shell can hold"
    return ""


def _quote(value: str) -> str:
    """Within single quotes only the quote itself has a meaning (POSIX, Shell Command Language 2.2.2)."""
    return "'" + value.replace("'", "'\"'\"'") + "'"

"""The command, `strongroom`: data on stdout, words on stderr, exit 0, or 1 for here, or 2 for there.

`root.py` knows which file holds which command and turns errors into sentences; one file a group holds the
commands; `context.py` is what they share. Heavy libraries are imported inside the commands that need them.
"""

from __future__ import annotations

from vault.cli.root import root

__all__ = ["root"]

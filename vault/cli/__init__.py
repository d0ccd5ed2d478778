"""Package cli implements the command `strongroom`: data on stdout, messages on stderr. Exit code 0 is success, 1 an
error on this side, 2 an error of the server.

`root.py` maps names to files and turns errors into messages. Each group of commands has a file. `context.py` has what
they share. Heavy libraries are imported inside the commands that need them.
"""

from __future__ import annotations

from vault.cli.root import root

__all__ = ["root"]

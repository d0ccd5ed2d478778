"""Runs the command, for `python -m vault` and the `strongroom` script."""

from __future__ import annotations


def main() -> None:
    """Run the command, and exit with its exit code."""
    from vault.cli import root

    root.main(prog_name="strongroom")


if __name__ == "__main__":
    main()

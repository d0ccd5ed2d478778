"""`python -m vault`, and the `strongroom` script: hands over to the command."""

from __future__ import annotations


def main() -> None:
    """Run the command, and leave the process with its exit code."""
    from vault.cli import root

    root.main(prog_name="strongroom")


if __name__ == "__main__":
    main()

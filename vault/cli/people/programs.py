"""Executes a program in place of this process, as `env` does, or beside it, and says why if that fails."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from vault.cli.words import CliError, say

T = TypeVar("T")

Arguments = tuple[str, ...]

# The exit codes of a shell (POSIX, Shell Command Language 2.8.2).
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127

_SHELL = "/bin/sh"

_HEAD_BYTES = 256
"""Linux reads no more of a `#!` line (BINPRM_BUF_SIZE)."""

_LARGEST_NAMED = 3

_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these two signals, and a new program inherits that."""


class NotStarted(CliError):
    """A program cannot be executed. `exit_code` is 126 or 127, as in a shell."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def replace_process(command: tuple[str, ...], environment: Mapping[bytes, bytes]) -> NoReturn:
    """Run `command` in place of this process. Exits with 126 or 127 and a sentence if that fails."""
    sys.stdout.flush()
    sys.stderr.flush()
    for number in _PYTHON_IGNORES:
        signal.signal(number, signal.SIG_DFL)
    try:
        _execute(command, environment, _replace)
    except NotStarted as error:
        say(f"strongroom: {error.message}")
        raise click.exceptions.Exit(error.exit_code) from None


def start_process(
    command: tuple[str, ...],
    environment: Mapping[bytes, bytes],
    *,
    mask: Collection[int],
    file_actions: Sequence[tuple[int, ...] | tuple[int, int, str, int, int]] = (),
) -> int:
    """Start `command` in a process group of its own, with that signal mask, and return its id. Raises `NotStarted`.

    It is no fork, because another thread of this process may have any lock at this moment.
    """

    def spawn(path: str, arguments: Arguments, values: Mapping[bytes, bytes]) -> int:
        return os.posix_spawn(
            path,
            arguments,
            values,
            setpgroup=0,
            setsigmask=mask,
            setsigdef=_PYTHON_IGNORES,
            file_actions=file_actions,
        )

    return _execute(command, environment, spawn)


def _replace(path: str, arguments: Arguments, environment: Mapping[bytes, bytes]) -> NoReturn:
    os.execve(path, arguments, environment)  # noqa: S606 - running a program without a shell is the purpose.


def _execute(
    command: tuple[str, ...],
    environment: Mapping[bytes, bytes],
    execute: Callable[[str, Arguments, Mapping[bytes, bytes]], T],
) -> T:
    program = command[0]
    # Use the caller's PATH: a PATH from the vault must not choose the program.
    path = program if "/" in program else shutil.which(program)
    if path is None:
        raise NotStarted(f"The program {program} was not found.", EXIT_NOT_FOUND)
    try:
        try:
            return execute(path, command, environment)
        except OSError as error:
            # A script without `#!` is for the shell: POSIX asks this of execvp, which `env` uses.
            if error.errno != errno.ENOEXEC or b"\0" in _head(path).partition(b"\n")[0]:
                raise
            script = path if "/" in path else f"./{path}"
            return execute(_SHELL, (_SHELL, script, *command[1:]), environment)
    except (FileNotFoundError, NotADirectoryError):
        raise NotStarted(_why_not_found(program, path), EXIT_NOT_FOUND) from None
    except OSError as error:
        why = _too_large(command, environment) if error.errno == errno.E2BIG else _why_refused(path, error)
        raise NotStarted(f"The program {program} cannot be executed: {why}.", EXIT_NOT_EXECUTABLE) from None
    except ValueError:
        why = "its name or an argument contains a NUL character"
        raise NotStarted(f"The program {program} cannot be executed: {why}.", EXIT_NOT_EXECUTABLE) from None


def _why_not_found(program: str, path: str) -> str:
    if not Path(path).exists():
        return f"The program {program} was not found."
    begin = f"The program {program} cannot be executed:"
    interpreter = _interpreter(path)
    if not interpreter:
        return f"{begin} the loader that it names was not found. It was built for another system or C library."
    if interpreter.endswith("\r"):
        return (
            f"{begin} its first line names the interpreter {interpreter[:-1]} and a carriage return, and there is no "
            f"such file. The script has the line ends of Windows. Convert it, for example with: dos2unix {program}"
        )
    return f"{begin} the interpreter {interpreter} was not found. The first line of the script names it."


def _why_refused(path: str, error: OSError) -> str:
    interpreter = _interpreter(path)
    if error.errno == errno.ENOEXEC:
        return "it is a binary of another system, or damaged"
    if error.errno == errno.EACCES and interpreter and os.access(path, os.X_OK):
        return f"its interpreter {interpreter.rstrip()} may not be executed"
    return error.strerror or type(error).__name__


def _interpreter(path: str) -> str:
    """Return the interpreter that a script's first line names, or ""."""
    line, _, _ = _head(path).partition(b"\n")
    words = line.removeprefix(b"#!").strip(b" \t").replace(b"\t", b" ").split(b" ")
    return words[0].decode(errors="replace") if line.startswith(b"#!") else ""


def _head(path: str) -> bytes:
    try:
        # O_NONBLOCK, because opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        # A program need not be readable.
        return b""


def _too_large(command: Sequence[str], environment: Mapping[bytes, bytes]) -> str:
    """Say what is too large. Linux bounds each `NAME=VALUE` by 32 pages (MAX_ARG_STRLEN), and all of them together."""
    limit = 32 * os.sysconf("SC_PAGE_SIZE")
    sizes = {name.decode(errors="replace"): len(name) + len(value) + 2 for name, value in environment.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:_LARGEST_NAMED]
    named = ", ".join(f"{name} ({sizes[name]:,} bytes)" for name in largest)
    if sizes and sizes[largest[0]] > limit:
        over = ", ".join(f"{name} ({sizes[name]:,} bytes)" for name in sizes if sizes[name] > limit)
        return f"this system allows {limit // 1024} KiB for each variable. Too large: {over}"
    arguments = [len(os.fsencode(argument)) + 1 for argument in command]
    if max(arguments) > limit:
        return f"this system allows {limit // 1024} KiB for each argument, and one has {max(arguments):,} bytes"
    total = sum(sizes.values()) + sum(arguments)
    return (
        f"its environment and arguments have {total:,} bytes together, and this system allows "
        f"{os.sysconf('SC_ARG_MAX'):,}. The largest variables: {named}. Choose fewer with --only"
    )

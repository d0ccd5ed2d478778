"""`make bench AGAINST=COMMIT`: measures this tree and a commit by turns, in one run, and prints one table.

Copies of both trees stand side by side, compiled. Each has its own stores, its own servers and one process that runs
`side.py`, with the same interpreter and libraries. Both run this tree's tests/bench, so that the load is the same; the
commit's own `vault` and tests/support do the rest. A commit whose code does not fit this tree's tests/bench cannot be
measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import turns
from tests.bench.side import GROUPS
from tests.bench.terminal import chosen, say
from tests.bench.turns import Compared, Sample
from tests.support.servers import Postgres
from tests.support.undertaker import Undertaker

ROOT = Path(__file__).parents[2]
_PARTS = ("vault", "tests/__init__.py", "tests/support")
_BENCH = "tests/bench"
_END_SECONDS = 20.0
_EXPLANATION = f"""
A ratio is the cost of this tree over the cost of the commit: the median of {turns.ROUNDS} rounds, and in brackets the
spread of the rounds without the lowest and the highest. `more` and `less` say that all of the spread is above or below
1. CPU is the workers' own for requests, and the measuring process's for rewraps and verify. That of
PostgreSQL is not in it.
"""


def run(commit: str, words: Sequence[str]) -> None:
    """Measure, and print. Ends the program with a message if the commit or a word is unknown."""
    groups = chosen(words, tuple(GROUPS), "BENCH with AGAINST")
    found = resolve(ROOT, commit)
    compared: list[Compared] = []
    with ExitStack() as stack:
        # If the run is ended early, it prints what it has.
        stack.callback(_print, found[:7], compared)
        directory = Path(tempfile.mkdtemp(prefix="strongroom-bench-"))
        # It removes the directory at the end, also if this process is killed.
        undertaker = Undertaker(directory)
        stack.callback(undertaker.dismiss)
        trees = directory / "commit", directory / "tree"
        export(ROOT, found, trees[0])
        copy(ROOT, trees[1])
        _compile(trees)
        postgres = stack.enter_context(Postgres(durable=True, settings={"shared_buffers": "128MB"}))
        for database in ("SQLite", "PostgreSQL"):
            say(f"{database}: stores")
            with ExitStack() as of_database:
                sides: list[_Side] = []
                of_database.callback(_end, sides)
                for tree in trees:
                    sides.append(_start(database, tree, postgres, undertaker))
                for side in sides:
                    side.answer()
                for group in groups:
                    say(f"{database}: {group}")
                    compared.extend(_compare(database, group, *sides))


def resolve(root: Path, commit: str) -> str:
    """Return the full name of a commit of the repository in `root`. Ends the program if there is none."""
    words = ["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    result = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"AGAINST={commit} names no commit of this repository. {result.stderr}".rstrip())
    return result.stdout.strip()


def export(root: Path, commit: str, target: Path) -> None:
    """Write what is measured of a commit to `target`, with this tree's tests/bench."""
    target.mkdir()
    archive = target / "archive.tar"
    words = ["git", "archive", f"--output={archive}", commit, *_PARTS]
    result = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"The commit {commit[:7]} cannot be measured, perhaps because it is too old. {result.stderr}".rstrip())
    with tarfile.open(archive) as file:
        file.extractall(target, filter="data")
    archive.unlink()
    _copy(root / _BENCH, target / _BENCH)


def copy(root: Path, target: Path) -> None:
    """Copy what is measured of this tree as it is now, with changes that are in no commit."""
    target.mkdir()
    for part in (*_PARTS, _BENCH):
        _copy(root / part, target / part)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _compile(trees: Sequence[Path]) -> None:
    # A tree that is compiled at each start could not be compared with one that is not.
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "2", *map(str, trees)], check=True)


class _Side:
    """The process that measures one tree."""

    def __init__(self, tree: Path, arguments: Sequence[str], undertaker: Undertaker) -> None:
        self._name = tree.name
        # In a new session, Ctrl-C reaches only this process, which ends the other in order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.side", *arguments],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        undertaker.watch(self._process.pid, signal.SIGTERM)
        self._undertaker = undertaker

    def order(self, word: str, name: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([word, name]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to the oldest order. Ends the program with a message if it failed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "Its process ended."}
        if isinstance(answer, dict):
            hint = " Perhaps its code is too old for this tree's tests/bench." if self._name == "commit" else ""
            sys.exit(f"The {self._name} could not be measured: {answer['error']}{hint}")
        return answer

    def sample(self, case: str) -> Sample:
        self.order("sample", case)
        return Sample(*self.answer())

    def stop(self) -> None:
        """Tell the process to stop its servers and to end."""
        self._process.terminate()

    def wait(self) -> None:
        """Wait for its end, after `stop`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
            self._undertaker.release(self._process.pid)


def _print(commit: str, compared: Sequence[Compared]) -> None:
    if compared:
        turns.show(commit, compared)
        print(_EXPLANATION)


def _start(database: str, tree: Path, postgres: Postgres, undertaker: Undertaker) -> _Side:
    folder = tree.with_name(f"{tree.name}-{database}")
    folder.mkdir()
    if database == "SQLite":
        urls = [f"sqlite:///{folder / name}" for name in ("strongroom.db", "keys.db")]
    else:
        urls = [postgres.create_database(), postgres.create_database()]
    return _Side(tree, [database, str(folder), *urls], undertaker)


def _end(sides: Sequence[_Side]) -> None:
    # Both stop at the same time.
    for side in sides:
        side.stop()
    for side in sides:
        side.wait()


def _compare(database: str, group: str, commit: _Side, tree: _Side) -> Iterator[Compared]:
    # Both prepare at the same time, and are measured one after the other.
    for side in (commit, tree):
        side.order("open", group)
    cases, others = commit.answer(), tree.answer()
    assert cases == others, (cases, others)
    for case in cases:
        measured = turns.by_turns(partial(commit.sample, case), partial(tree.sample, case))
        yield Compared(case, database, *measured)

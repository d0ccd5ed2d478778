"""Archives that are damaged, or sealed again after their lines were: what verify, a drill and a restore do with them.

Each archive is refused with a sentence, and the target stays empty.
"""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from tests.releases.kept import KEPT, Kept
from tests.support.backups import no_phases
from tests.support.damage import damaged
from tests.support.vaults import HOST
from vault.app import restorer
from vault.crypto.age import X25519Identity, X25519Recipient
from vault.errors import StrongroomError
from vault.keys import backup as backup_key
from vault.model.clock import Clock
from vault.services.backup import Archive, Opener
from vault.services.backup.seals import AgeSeal, KeySeal, Seal
from vault.settings import Settings

# The pair of tests/unit/crypto/test_age.py.
SECRET = "AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ"
PUBLIC = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"

MEMORY_MOST_BYTES = 48 * 1024 * 1024
"""More than any of these small archives needs, and less than one line of a forged one would take."""

Lines = list[bytes]


@dataclass(frozen=True)
class Subject:
    """An archive, what opens it, and the settings of its vault. `seal` makes another archive for the same opener."""

    name: str
    data: bytes
    opener: Opener
    seal: Seal
    settings: Settings
    clock: Clock
    suffix: str

    def lines(self, folder: Path) -> Lines:
        path = folder / f"whole{self.suffix}"
        path.write_bytes(self.data)
        with path.open("rb") as file:
            return b"".join(self.opener.opened(file, path.name)).splitlines(keepends=True)

    def sealed(self, text: bytes) -> bytes:
        pieces = [text[start : start + 65536] for start in range(0, len(text), 65536)]
        return b"".join(self.seal.sealed(pieces))


class Case(NamedTuple):
    """What was done to an archive, and whether it may still be whole."""

    what: str
    data: bytes
    may_be_whole: bool = False


def outside(subject: Subject, chance: random.Random) -> Iterator[Case]:
    """The sealed file, damaged."""
    for what, data in damaged(subject.data, chance):
        if data != subject.data:
            yield Case(what, data)


def inside(subject: Subject, lines: Lines, chance: random.Random) -> Iterator[Case]:
    """Lines that were damaged and then sealed, as somebody can who knows the key of a recipient."""
    whole = b"".join(lines)
    for what, text in damaged(whole, chance):
        if text != whole:
            # The stamp is over all lines but the last, whose parts have other spellings.
            is_same = text.splitlines(keepends=True)[:-1] == lines[:-1]
            yield Case(f"inside: {what}", subject.sealed(text), may_be_whole=is_same)
    number = chance.randrange(len(lines))
    for what, line in (
        ("dropped", b""),
        ("doubled", lines[number] * 2),
        ("another value", _another_value(lines[number], chance)),
        ("nested", b"[" * 100_000 + b"]" * 100_000 + b"\n"),
        ("many items", b"[" + b"{}," * 1_000_000 + b"{}]\n"),
        ("a long number", b"[" + b"9" * 100_000 + b"]\n"),
        ("no number", b"[NaN, 1e999]\n"),
    ):
        if line != lines[number]:
            changed = [*lines[:number], line, *lines[number + 1 :]]
            is_last = number == len(lines) - 1
            yield Case(f"line {number}: {what}", subject.sealed(b"".join(changed)), may_be_whole=is_last)


def _another_value(line: bytes, chance: random.Random) -> bytes:
    document = json.loads(line)
    others: list[Any] = [None, "", "x", -1, 2**70, 1.5, [], {}, True, "\ud800"]
    keys: Sequence[int | str] = list(document) if isinstance(document, dict) else range(len(document))
    document[chance.choice(keys)] = chance.choice(others)
    return json.dumps(document).encode() + b"\n"


class Trial:
    """Feeds archives to `verify`, to a drill and to a restore, and collects what went wrong."""

    def __init__(self, folder: Path) -> None:
        self.faults: list[str] = []
        self.refused = 0
        self.tried = 0
        self._folder = folder

    def feed(self, subject: Subject, case: Case) -> None:
        """Try one archive."""
        what, data, may_be_whole = case
        self.tried += 1
        path = self._folder / f"changed{subject.suffix}"
        path.write_bytes(data)
        archive = Archive(path, subject.opener)
        database = self._folder / "restored.db"
        settings = replace(subject.settings, database_url=f"sqlite:///{database}")
        machine = restorer(settings, subject.clock)
        options = {"without_list": True, "despite_faults": True, "incomplete": True}
        calls: dict[str, Callable[[], object]] = {
            "verify": archive.verify,
            "drill": lambda: machine.drill(HOST, archive, no_phases),
            "restore": lambda: machine.restore(HOST, archive, [], no_phases, **options),
        }
        outcomes = {name: self._outcome(call) for name, call in calls.items()}
        for name, outcome in outcomes.items():
            # Only the stamp tells who wrote the lines, and `verify` has no key for it.
            is_fine = outcome == "refused" or (outcome == "whole" and (may_be_whole or name == "verify"))
            if not is_fine:
                self.faults.append(f"{subject.name}, {what}: {name}: {outcome}")
        if database.exists() and outcomes["restore"] != "whole":
            self.faults.append(f"{subject.name}, {what}: the refused restore left a database")
        database.unlink(missing_ok=True)
        self.refused += outcomes["restore"] == "refused"

    def _outcome(self, call: Callable[[], object]) -> str:
        tracemalloc.reset_peak()
        try:
            call()
        except StrongroomError as error:
            if not error.message.endswith((".", '"')):
                return f"a refusal that is no sentence: {error.message[-200:]!r}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:300]
        else:
            return "whole"
        if tracemalloc.is_tracing() and tracemalloc.get_traced_memory()[1] > MEMORY_MOST_BYTES:
            return f"{tracemalloc.get_traced_memory()[1]:,} bytes of memory"
        return "refused"


def kept_archives(folder: Path) -> Iterator[Subject]:
    """The archive of each release, and the lines of the last one for an age recipient."""
    found = []
    for release in KEPT:
        kept = Kept.unpacked(release, "sqlite", folder / release, str)
        key = backup_key.read(kept.folder / "keys" / "backup.txt")
        data = kept.archive.read_bytes()
        found.append(Subject(release, data, Opener(key), KeySeal(key), kept.settings, kept.clock, ".srb"))
    yield from found
    last = found[-1]
    seal, identity = AgeSeal([X25519Recipient.from_text(PUBLIC)]), X25519Identity.from_text(SECRET)
    whole = b"".join(last.lines(folder))
    yield replace(
        last,
        name=f"{last.name} for a recipient",
        data=b"".join(seal.sealed([whole])),
        opener=Opener(identities=[identity]),
        seal=seal,
        suffix=".srb.age",
    )

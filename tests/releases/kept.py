"""What a release has left behind (`make.py`), unpacked to be upgraded, and the questions that are put to it."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.api.conftest import Answer, Caller
from tests.conftest import Kind
from tests.releases.running import LOW_COST
from tests.releases.story import Facts
from tests.support.servers import Postgres
from tests.support.vaults import FakeClock
from vault import settings
from vault.app import build_app
from vault.model.clock import SECOND_US
from vault.services import Services

RELEASES = Path(__file__).parent
KEPT = sorted(path.parent.name for path in RELEASES.glob("*/sqlite.json"))
"""The releases that have left a database."""


@dataclass(frozen=True)
class Kept:
    """One database of one release, in a folder of its own."""

    release: str
    kind: Kind
    folder: Path
    url: str
    facts: Facts

    @classmethod
    def unpacked(cls, release: str, kind: Kind, folder: Path, new_database: Callable[[], str]) -> Kept:
        """The release's database as it was left; `new_database` makes an empty one of PostgreSQL."""
        with tarfile.open(RELEASES / release / f"{kind}.tar.xz") as tar:
            tar.extractall(folder, filter="tar")
        facts = json.loads((RELEASES / release / f"{kind}.json").read_text())
        url = f"sqlite:///{folder / 'strongroom.db'}"
        if kind == "postgresql":
            url = new_database()
            command = [Postgres.program("psql"), "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1"]
            subprocess.run([*command, "-f", folder / "dump.sql", url], check=True, capture_output=True)
        return cls(release, kind, folder, url, facts)

    @property
    def wheel(self) -> Path:
        """The release itself."""
        (path,) = (RELEASES / self.release).glob("*.whl")
        return path

    @property
    def env(self) -> dict[str, str]:
        """The settings of the host that it was made on."""
        return LOW_COST | {
            "STRONGROOM_DATABASE_URL": self.url,
            "STRONGROOM_DATA_DIR": str(self.folder / "data"),
            "STRONGROOM_KEYRING": str(self.folder / "keys" / "master.json"),
            "STRONGROOM_BACKUP_KEY": str(self.folder / "keys" / "backup.txt"),
            "STRONGROOM_BACKUP_TO": f"dir:{self.folder / 'archives'}",
        }

    @property
    def settings(self) -> settings.Settings:
        """The same, read."""
        return settings.load(self.env)

    @property
    def archive(self) -> Path:
        """The archive that the release made."""
        (path,) = (self.folder / "archives").glob("*.srb")
        return path

    @property
    def clock(self) -> FakeClock:
        """A minute after it was left: sessions, kept answers and wrapped answers have not ended."""
        return FakeClock(self.facts["made_us"] + 60 * SECOND_US)

    def token(self, name: str) -> str:
        """The secret of a token or of a session, by its name in the story."""
        found = self.facts["tokens"].get(name)
        return str(found["secret"] if found else self.facts["sessions"][name])


class Asker:
    """Puts the facts of a release to a vault, through its whole app."""

    def __init__(self, kept: Kept, services: Services) -> None:
        self._facts = kept.facts
        self._token = kept.token
        self._app = build_app(services)

    def call(self, secret: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One call, below `/api/v1` unless the path begins with `/v1`."""
        whole = path if path.startswith("/v1/") else f"/api/v1{path}"
        return Caller(self._app, secret).at(method, whole, body, raw=None, **headers)

    def wrong_reads(self, *, sessions: bool = True) -> list[str]:
        """The reads that are answered otherwise than by the release; more members in an answer are no difference."""
        wrong = []
        for read in self._facts["reads"]:
            if read["as"] in self._facts["sessions"] and not sessions:
                continue
            answer = self.call(self._token(read["as"]), "GET", read["path"])
            if answer.status != read["status"] or (answer.status == 200 and not holds(answer.json, read["json"])):
                wrong.append(f"{read['path']} as {read['as']}: {answer.status} {answer.body!r}, not {read['json']}")
        return wrong

    def wrong_tokens(self) -> list[str]:
        """The tokens that are answered otherwise than they should be."""
        found = {name: self.call(f["secret"], "GET", f["path"]).status for name, f in self._facts["tokens"].items()}
        return [
            f"{name}: {status}" for name, status in found.items() if status != self._facts["tokens"][name]["status"]
        ]


def holds(found: Any, expected: Any) -> bool:
    """Whether `found` is `expected`, with more members in its objects perhaps."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(
            name in found and _member_holds(name, found[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(holds, found, expected))
    return bool(found == expected)


def _member_holds(name: str, found: Any, expected: Any) -> bool:
    if name == "values":
        # One value more is one that its reader must not see.
        return bool(found == expected)
    if name == "warnings":
        # Their words may change, and one may become two: the globals had no warning of their own up to 0.2.0.
        return len(found or ()) >= len(expected or ())
    return holds(found, expected)

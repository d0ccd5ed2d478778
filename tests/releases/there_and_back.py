"""The steps of an upgrade without a stop, and of its way back, on one database with two servers.

bridge + bridge ─► next upgrades the database ─► bridge + next ─► next + next, where the new row format opens
                                                      ▲                │
                                                      └── bridge + bridge ◄── bridge + next
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from tests.releases.rolling import Fleet, Load
from tests.releases.running import Answer, Caller, Release
from tests.releases.story import PASSWORDS, Facts
from tests.releases.synthetic import COLUMN, FORMAT
from tests.support.patience import eventually
from tests.support.serving import RunningServer
from vault.storage.database.engine import parse_url

_OWN = {"OWN": "of the environment"}
_WITH_BASE = {"BELOW": "of its base", **_OWN}
_KEPT = "kept by the next release"
_OPENS_SECONDS = 60.0
_SET = f"""
from vault import settings
from vault.app import open_vault

vault = open_vault(settings.load())
def work(unit):
    [row] = [row for row in unit.environments.below(unit.users.by_name("ada").id, "") if row.name == "load-0"]
    unit.environments.change(row, {COLUMN}={_KEPT!r})
vault.storage.transaction(work)
vault.storage.close()
"""


class Journey:
    """A vault that the bridge has made, with load on it from the first step to the last."""

    def __init__(self, folder: Path, url: str, bridge: Release, newer: Release) -> None:
        self._bridge = bridge
        self._newer = newer
        self._url = url
        self._fleet = Fleet(folder, {"STRONGROOM_DATABASE_URL": url})
        self._servers: list[RunningServer] = []
        self._load = Load(self._fleet)
        self._bridge_knows_bases = False
        self._has_base = False

    def __enter__(self) -> Self:
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def _begin(self) -> None:
        bridge = self._bridge
        bridge.command(self._fleet.env, "db", "upgrade")
        bridge.command(
            self._fleet.env, "user", "add", "ada", "--operator", "--password", "-", given=PASSWORDS["ada"] + "\n"
        )
        self._servers = [self._fleet.start(bridge) for _ in range(2)]
        self._load.start(self._token())
        self._make_environment("below", BELOW="of its base")
        self._bridge_knows_bases = "bases" in self._make_environment("above", **_OWN)
        if self._bridge_knows_bases:
            self._set_base()
            self._load.read_layers("above", _WITH_BASE)

    def _end(self) -> None:
        self._load.stop()
        self._fleet.close()

    def upgrade_beside_the_bridge(self) -> None:
        """The next release changes the schema while the bridge serves, and takes one server's place."""
        self._newer.command(self._fleet.env, "db", "upgrade")

    def go_forward(self) -> None:
        """From the bridge to the next release, one server after the other."""
        self._servers = [self._fleet.replace(server, self._newer) for server in self._servers]
        assert self._values_above() == [_WITH_BASE if self._has_base else _OWN] * 2

    def go_back(self) -> None:
        """To the bridge again, which goes on writing to the row with the new column's value."""
        self._servers = [self._fleet.replace(server, self._bridge) for server in self._servers]
        before = len(self._load.revisions["load-0"])
        self._wait(lambda: len(self._load.revisions["load-0"]) > before + 3, "the bridge to write")
        assert self._values_above() == [_WITH_BASE if self._bridge_knows_bases else _OWN] * 2

    def keep_a_value_in_the_new_column(self) -> None:
        """With the last server of the bridge gone, the row format opens; then a row gets a value in the new column."""
        opened = sa.text("SELECT 1 FROM row_formats WHERE id = :id")
        self._wait(lambda: bool(self._query(opened, id=FORMAT)), "the row format to open")
        path = {"PYTHONPATH": str(self._newer.code), "PYTHONSAFEPATH": "1"}
        subprocess.run([sys.executable, "-c", _SET], env={**os.environ, **self._fleet.env, **path}, check=True)
        if not self._bridge_knows_bases:
            self._set_base()
        assert self._values_above() == [_WITH_BASE] * 2

    def rotate(self) -> None:
        """A new master key, and everything moved under it, while all this goes on."""
        self._newer.command(self._fleet.env, "keys", "rotate")
        self._newer.command(self._fleet.env, "keys", "rewrap")

    def check(self) -> None:
        """What must be true at the end of the journey."""
        self._load.stop()
        self._load.check()
        assert self._load.reads > len(self._servers)
        assert self._values_above() == [_WITH_BASE] * 2
        assert self._query(sa.text(f"SELECT {COLUMN} FROM environments WHERE name = 'load-0'")) == [(_KEPT,)]
        assert self._fleet.lines_with("MacError", "Traceback", "request_failed", "job_failed") == []
        for server in self._servers:
            self._fleet.stop(server)
        self._newer.command(self._fleet.env, "audit", "verify")
        self._newer.command(self._fleet.env, "doctor", "--database")

    def _make_environment(self, name: str, **variables: str) -> Facts:
        given = [{"name": key, "value": value} for key, value in variables.items()]
        made: Facts = self._fleet.caller(self._load.secret).ok(
            "POST", "/environments", {"name": name, "variables": given}
        )
        return made

    def _set_base(self) -> None:
        """Put one environment beneath another, once the release that serves has opened its row formats."""

        def put() -> Answer:
            return self._fleet.caller(self._load.secret)("PATCH", "/environments/above", {"bases": ["below"]})

        self._wait(lambda: put().status != 409, "the row format of bases to open")
        assert put().status == 200, put()
        self._has_base = True

    def _values_above(self) -> list[dict[str, str]]:
        """What each server answers for the environment that stands on the other one."""
        callers = [Caller(server, self._load.secret) for server in self._servers]
        return [caller.ok("GET", "/environments/above/values")["values"] for caller in callers]

    def _token(self) -> str:
        caller = self._fleet.caller()
        session = caller.ok("POST", "/sessions", {"username": "ada", "password": PASSWORDS["ada"]})["secret"]
        permissions = ["list", "read", "create", "update", "history"]
        wish = {"name": "load", "grants": [{"path": "*", "permissions": permissions}], "ttl_seconds": 3600}
        return str(caller.as_(session).ok("POST", "/tokens", wish)["secret"])

    def _query(self, statement: sa.TextClause, **parameters: object) -> list[tuple[object, ...]]:
        engine = sa.create_engine(parse_url(self._url), poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(statement, parameters)]

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        # What has failed already says more than the time that runs out.
        assert eventually(lambda: bool(self._load.failures) or is_so(), _OPENS_SECONDS), f"Waited in vain for {what}."
        assert self._load.failures == []

"""`history`, `diff` and `rollback`."""

from __future__ import annotations

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import TOKEN, FakeTransport, answer, page, problem, variable

REVISION = {
    "id": "r3",
    "number": 3,
    "created_at": "2026-11-22T09:00:00Z",
    "created_by": "session:s1",
    "deletion_at": None,
    "destroyed": False,
}
CHANGES = [
    {"name": "A", "kind": "changed", "before": variable("A", "canary-old"), "after": variable("A", "canary-new")},
    {"name": "B", "kind": "added", "before": None, "after": variable("B", "canary-b")},
]


@pytest.fixture
def changed(server: FakeTransport) -> FakeTransport:
    server.on("GET", "/environments/prod/revisions?limit=1", page(REVISION))
    return server.on("GET", "/environments/prod/revisions/3/diff", answer({"from": 2, "to": 3, "changes": CHANGES}))


def test_history_lists_revisions(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/globals/revisions?limit=20", page(REVISION))
    line = strongroom("history", "--globals").stdout.splitlines()[1]
    assert line.split() == ["3", "2026-11-22", "09:00:00Z", "the", "owner", "kept"]


def test_history_names_tokens(strongroom: Strongroom, server: FakeTransport) -> None:
    by_tokens = [{**REVISION, "number": number, "created_by": f"token:t{number}"} for number in (2, 1)]
    server.on("GET", "/environments/prod/revisions?limit=20", page(REVISION, *by_tokens))
    server.on("GET", "/tokens?limit=200", page({**TOKEN, "id": "t2", "name": "deploy"}))
    lines = strongroom("history", "-e", "prod").stdout.splitlines()
    assert ["the owner" in lines[1], "token deploy (t2)" in lines[2], "token t1 " in lines[3]] == [True] * 3


def test_history_shows_ids_where_tokens_cannot_be_listed(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/revisions?limit=20", page({**REVISION, "created_by": "token:t1"}))
    server.on("GET", "/tokens?limit=200", problem(403, "forbidden", "This call needs a person's session."))
    assert "token t1 " in strongroom("history", "-e", "prod").stdout


def test_history_for_programs_keeps_the_labels(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/globals/revisions?limit=20", page({**REVISION, "created_by": "token:t1"}))
    assert '"created_by": "token:t1"' in strongroom("history", "--globals", "--format", "json").stdout


def test_a_diff_of_the_newest_hides_the_values(strongroom: Strongroom, changed: FakeTransport) -> None:
    result = strongroom("diff", "-e", "prod")
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [["A", "changed", "value"], ["B", "added", "-"]]
    assert "canary" not in result.output


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_a_diff_shows_the_values_when_asked(form: str, strongroom: Strongroom, changed: FakeTransport) -> None:
    stdout = strongroom("diff", "-e", "prod", "3", "--show", "--format", form).stdout
    assert all(word in stdout for word in ("canary-old", "canary-new", "canary-b"))
    assert "canary" not in strongroom("diff", "-e", "prod", "3", "--format", form).output


def test_a_diff_against_another_revision(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/revisions/3/diff?against=0", answer({"from": 0, "to": 3, "changes": []}))
    assert strongroom("diff", "-e", "prod", "3", "--against", "0").exit_code == 0


def test_a_diff_where_there_is_nothing(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/revisions?limit=1", page())
    assert strongroom("diff", "-e", "prod").exit_code == 1


def test_a_rollback_is_a_new_revision(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/environments/prod/rollback", answer({"revision": 4}))
    assert "Revision 4 has the variables of revision 1." in strongroom("rollback", "-e", "prod", "1").stderr
    assert server.sent == {"revision": 1}

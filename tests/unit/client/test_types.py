"""What a program that uses the SDK sees: each call returns the type that mypy and an editor are told.

`make lint` checks each `assert_type` here; the assertions check the same when the call is made.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, assert_type

import pytest

from tests.unit.client.fake_transport import (
    ENVIRONMENT,
    NEW_SESSION,
    SESSION,
    TOKEN,
    USER,
    FakeTransport,
    answer,
    page,
    text,
    variable,
)
from vault.client import (
    Change,
    Client,
    Environment,
    ErasureReport,
    Grant,
    ImportPlan,
    NewSession,
    NewToken,
    Remains,
    Revision,
    RevisionNumber,
    Session,
    Token,
    User,
    Values,
    Variables,
    answers,
)
from vault.errors import TransportError
from vault.formats import Rendered
from vault.model.environment import Variable

VARIABLES = "/environments/prod/variables"
REVISION = {
    "id": "r",
    "number": 3,
    "created_at": SESSION["created_at"],
    "created_by": "ada",
    "deletion_at": None,
    "destroyed": False,
}
PLAN = {"plan": {"added": ["A"], "changed": [], "removed": [], "unchanged": []}, "revision": 4, "warnings": []}
ERASED: dict[str, Any] = {
    "user_id": "u1",
    "erased_at": "2026-11-22T09:00:00Z",
    **dict.fromkeys("environments revisions user_keys data_keys sessions tokens audit_events".split(), 0),
    "remains": [{"place": "backups", "until": None, "sentence": "s"}],
}


def test_values_are_texts(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/values", answer({"values": {"A": "1"}, "warnings": ["w"], "revision": 3}))
    values = client.values("prod")
    assert_type(values, Values)
    assert isinstance(assert_type(values["A"], str), str)
    assert isinstance(assert_type(values.revision, int | None), int)
    assert isinstance(assert_type(values.warnings, tuple[str, ...])[0], str)


def test_variables_are_a_sequence_of_variables(client: Client, server: FakeTransport) -> None:
    server.on("GET", VARIABLES, answer({"variables": [variable("A", "1")], "revision": 3}, etag='"e"'))
    found = client.environment("prod").variables()
    assert_type(found, Variables)
    assert isinstance(assert_type(found[0], Variable), Variable)
    assert isinstance(assert_type(found[:1], tuple[Variable, ...])[0], Variable)
    assert isinstance(assert_type(found.etag, str), str)


def test_one_variable_is_a_variable(client: Client, server: FakeTransport) -> None:
    server.on("GET", VARIABLES + "/A", answer(variable("A", "1")))
    assert isinstance(assert_type(client.environment("prod").variable("A"), Variable), Variable)


def test_each_write_returns_the_number_of_its_revision(client: Client, server: FakeTransport) -> None:
    server.on("PATCH", VARIABLES, answer({"revision": 4}))
    server.on("PUT", VARIABLES, answer({"revision": 4}))
    server.on("DELETE", VARIABLES + "/A", answer({"revision": 4}))
    server.on("POST", "/environments/prod/rollback", answer({"revision": 4}))
    chosen = client.environment("prod")
    numbers = [
        assert_type(chosen.set("A", "1", type="secret", enabled=True, literal=False, description="d"), RevisionNumber),
        assert_type(chosen.patch({"A": "1", "B": {"value": "2", "type": "default"}, "C": None}), RevisionNumber),
        assert_type(chosen.replace([Variable("A", "1")]), RevisionNumber),
        assert_type(chosen.unset("A"), RevisionNumber),
        assert_type(chosen.rollback(3), RevisionNumber),
    ]
    assert all(isinstance(number, int) for number in numbers)


def test_history_is_of_revisions_and_changes(client: Client, server: FakeTransport) -> None:
    change = {"name": "A", "kind": "added", "before": None, "after": variable("A", "1")}
    server.on("GET", "/environments/prod/revisions?limit=200", page(REVISION))
    server.on("GET", "/environments/prod/revisions/3", answer({**REVISION, "variables": [variable("A", "1")]}))
    server.on("GET", "/environments/prod/revisions/3/diff", answer({"changes": [change]}))
    chosen = client.environment("prod")
    assert isinstance(assert_type(chosen.revisions(), list[Revision])[0].created_at, datetime)
    assert isinstance(assert_type(chosen.revision(3).variables, tuple[Variable, ...] | None), tuple)
    assert isinstance(assert_type(chosen.diff(3), list[Change])[0].after, Variable)


def test_texts_of_files_are_rendered(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/export?format=dotenv", text("A=1\n"))
    server.on("GET", "/environments/prod/values?format=dotenv&resolve=true&globals=true", text("A=1\n"))
    chosen = client.environment("prod")
    assert isinstance(assert_type(chosen.export("dotenv"), Rendered), Rendered)
    assert isinstance(assert_type(chosen.render("dotenv"), Rendered), Rendered)


def test_environments_are_environments(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments?limit=200", page(ENVIRONMENT))
    server.on("GET", "/environments/prod", answer(ENVIRONMENT))
    server.on("POST", "/environments", answer(ENVIRONMENT))
    server.on("PATCH", "/environments/prod", answer(ENVIRONMENT))
    found = [
        *assert_type(client.environments.list(), list[Environment]),
        assert_type(client.environments.get("prod"), Environment),
        assert_type(client.environments.create("prod", description="d", max_versions=5), Environment),
        assert_type(client.environments.update("prod", cas_required=True), Environment),
    ]
    assert all(isinstance(each, Environment) for each in found)


def test_tokens_and_sessions_have_types_of_their_own(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/tokens?limit=200", page(TOKEN))
    server.on("POST", "/tokens", answer({**TOKEN, "secret": "srm_t_new"}))
    server.on("GET", "/sessions?limit=200", page(SESSION))
    assert isinstance(assert_type(client.tokens.list(), list[Token])[0].grants[0], Grant)
    assert isinstance(assert_type(client.tokens.create("web", [Grant(("read",), path="*")]), NewToken).secret, str)
    assert isinstance(assert_type(client.sessions.list(), list[Session])[0], Session)


def test_people_log_in_and_are_users(client: Client, server: FakeTransport) -> None:
    server.on("POST", "/sessions", answer(NEW_SESSION))
    server.on("GET", "/me", answer(USER))
    server.on("DELETE", "/me", answer(ERASED))
    assert isinstance(assert_type(client.login("ada", "p"), NewSession).user, User)
    assert isinstance(assert_type(client.me(), User), User)
    assert isinstance(assert_type(client.delete_me("p"), ErasureReport).remains[0], Remains)


def test_an_import_returns_its_plan(client: Client, server: FakeTransport) -> None:
    server.on("POST", "/import", answer(PLAN))
    assert isinstance(assert_type(client.import_text("prod", "dotenv", "A=1"), ImportPlan).added[0], str)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/me", {**USER, "username": 7}),
        ("/me", {**USER, "username": None}),
        ("/me", {**USER, "created_at": 1}),
        ("/me", {**USER, "created_at": "yesterday"}),
        ("/me", [USER]),
        ("/environments/prod", {**ENVIRONMENT, "max_versions": "5"}),
        ("/environments/prod", {**ENVIRONMENT, "max_versions": True}),
        ("/environments/prod", {**ENVIRONMENT, "cas_required": 0}),
        ("/tokens/t", {**TOKEN, "networks": "10.0.0.0/8"}),
        ("/tokens/t", {**TOKEN, "metadata": {"a": 1}}),
        ("/tokens/t", {**TOKEN, "grants": [{"permissions": "read"}]}),
        ("/environments/prod/values", {"values": {"A": 1}, "warnings": [], "revision": 3}),
        ("/environments/prod/values", {"values": {"A": "1"}, "warnings": "none", "revision": 3}),
        ("/environments/prod/variables/A", variable("A", "1", enabled="yes")),
        ("/environments/prod/variables/A", {**variable("A", "1"), "value": 1}),
    ],
)
def test_an_answer_with_a_value_of_another_type_is_refused(
    path: str, data: Any, client: Client, server: FakeTransport
) -> None:
    server.on("GET", path, answer(data))
    reads: dict[str, Callable[[], object]] = {
        "/me": client.me,
        "/environments/prod": lambda: client.environments.get("prod"),
        "/tokens/t": lambda: client.tokens.get("t"),
        "/environments/prod/values": lambda: client.values("prod"),
        "/environments/prod/variables/A": lambda: client.environment("prod").variable("A"),
    }
    with pytest.raises(TransportError, match="is not from a Strongroom server"):
        reads[path]()


def test_every_field_of_an_answer_has_a_reader() -> None:
    built = [kind for kind in answers._Answer.__subclasses__() if kind.__name__ not in ("NewToken", "ImportPlan")]
    kinds = {str(item.type).removesuffix(" | None") for kind in built for item in kind.__dataclass_fields__.values()}
    assert len(built) > 5
    assert kinds <= set(answers._READERS)

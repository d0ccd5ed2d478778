"""The groups of calls: what each asks, and what it makes of the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.client.fake_transport import (
    ENVIRONMENT,
    MADE_TOKEN,
    NEW_SESSION,
    SESSION,
    TOKEN,
    USER,
    FakeTransport,
    answer,
    page,
    problem,
    text,
    variable,
)
from vault.client import Client, Grant, Response
from vault.errors import NotFound, SettingsError, TransportError
from vault.model.environment import Variable, VariableType


def test_values_are_a_mapping_that_hides_its_values(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/values", answer({"values": {"A": "canary"}, "warnings": ["w"], "revision": 3}))
    values = client.values("prod")
    assert (dict(values), values.warnings, values.revision) == ({"A": "canary"}, ("w",), 3)
    assert "canary" not in repr(values)


def test_values_pass_on_what_is_asked(client: Client, server: FakeTransport) -> None:
    path = "/environments/prod/values?resolve=false&globals=false&names=A%2CB"
    server.on("GET", path, answer({"values": {}, "warnings": [], "revision": None}))
    client.values("prod", ["A", "B"], resolve=False, globals=False)


@pytest.mark.parametrize(("names", "found"), [(["A,B"], {"A,B": "1"}), ([], {}), (["A", "X" * 3000], {"A": "2"})])
def test_names_that_the_address_cannot_list_are_picked_here(
    names: list[str], found: dict[str, str], client: Client, server: FakeTransport
) -> None:
    all_of_them = {"values": {"A,B": "1", "A": "2"}, "warnings": [], "revision": 1}
    server.on("GET", "/environments/prod/values", answer(all_of_them))
    assert dict(client.values("prod", names)) == found


def test_an_environment_has_typed_fields(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod", answer({**ENVIRONMENT, "new_in_0_9": 1}))
    environment = client.environments.get("prod")
    assert environment.updated_at == datetime(2026, 11, 22, 9, 0, 0, 250_000, tzinfo=UTC)
    assert environment.deleted_at is None


def test_environments_are_made_changed_and_undone(client: Client, server: FakeTransport) -> None:
    server.on("POST", "/environments", answer(ENVIRONMENT, 201))
    client.environments.create("prod", description="d", variables=[Variable("A", "1")])
    assert server.sent == {"name": "prod", "description": "d", "variables": [variable("A", "1")]}
    server.on("PATCH", "/environments/prod", answer(ENVIRONMENT))
    client.environments.rename("prod", "live")
    assert server.sent == {"name": "live"}
    server.on("POST", "/environments/prod/copy", answer(ENVIRONMENT, 201))
    client.environments.copy("prod", "test")
    assert server.sent == {"name": "test"}
    server.on("DELETE", "/environments/prod", Response(204))
    client.environments.delete("prod")
    server.on("POST", "/environments/prod/undelete", answer(ENVIRONMENT))
    client.environments.undelete("prod", name="prod-2")
    assert server.sent == {"name": "prod-2"}


def test_bases_are_set_and_told(client: Client, server: FakeTransport) -> None:
    server.on("PATCH", "/environments/prod", answer({**ENVIRONMENT, "bases": ["id-1", "id-2"]}))
    assert client.environments.update("prod", bases=("eu", "common")).bases == ("id-1", "id-2")
    assert server.sent == {"bases": ["eu", "common"]}
    client.environments.update("prod", bases=[])
    assert server.sent == {"bases": []}
    server.on("POST", "/environments", answer(ENVIRONMENT, 201))
    client.environments.create("prod", bases=["common"])
    assert server.sent == {"name": "prod", "bases": ["common"]}


def test_an_older_server_tells_no_bases(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod", answer({name: ENVIRONMENT[name] for name in ENVIRONMENT if name != "bases"}))
    assert client.environments.get("prod").bases == ()


def test_a_deletion_returns_its_warnings(client: Client, server: FakeTransport) -> None:
    warned = answer(None, 204, X_Strongroom_Warnings='["2 environments have this one as a base."]')
    server.on("DELETE", "/environments/prod", warned)
    assert client.environments.delete("prod") == ("2 environments have this one as a base.",)
    server.on("DELETE", "/environments/prod", Response(204))
    assert client.environments.delete("prod") == ()


@pytest.mark.parametrize("header", ["{", "5", "null"])
def test_warnings_that_cannot_be_read_are_not_ours(header: str, client: Client, server: FakeTransport) -> None:
    server.on("DELETE", "/environments/prod", answer(None, 204, X_Strongroom_Warnings=header))
    with pytest.raises(TransportError, match="is not from a Strongroom server"):
        client.environments.delete("prod")


def test_the_one_deleted_last_is_brought_back(client: Client, server: FakeTransport) -> None:
    older = {**ENVIRONMENT, "name": "a/b", "id": "older", "deleted_at": "2026-11-20T09:00:00Z"}
    newer = {**ENVIRONMENT, "name": "a/b", "id": "newer", "deleted_at": "2026-11-21T09:00:00Z"}
    server.on("GET", "/environments?name=a%2Fb&deleted=true&limit=200", page(newer, older))
    server.on("POST", "/environments/newer/undelete", answer(newer))
    assert client.environments.undelete("a/b").id == "newer"


def test_variables_come_in_order_with_their_etag(client: Client, server: FakeTransport) -> None:
    stored = {"variables": [variable("Z", "1", type="secret"), variable("A", "2", enabled=False)], "revision": 7}
    server.on("GET", "/globals/variables", answer(stored, etag='"e7"'))
    variables = client.globals.variables()
    assert [item.name for item in variables] == ["Z", "A"]
    assert variables[0].type is VariableType.SECRET
    assert (variables.revision, variables.etag) == (7, '"e7"')


def test_all_variables_are_replaced_only_in_the_state_that_was_read(client: Client, server: FakeTransport) -> None:
    server.on("PUT", "/globals/variables", answer({"revision": 8}))
    assert client.globals.replace([Variable("A", "1")], etag='"e7"') == 8
    assert server.sent_headers["If-Match"] == '"e7"'
    client.globals.replace([])
    assert server.sent_headers["If-None-Match"] == "*"


def test_one_variable_is_read_set_and_unset(client: Client, server: FakeTransport) -> None:
    place = "/environments/prod/variables"
    server.on("GET", place + "/A%20B", answer(variable("A B", "1") | {"revision": 2}))
    assert client.environment("prod").variable("A B").value == "1"
    server.on("PATCH", place, answer({"revision": 3}))
    client.environment("prod").set("A B", "2", type="secret")
    assert server.sent == {"variables": {"A B": {"value": "2", "type": "secret"}}}
    server.on("DELETE", place + "/A%20B", answer({"revision": 4}))
    assert client.environment("prod").unset("A B") == 4


def test_a_variable_whose_name_no_address_can_hold(client: Client, server: FakeTransport) -> None:
    place = "/environments/prod/variables"
    server.on("GET", place, answer({"variables": [variable("a/b", "1")], "revision": 1}))
    server.on("PATCH", place, answer({"revision": 2}))
    assert client.environment("prod").variable("a/b").value == "1"
    assert client.environment("prod").unset("a/b") == 2
    assert server.sent == {"variables": {"a/b": None}}
    with pytest.raises(NotFound):
        client.environment("prod").unset("a/c")


def test_history_diff_and_rollback(client: Client, server: FakeTransport) -> None:
    revision = {
        "id": "r",
        "number": 2,
        "created_at": "2026-11-22T09:00:00Z",
        "created_by": "session:x",
        "deletion_at": None,
        "destroyed": False,
    }
    place = "/environments/prod/revisions"
    server.on("GET", place + "?limit=200", page(revision, following="n"))
    server.on("GET", place + "?limit=200&cursor=n", page({**revision, "number": 1}))
    assert [item.number for item in client.environment("prod").revisions()] == [2, 1]
    server.on("GET", place + "?limit=1", page(revision, following="n"))
    assert len(client.environment("prod").revisions(at_most=1)) == 1
    server.on("GET", place + "/2", answer({**revision, "variables": [variable("A", "1")]}))
    assert client.environment("prod").revision(2).variables == (Variable("A", "1"),)
    change = {"name": "A", "kind": "added", "before": None, "after": variable("A", "1")}
    server.on("GET", place + "/2/diff?against=0", answer({"from": 0, "to": 2, "changes": [change]}))
    assert client.environment("prod").diff(2, against=0)[0].after == Variable("A", "1")
    server.on("POST", "/environments/prod/rollback", answer({"revision": 3}))
    assert client.environment("prod").rollback(1) == 3


def test_texts_carry_their_warnings_beside_them(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/export?format=dotenv", text("A='ä'\n", '["B b is left out \\u2026"]'))
    rendered = client.environment("prod").export("dotenv")
    assert (rendered.text, rendered.warnings) == ("A='ä'\n", ("B b is left out …",))
    path = "/environments/prod/values?format=shell&resolve=true&globals=false"
    server.on("GET", path, text("export A='1'\n"))
    assert client.environment("prod").render("shell", globals=False).text == "export A='1'\n"


def test_an_import_tells_its_plan(client: Client, server: FakeTransport) -> None:
    plan = {"added": ["A"], "changed": [], "removed": [], "unchanged": ["B"]}
    server.on("POST", "/import", answer({"plan": plan, "revision": None, "warnings": ["w"]}))
    found = client.import_text(None, "dotenv", "A=1", mode="replace", dry_run=True)
    assert (found.added, found.unchanged, found.revision, found.warnings) == (("A",), ("B",), None, ("w",))
    assert server.sent == {"environment": None, "format": "dotenv", "text": "A=1", "mode": "replace", "dry_run": True}


def test_tokens_are_made_rotated_and_revoked(client: Client, server: FakeTransport) -> None:
    server.on("POST", "/tokens", answer({**TOKEN, "secret": "srm_t_new"}, 201))
    made = client.tokens.create("web", [Grant(("read",), environment="prod"), Grant(("list",), globals=True)], uses=3)
    assert made.secret == "srm_t_new"
    assert "srm_t_new" not in repr(made)
    assert made.token.grants == (Grant(("read",), environment_id=ENVIRONMENT["id"]),)
    grants = [{"environment": "prod", "permissions": ["read"]}, {"globals": True, "permissions": ["list"]}]
    assert server.sent == {"name": "web", "grants": grants, "uses": 3}
    server.on("POST", "/tokens/aaaabbbbcccc/rotate", answer({**TOKEN, "secret": "srm_t_2"}))
    assert client.tokens.rotate("aaaabbbbcccc", overlap_seconds=60).secret == "srm_t_2"
    server.on("DELETE", "/tokens/aaaabbbbcccc", Response(204))
    client.tokens.revoke("aaaabbbbcccc")
    server.on("GET", "/tokens?limit=200", page(TOKEN))
    assert client.tokens.list()[0].name == "web"


def test_a_login_is_acted_in_until_the_logout(client: Client, server: FakeTransport) -> None:
    server.on("POST", "/sessions", answer(NEW_SESSION, 201))
    session = client.login("ada", "correct horse")
    assert "Authorization" not in server.sent_headers
    assert "srm_s_secret" not in repr(session)
    server.on("GET", "/sessions?limit=200", page(SESSION, {**SESSION, "id": "s2", "current": False}))
    server.on("DELETE", "/sessions/s1", Response(204))
    client.logout()
    assert server.sent_headers["Authorization"] == "Bearer srm_s_secret"
    assert server.calls[-1] == "DELETE /sessions/s1"


def test_a_step_up_moves_to_the_fresh_session(client: Client, server: FakeTransport) -> None:
    server.on("POST", "/sessions/step-up", answer({**NEW_SESSION, "secret": "srm_s_fresh"}, 201))
    server.on("PUT", "/me/password", Response(204))
    client.step_up("correct horse")
    client.change_password("correct horse", "battery staple")
    assert server.sent_headers["Authorization"] == "Bearer srm_s_fresh"


def test_a_new_password_moves_to_the_new_session(client: Client, server: FakeTransport) -> None:
    told = {"session": {**NEW_SESSION, "secret": "srm_s_fresh"}, "tokens": [MADE_TOKEN], "tokens_ended": True}
    server.on("PUT", "/me/password", answer(told)).on("GET", "/me", answer(USER))
    changed = client.change_password("old", "new", end_tokens=True)
    assert server.sent["end_tokens"] is True
    assert ([token.name for token in changed.tokens], changed.tokens_ended) == (["backup"], True)
    assert "srm_s_fresh" not in repr(changed)
    client.me()
    assert server.sent_headers["Authorization"] == "Bearer srm_s_fresh"


def test_a_session_that_continues_is_kept(client: Client, server: FakeTransport) -> None:
    server.on("PUT", "/me/password", answer({"session": None, "tokens": [], "tokens_ended": False}))
    before = client.change_password("old", "new")
    assert (before.session, before.tokens, "end_tokens" in server.sent) == (None, (), False)
    used = server.sent_headers["Authorization"]
    client.change_password("new", "newer")
    assert server.sent_headers["Authorization"] == used


def test_all_sessions_end_and_tell_their_tokens(client: Client, server: FakeTransport) -> None:
    told = {"sessions": 2, "tokens": [MADE_TOKEN], "tokens_ended": True}
    server.on("DELETE", "/sessions?end_tokens=true", answer(told)).on("DELETE", "/sessions", Response(204))
    ended = client.sessions.revoke_all(end_tokens=True)
    assert (ended.sessions, ended.tokens[0].id, ended.tokens_ended) == (2, "tk1", True)
    # An older server answers with nothing.
    assert client.sessions.revoke_all().sessions is None


def test_a_client_closes_its_connections(server: FakeTransport) -> None:
    with Client("https://vault.test", "t", transport=server):
        pass
    assert server.is_closed


def test_a_repr_hides_the_token(client: Client) -> None:
    assert "canary" not in repr(client)
    assert "canary" not in repr(vars(client))


def test_the_token_comes_from_the_environment(
    server: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("GET", "/globals/values", problem(404, "not_found"))
    path = tmp_path / "token"
    path.write_text("srm_t_file\n")
    monkeypatch.setenv("STRONGROOM_TOKEN_FILE", str(path))
    with pytest.raises(NotFound):
        Client(transport=server).globals.values()
    assert server.sent_headers["Authorization"] == "Bearer srm_t_file"
    monkeypatch.setenv("STRONGROOM_TOKEN", "srm_t_other")
    with pytest.raises(SettingsError, match="both set"):
        Client(transport=server)


@pytest.mark.parametrize("name", ["STRONGROOM_TOKEN", "STRONGROOM_TOKEN_FILE"])
@pytest.mark.parametrize("content", ["", " \n", "\ufeff\r\n"])
def test_a_token_that_was_named_and_is_empty_is_an_error(
    name: str, content: str, server: FakeTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setenv(name, str(path) if name.endswith("_FILE") else content)
    with pytest.raises(SettingsError, match=f"{name}.* is empty"):
        Client(transport=server)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://vault.test", "unencrypted"),
        ("http://localhost:8080", "plain_http=True"),
        ("ftp://vault.test", "must look like"),
        ("vault.test:8443", "Use https://vault.test:8443"),
        ("localhost:9501", "Use https://localhost:9501"),
        ("vault.test", "Use https://vault.test"),
        ("[::1]:8443", r"Use https://\[::1\]:8443"),
        ("vault.test/strongroom", "Use https://vault.test/strongroom"),
        ("ada:canary-5c1@vault.test", "must look like"),
        ("https://", "must look like"),
        ("https://user:canary-5c1@vault.test", "must not contain a user"),
        ("https://vault.test/?token=canary-5c1", "must not contain"),
        ("https://vault.test:999999", "cannot be read"),
        ("https://vault.test/a b", "space"),
        ("https://vault.test/\r\nX: y", "space"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        Client(url, "t")
    assert "canary" not in str(caught.value)


def test_a_plain_address_of_this_machine_is_allowed_when_asked_for() -> None:
    Client("http://127.0.0.1:8080", "t", plain_http=True).close()


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Client("https://vault.test", "t", tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(SettingsError, match="no certificate"):
        Client("https://vault.test", "t", tmp_path / "empty.pem")


def test_a_variable_of_an_unknown_shape_is_not_ours(client: Client, server: FakeTransport) -> None:
    server.on("GET", "/globals/variables", answer({"variables": [{"name": "A"}], "revision": 1}))
    with pytest.raises(TransportError):
        client.globals.variables()


def test_a_login_goes_on_with_its_second_factor(client: Client, server: FakeTransport) -> None:
    told = {**NEW_SESSION, "factors": ["password", "recovery"], "recovery_codes_left": 3}
    server.on("POST", "/sessions/challenges/c1", answer(told, 201))
    server.on("POST", "/sessions/step-up/challenges/c2", answer(NEW_SESSION, 201))
    session = client.complete_login("c1", recovery_code="abcd")
    assert server.sent == {"recovery_code": "abcd"}
    assert (session.factors, session.recovery_codes_left) == (("password", "recovery"), 3)
    client.complete_step_up("c2", passkey={"id": "x"})
    assert server.sent == {"passkey": {"id": "x"}}
    # It acts in the new session.
    client.complete_step_up("c2", code="123456")
    assert server.sent_headers["Authorization"] == f"Bearer {NEW_SESSION['secret']}"


def test_an_older_server_that_tells_no_factors_is_understood(client: Client, server: FakeTransport) -> None:
    older = {name: value for name, value in NEW_SESSION.items() if name not in ("factors", "recovery_codes_left")}
    server.on("POST", "/sessions", answer(older, 201))
    session = client.login("ada", "x")
    assert (session.factors, session.recovery_codes_left) == (("password",), None)


@pytest.mark.parametrize("warnings", [(), ("1BAD is a name that shells do not take.",), ("one", "ü")])
def test_the_number_of_a_write_has_its_warnings(
    client: Client, server: FakeTransport, warnings: tuple[str, ...]
) -> None:
    header = {"x_strongroom_warnings": json.dumps(warnings)} if warnings else {}
    for method in ("PATCH", "PUT"):
        server.on(method, "/environments/prod/variables", answer({"revision": 4}, 200, **header))
    prod = client.environment("prod")
    for number in (prod.patch({"1BAD": "x"}), prod.set("1BAD", "x"), prod.replace([Variable("1BAD", "x")])):
        assert (number, number.warnings, f"{number}", json.dumps(number)) == (4, warnings, "4", "4")


def test_warnings_about_globals_are_among_all(client: Client, server: FakeTransport) -> None:
    told = {"values": {"A,B": "1"}, "warnings": ["a", "g"], "revision": 1}
    server.on("GET", "/environments/prod/values", answer({**told, "globals_warnings": ["g"]}))
    server.on("GET", "/environments/old/values", answer(told))
    found, older = client.values("prod"), client.values("old")
    assert (found.warnings, found.globals_warnings) == (("a", "g"), ("g",))
    assert (older.warnings, older.globals_warnings) == (("a", "g"), ())
    # A name with a comma is chosen on this side.
    assert client.values("prod", ["A,B"]).globals_warnings == ()

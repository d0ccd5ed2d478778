"""The SDK and the command against the real app, with no socket between them: both sides mean the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from vault import errors, settings
from vault.app import create_app, open_vault, prepare_vault
from vault.cli import root
from vault.cli.context import Cli
from vault.client import Client, Grant, Request, Response, WsgiTransport
from vault.client.transport import ConnectionLost
from vault.model.environment import Variable, VariableType
from vault.model.principal import host_operator

PASSWORD = "lantern gravel ninefold otter"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """A vault on SQLite with two people in it."""
    folder = tmp_path_factory.mktemp("vault")
    (folder / "data").mkdir()
    chosen = settings.load(
        {
            "STRONGROOM_DATA_DIR": str(folder / "data"),
            "STRONGROOM_KEYRING": str(folder / "keys" / "master.json"),
            "STRONGROOM_ARGON2_MEMORY_KIB": "19456",
            "STRONGROOM_ARGON2_PASSES": "2",
        }
    )
    prepare_vault(chosen)
    services = open_vault(chosen)
    with services.storage.write() as unit:
        for name in ("ada", "bob"):
            services.people.accounts.add(unit, host_operator("test"), name, PASSWORD)
    services.storage.close()
    made = create_app(chosen)
    yield made
    made.extensions["strongroom"].stop()


@pytest.fixture
def ada(app: Flask) -> Client:
    client = Client("https://vault.test", "", transport=WsgiTransport(app))
    client.login("ada", PASSWORD)
    return client


@pytest.fixture
def prod(ada: Client) -> Iterator[str]:
    """An environment that is gone when the test is over."""
    ada.environments.create("prod", variables=[Variable("A", "1"), Variable("B", "{{A}}{{G}}", VariableType.SECRET)])
    yield "prod"
    ada.environments.delete("prod")
    ada.globals.patch({variable.name: None for variable in ada.globals.variables()})


def test_a_person_and_their_sessions(app: Flask, ada: Client) -> None:
    assert ada.me().username == "ada"
    assert [session.kind for session in ada.sessions.list() if session.current] == ["api"]
    ada.logout()
    with pytest.raises(errors.NotAuthenticated):
        ada.me()
    with pytest.raises(errors.BadLogin):
        ada.login("ada", "wrong")
    other = Client(token="", transport=WsgiTransport(app))
    other.login("ada", PASSWORD)
    other.step_up(PASSWORD)
    other.change_password(PASSWORD, PASSWORD + "!")
    other.change_password(PASSWORD + "!", PASSWORD)
    other.sessions.revoke_all()
    with pytest.raises(errors.NotAuthenticated):
        other.me()


def test_values_are_layered_resolved_and_kept(ada: Client, prod: str) -> None:
    ada.globals.set("G", "g")
    values = ada.values(prod)
    assert dict(values) == {"G": "g", "A": "1", "B": "1g"}
    assert ada.values(prod) is values
    assert dict(ada.values(prod, ["B"])) == {"B": "1g"}
    assert ada.values(prod, globals=False).warnings
    assert ada.values(prod, resolve=False)["B"] == "{{A}}{{G}}"
    ada.environment(prod).set("A", "2")
    assert ada.values(prod)["B"] == "2g"


def test_variables_keep_order_and_attributes(ada: Client, prod: str) -> None:
    place = ada.environment(prod)
    revision = place.patch({"A": {"enabled": False, "description": "d"}, "with space/and slash": "x", "Ä?#%": "y"})
    assert revision == 2
    assert place.variable("A") == Variable("A", "1", enabled=False, description="d")
    assert place.variable("with space/and slash").value == "x"
    assert place.variable("Ä?#%").value == "y"
    held = place.variables()
    assert [variable.name for variable in held] == ["A", "B", "with space/and slash", "Ä?#%"]
    assert place.replace(reversed(held), etag=held.etag) == 3
    with pytest.raises(errors.PreconditionFailed):
        place.replace([], etag=held.etag)
    assert place.unset("Ä?#%") == 4
    assert place.unset("with space/and slash") == 5
    with pytest.raises(errors.NotFound):
        place.unset("Ä?#%")


def test_history_diff_and_rollback(ada: Client, prod: str) -> None:
    place = ada.environment(prod)
    place.patch({"A": "2", "B": None, "C": "3"})
    assert [revision.number for revision in place.revisions()] == [2, 1]
    assert len(place.revisions(at_most=1)) == 1
    assert {change.name: change.kind for change in place.diff(2)} == {"A": "changed", "B": "removed", "C": "added"}
    assert len(place.diff(2, against=0)) == 2
    assert place.rollback(1) == 3
    assert place.revision(3).variables == place.revision(1).variables


def test_environments_are_renamed_copied_and_undone(ada: Client, prod: str) -> None:
    assert ada.environments.rename(prod, "live").name == "live"
    ada.environments.rename("live", prod)
    copy = ada.environments.copy(prod, "team/copy")
    assert dict(ada.values("team/copy", resolve=False)) == dict(ada.values(prod, resolve=False))
    with pytest.raises(errors.NameTaken):
        ada.environments.create("team/copy")
    ada.environments.delete("team/copy")
    assert [item.id for item in ada.environments.list(deleted=True) if item.name == "team/copy"] == [copy.id]
    assert ada.environments.undelete("team/copy", name="team/back").id == copy.id
    ada.environments.delete(copy.id)
    with pytest.raises(errors.NotFound):
        ada.values("team/back")


def test_many_environments_are_listed_to_the_end(ada: Client) -> None:
    for number in range(205):
        ada.environments.create(f"many/{number}")
    found = [item for item in ada.environments.list() if item.name.startswith("many/")]
    assert len(found) == 205
    for item in found:
        ada.environments.delete(item.id)


def test_a_service_reads_with_a_token_and_nothing_else(app: Flask, ada: Client, prod: str) -> None:
    made = ada.tokens.create("web", [Grant(("read",), environment=prod)], ttl_seconds=3600, metadata={"team": "a"})
    service = Client(token=made.secret, transport=WsgiTransport(app))
    assert service.values(prod)["A"] == "1"
    with pytest.raises(errors.NotFound):
        service.environment(prod).set("A", "2")
    rotated = ada.tokens.rotate(made.token.id)
    with pytest.raises(errors.NotAuthenticated):
        service.values(prod)
    service = Client(token=rotated.secret, transport=WsgiTransport(app))
    assert service.values(prod)["A"] == "1"
    assert ada.tokens.get(made.token.id).metadata == {"team": "a"}
    assert made.token.id in [token.id for token in ada.tokens.list()]
    ada.tokens.revoke(made.token.id)
    with pytest.raises(errors.NotAuthenticated):
        service.values(prod)


def test_files_go_out_and_come_in(ada: Client, prod: str) -> None:
    rendered = ada.environment(prod).export("dotenv")
    plan = ada.import_text("made/by-import", "dotenv", rendered.text, dry_run=True)
    assert (plan.added, plan.revision) == (("A", "B"), None)
    ada.import_text("made/by-import", "dotenv", rendered.text)
    assert dict(ada.values("made/by-import", resolve=False)) == dict(ada.values(prod, resolve=False))
    ada.environment(prod).set("not for a shell", "x")
    shell = ada.environment(prod).render("shell")
    assert "export A='1'" in shell.text
    assert any("not for a shell" in warning for warning in shell.warnings)
    with pytest.raises(errors.FormatError, match="Line 1"):
        ada.import_text(prod, "dotenv", "nothing")
    ada.environments.delete("made/by-import")


def test_what_a_write_that_lost_its_answer_did_is_done_once(app: Flask, ada: Client, prod: str) -> None:
    class Losing(WsgiTransport):
        """Does what is asked, and loses the first answer to each write."""

        lost = False

        def send(self, request: Request) -> Response:
            response = super().send(request)
            if request.method == "POST" and "copy" in request.path and not self.lost:
                self.lost = True
                raise ConnectionLost("lost")
            return response

    transport = Losing(app)
    client = Client(token="", transport=transport)
    client.login("ada", PASSWORD)
    copy = client.environments.copy(prod, "copied-once")
    assert transport.lost
    assert [item.id for item in client.environments.list(name="copied-once")] == [copy.id]
    client.environments.delete("copied-once")


def test_a_refusal_names_its_field_and_its_call(ada: Client) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        ada.environments.create("a//b")
    assert caught.value.path == "name"
    assert caught.value.request == ("POST", "/api/v1/environments")


def test_two_people_never_meet(app: Flask, ada: Client, prod: str) -> None:
    bob = Client(token="", transport=WsgiTransport(app))
    bob.login("bob", PASSWORD)
    for name in (prod, ada.environments.get(prod).id):
        with pytest.raises(errors.NotFound):
            bob.values(name)


Strongroom = Callable[..., Result]


@pytest.fixture
def strongroom(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Strongroom:
    """The command, logged in as ada."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRONGROOM_NO_KEYCHAIN", "1")
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, stdin: str | None = None) -> Result:
        cli = Cli(transport=WsgiTransport(app), is_interactive=False)
        return CliRunner().invoke(root, arguments, obj=cli, input=stdin)

    assert call("login", "ada", "--password", "-", stdin=PASSWORD + "\n").exit_code == 0
    return call


def test_the_command_does_a_days_work(strongroom: Strongroom, tmp_path: Path) -> None:
    def works(*arguments: str, stdin: str | None = None) -> str:
        result = strongroom(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    works("env", "create", "day", "--description", "one day")
    works("set", "-e", "day", "KEY=-", stdin="-----BEGIN\nx\n-----END\n")
    works("set", "-e", "day", "A=1", "B={{A}}", "--type", "secret")
    assert works("get", "-e", "day", "KEY") == "-----BEGIN\nx\n-----END\n"
    assert works("get", "-e", "day", "B", "--resolve") == "1"
    assert [row["name"] for row in json.loads(works("get", "-e", "day", "--format", "json"))] == ["KEY", "A", "B"]
    works("export", "-e", "day", "-o", "day.env")
    assert works("import", "-e", "day2", "day.env").splitlines() == ["added\tKEY", "added\tA", "added\tB"]
    works("unset", "-e", "day", "A", "B")
    assert "removed" in works("diff", "-e", "day")
    works("rollback", "-e", "day", "2")
    assert len(works("history", "-e", "day").splitlines()) == 5
    secret = works("token", "create", "day-token", "-e", "day", "--ttl", "1h").strip()
    assert secret.startswith("srm_t_")
    works("token", "rotate", "day-token", "--overlap", "1m")
    works("token", "revoke", "day-token")
    works("set", "--globals", "G=-", stdin="1\n")
    works("unset", "--globals", "G")
    works("env", "copy", "day", "day3")
    works("env", "rename", "day3", "day4")
    for name in ("day", "day2", "day4"):
        works("env", "delete", name)
    works("env", "undelete", "day")
    works("env", "delete", "day")
    works("logout")
    assert strongroom("env", "list").exit_code == 1

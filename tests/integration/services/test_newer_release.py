"""What a newer release has sealed: this release keeps what it does not know, and refuses what it may not ignore."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.storage.spy import statements
from tests.support.factors import WEB, add_totp, asked
from tests.support.vaults import FakeClock, add_environment, log_in, opened_again, run_sql, values, wrap, write
from vault.crypto import Context, SealedBlob
from vault.errors import NewerFormat
from vault.formats import FORMATS
from vault.jobs.drain import drain
from vault.model.environment import Variable, VariableType
from vault.model.principal import Principal
from vault.services import Services
from vault.services.doctor import Sweep
from vault.services.environments import sealing as sealing_module
from vault.services.environments.documents import VERSION
from vault.services.environments.editing import RowEdit
from vault.services.environments.variables import Precondition
from vault.services.idempotency import Call, KeptAnswer
from vault.services.people.logins import Proof
from vault.services.vaultkv.versions import replaced
from vault.storage import UnitOfWork

OTHERS = (("expires_at", 1_900_000_000), ("rotate_days", [30, None]))
A = Variable("A", "1", VariableType.SECRET, description="d", others=OTHERS)
B = Variable("B", "2")

Edit = Callable[[Services, Principal, UnitOfWork], Any]


@contextmanager
def as_newer(vault: Services, change: Callable[[Any], Any]) -> Iterator[None]:
    """While this lasts, `vault` seals its JSON as a newer release would: as `change` makes it."""
    real = vault.instance.seal

    def seal(place: Context, plaintext: bytes) -> SealedBlob:
        return real(place, json.dumps(change(json.loads(plaintext))).encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault.instance, "seal", seal)
        yield


def with_more(document: dict[str, Any]) -> dict[str, Any]:
    """With a member that this release does not know."""
    return {**document, "from_the_future": {"x": 1}}


def of_higher_version(document: dict[str, Any]) -> dict[str, Any]:
    """With a version that this release does not know."""
    return {**document, "v": VERSION + 1}


# -- Variables --


@pytest.fixture
def prod(vault: Services, ada: Principal) -> str:
    """The id of an environment of which a newer release has written revision 1."""
    return str(write(vault, lambda unit: _filled(vault, unit, ada)).id)


def _filled(vault: Services, unit: UnitOfWork, ada: Principal) -> Any:
    row = vault.environments.environments.create(unit, ada, "prod")
    return vault.environments.variables.fill(unit, ada, row, [A, B])


def _import(text: str, *, replace_all: bool) -> Edit:
    parsed = FORMATS["dotenv"].parse(text)
    return lambda vault, ada, unit: vault.environments.files.import_file(
        unit, ada, "prod", parsed, replace_all=replace_all, dry_run=False
    )


def _replace(*variables: Variable) -> Edit:
    return lambda vault, ada, unit: vault.environments.variables.replace(
        unit, ada, "prod", variables, Precondition(match="*")
    )


def _patch(**changes: Any) -> Edit:
    return lambda vault, ada, unit: vault.environments.variables.patch(unit, ada, "prod", changes)


def _edit(*edits: RowEdit) -> Edit:
    return lambda vault, ada, unit: vault.environments.variables.edit(unit, ada, "prod", edits)


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (_patch(B={"value": "3"}), "A"),
        (_patch(A={"value": "3"}), "A"),
        (_patch(A={"enabled": False}, B=None), "A"),
        (lambda vault, ada, unit: vault.environments.variables.put_one(unit, ada, "prod", Variable("A", "3")), "A"),
        (lambda vault, ada, unit: vault.environments.variables.delete_one(unit, ada, "prod", "B"), "A"),
        (_replace(Variable("C", "3"), Variable("A", "3")), "A"),
        (_edit(RowEdit("A", {"name": "Z"}), RowEdit(None, {"name": "A", "value": "new"})), "Z"),
        (_import("A=3\nC=4\n", replace_all=False), "A"),
        (_import("A=3\nC=4\n", replace_all=True), "A"),
        (
            lambda vault, ada, unit: vault.environments.variables.write(
                unit, ada, "prod", lambda current: replaced(current, {"A": 5, "C": "6"})
            ),
            "A",
        ),
    ],
    ids=["other", "same", "attribute", "put", "delete", "replace", "rename", "merge", "import", "version"],
)
def test_what_only_a_newer_release_knows_of_a_variable_survives_every_edit(
    vault: Services, ada: Principal, prod: str, edit: Edit, name: str
) -> None:
    write(vault, lambda unit: edit(vault, ada, unit))
    snapshot = vault.environments.variables.read(ada, "prod")
    assert {item.name: item.others for item in snapshot.variables if item.others} == {name: OTHERS}
    assert snapshot.revision == 2


def test_it_survives_a_rollback_and_a_copy(vault: Services, ada: Principal, prod: str) -> None:
    write(vault, lambda unit: vault.environments.variables.delete_one(unit, ada, "prod", "A"))
    write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "prod", 1))
    write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "prod", "copy"))
    for name in ("prod", "copy"):
        assert vault.environments.variables.read(ada, name).variables == (A, B)


def test_a_later_version_of_a_revision_is_refused_and_not_taken_for_damage(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(variables: Sequence[Variable]) -> bytes:
        return b'{"v":3,"variables":[],"order":[]}'

    with monkeypatch.context() as patch:
        patch.setattr(sealing_module, "encode", encode)
        add_environment(vault, ada, "prod", A="1")
    for read in (
        vault.environments.variables.read,
        vault.environments.variables.list,
        lambda who, name: values(vault, who, name),
    ):
        with pytest.raises(NewerFormat, match="A newer release of Strongroom wrote this"):
            read(ada, "prod")
    with pytest.raises(NewerFormat):
        write(vault, lambda unit: vault.environments.variables.patch(unit, ada, "prod", {"A": {"value": "2"}}))
    faults = Sweep(vault.storage, vault.instance).blobs().faults
    assert [fault.partition(" was ")[2] for fault in faults] == [
        "written by a newer release. Check it with that release."
    ]


def test_what_new_environments_start_with_keeps_what_is_not_known(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(unit: UnitOfWork) -> None:
        row = unit.environments.globals(ada.user_id)
        assert row is not None
        told = vault.environments.environments.telling(
            unit, row, kv_defaults={"max_versions": 7, "require_reason": True}, later=[1]
        )
        unit.environments.change(row, **told)

    write(vault, keep)
    assert vault.vaultkv.metadata.defaults(ada).max_versions == 7
    write(vault, lambda unit: vault.vaultkv.metadata.set_defaults(unit, ada, {"max_versions": 9}))
    with vault.storage.read() as unit:
        row = unit.environments.globals(ada.user_id)
        assert row is not None
        stored = vault.environments.environments._sealer.open_metadata(unit, row)
    assert stored["later"] == [1]
    assert (stored["kv_defaults"]["max_versions"], stored["kv_defaults"]["require_reason"]) == (9, True)


# -- Answers and challenges --

CALL = Call("PATCH", "/api/v1/environments/prod/variables", "key-1", b"{}")


def _kept(vault: Services, who: Principal) -> KeptAnswer | None:
    def work(unit: UnitOfWork) -> KeptAnswer | None:
        claim = vault.idempotency.claim(unit, who, CALL)
        if isinstance(claim, KeptAnswer):
            return claim
        vault.idempotency.keep(unit, who, claim, KeptAnswer(200, {}, "answer"))
        return None

    return write(vault, work)


def test_a_kept_answer_with_more_members_is_given_and_one_of_a_higher_version_is_refused(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    with as_newer(vault, with_more):
        _kept(vault, ada)
    assert _kept(vault, ada) == KeptAnswer(200, {}, "answer")
    with as_newer(vault, of_higher_version):
        _kept(vault, bob)
    with pytest.raises(NewerFormat):
        _kept(vault, bob)


def test_a_wrapped_answer_of_a_higher_version_is_refused_and_waits(vault: Services, ada: Principal) -> None:
    def wrapped() -> str:
        return wrap(vault, ada, "answer", "path", 60)

    def unwrap(token: str) -> str:
        return write(vault, lambda unit: vault.vaultkv.wrapping.unwrap(unit, token, "192.0.2.1", "request"))

    with as_newer(vault, with_more):
        plain = wrapped()
    assert unwrap(plain) == "answer"
    with as_newer(vault, of_higher_version):
        later = wrapped()
    with pytest.raises(NewerFormat):
        unwrap(later)
    # The transaction that would have used it up was undone: a newer server still gives it out.
    assert len(run_sql(vault, "SELECT 1 FROM wrapped_answers")) == 1


@pytest.mark.parametrize("change", [with_more, of_higher_version])
def test_a_login_that_a_newer_release_began_goes_on_or_says_why_not(
    vault: Services, ada: Principal, clock: FakeClock, change: Callable[[Any], Any]
) -> None:
    app = add_totp(vault, "ada")
    clock.advance(60)
    with as_newer(vault, change):
        challenge_id = asked(vault, "ada").id
    proof = Proof(code=app.code(vault))
    if change is with_more:
        assert vault.people.logins.complete(challenge_id, proof, WEB).user.name == "ada"
        return
    with pytest.raises(NewerFormat):
        vault.people.logins.complete(challenge_id, proof, WEB)


class _Memory:
    """A cache in this process."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.blobs.get(key)

    def fill(self, key: str, blob: bytes) -> None:
        self.blobs.setdefault(key, blob)

    def bury(self, keys: Sequence[str]) -> None:
        self.blobs.update(dict.fromkeys(keys, b"revoked"))


def _without(name: str) -> Callable[[Any], Any]:
    def change(document: Any) -> Any:
        if "user" in document:
            del document["user"][name]
        return document

    return change


@pytest.mark.parametrize("change", [with_more, of_higher_version, _without("second_factor")])
def test_a_session_in_the_cache_is_used_where_all_is_there_and_else_missed(
    vault: Services, ada: Principal, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], Any]
) -> None:
    cache = _Memory()
    monkeypatch.setattr(vault.people.sessions, "_cache", cache)
    secret = log_in(vault, "ada").secret
    with as_newer(vault, change):
        vault.people.sessions.authenticate(secret, "api", "192.0.2.10", "request")
    assert len(cache.blobs) == 1
    with statements(vault) as seen:
        assert vault.people.sessions.authenticate(secret, "api", "192.0.2.10", "request").user_id == ada.user_id
    assert len(seen) == (0 if change is with_more else 1)


# -- Records of reads --


def _left_behind(vault: Services, ada: Principal, change: Callable[[Any], Any]) -> None:
    """Two reads in the spool of a worker that died; its release writes records as `change` makes them."""
    with opened_again(vault) as dying:
        values(dying, ada, "prod")
        with as_newer(dying, change):
            values(dying, ada, "prod")
        dying.audit.reads._spool.close()


def _reads(vault: Services) -> list[Any]:
    return run_sql(vault, "SELECT details FROM audit_events WHERE action = 'values.read' ORDER BY at_us")


def _files(vault: Services) -> list[Path]:
    return list((vault.settings.data_dir / "spool").rglob("*.spool"))


def test_a_record_with_more_facts_is_brought_in_with_all_of_them(vault: Services, ada: Principal, prod: str) -> None:
    _left_behind(vault, ada, lambda facts: [*facts, "from_the_future", 7])
    drain(vault)
    plain, longer = (json.loads(row.details) if row.details else {} for row in _reads(vault))
    assert (plain.get("more"), longer["more"]) == (None, ["from_the_future", 7])
    assert {name: value for name, value in longer.items() if name != "more"} == plain
    assert vault.audit.verifier.verify().faults == []


@pytest.mark.parametrize("change", [lambda facts: {"v": 2, "facts": facts}, lambda facts: facts[:3]])
def test_a_record_of_another_shape_stops_no_drain_and_waits_for_a_newer_release(
    vault: Services, ada: Principal, prod: str, change: Callable[[Any], Any]
) -> None:
    _left_behind(vault, ada, change)
    _left_behind(vault, ada, lambda facts: facts)
    for _ in range(2):
        drain(vault)
    # The other file is in, and so is the rest of this one; nothing is there twice.
    assert len(_reads(vault)) == 3
    assert len(_files(vault)) == 1

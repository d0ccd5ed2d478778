"""`values` take two statements at most: the credential, and one that returns the right layers of the environment.

Another worker makes the changes, so the worker that reads hears of them only by the number of the newest change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.integration.storage.spy import statements
from tests.support.bases import build, change, delete, stand, undelete
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    opened_again,
    patch,
    values,
    write,
)
from vault.errors import NotFound
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import Question
from vault.storage.walks import hot

Credential = Callable[[Services], Principal]


@pytest.fixture(autouse=True)
def upgraded(vault: Services) -> None:
    """The row format with `base_ids` is open, as a job opens it once no older release runs."""
    vault.keys.upgrading.open(HOST)


@pytest.fixture
def worker(vault: Services, clock: FakeClock) -> Iterator[Services]:
    """Another worker, which has read nothing yet."""
    with opened_again(vault, clock) as again:
        yield again


@pytest.fixture(params=["token", "session"])
def credential(request: pytest.FixtureRequest, vault: Services, ada: Principal) -> Credential:
    if request.param == "session":
        session = log_in(vault, "ada").secret
        return lambda reader: as_session(reader, session)
    token = add_token(vault, ada, grant("read", path="*"), grant("read", globals=True)).secret
    return lambda reader: as_token(reader, token)


def read(worker: Services, credential: Credential, reference: str) -> tuple[dict[str, str], Sequence[str]]:
    """The values, and the statements that they took."""
    with statements(worker) as seen:
        found = values(worker, credential(worker), reference)
    return dict(found), seen


def is_long(seen: Sequence[str]) -> bool:
    return any("RECURSIVE" in statement for statement in seen)


def is_right(worker: Services, credential: Credential, reference: str, expected: set[str]) -> bool:
    """Report whether the reads from now on take two statements, and all return these names."""
    for _ in range(3):
        found, seen = read(worker, credential, reference)
        assert (set(found), len(seen)) == (expected, 2)
    return True


def test_values_on_bases_take_two_statements_always(
    vault: Services, worker: Services, ada: Principal, credential: Credential
) -> None:
    ids = build(vault, ada, "prod:a,b a:c")
    below = {"NAME", "IN_a", "IN_b", "IN_c"}
    for reference in ("prod", ids["prod"]):
        assert is_right(worker, credential, reference, {*below, "IN_prod"})
    stand(vault, ada, "prod")
    for reference in ("prod", ids["prod"]):
        assert is_right(worker, credential, reference, {"NAME", "IN_prod"})
    stand(vault, ada, "prod", "a", "b")
    for reference in ("prod", ids["prod"]):
        assert is_right(worker, credential, reference, {*below, "IN_prod"})
    change(vault, ada, "prod", name="live")
    change(vault, ada, "b", name="prod")
    assert is_right(worker, credential, "live", {*below, "IN_prod"})
    assert is_right(worker, credential, "prod", {"NAME", "IN_b"})


def by_setting(vault: Services, ada: Principal) -> None:
    stand(vault, ada, "prod", "low")


def by_a_wish(vault: Services, ada: Principal) -> None:
    write(vault, lambda unit: vault.environments.bases.change(unit, ada, "prod", {"bases": ["low"]}))


def by_renaming(vault: Services, ada: Principal) -> None:
    change(vault, ada, "prod", name="old")
    change(vault, ada, "other", name="prod")


def by_undeleting(vault: Services, ada: Principal) -> None:
    delete(vault, ada, "prod")
    delete(vault, ada, "other")
    undelete(vault, ada, "other", "prod")


def by_copying(vault: Services, ada: Principal) -> None:
    delete(vault, ada, "prod")
    write(vault, lambda unit: vault.environments.making.copy(unit, ada, "other", "prod"))


def by_erasing(vault: Services, ada: Principal) -> None:
    write(vault, lambda unit: vault.vaultkv.metadata.erase(unit, ada, "prod"))
    change(vault, ada, "other", name="prod")


@pytest.mark.parametrize("way", [by_setting, by_a_wish, by_renaming, by_undeleting, by_copying, by_erasing])
def test_each_way_to_come_upon_bases_is_heard_of_before_the_layers_are_read(
    vault: Services,
    worker: Services,
    ada: Principal,
    credential: Credential,
    way: Callable[[Services, Principal], None],
) -> None:
    ids = build(vault, ada, "other:low")
    ids["prod"] = add_environment(vault, ada, "prod", IN_prod="1").id
    assert is_right(worker, credential, "prod", {"IN_prod"})
    assert is_right(worker, credential, ids["prod"], {"IN_prod"})
    way(vault, ada)
    found, seen = read(worker, credential, "prod")
    assert len(seen) == 2
    assert found.keys() > {"NAME", "IN_low"}
    if way in (by_setting, by_a_wish):
        assert is_right(worker, credential, ids["prod"], {*found})


def test_the_short_statement_is_used_until_the_owner_changes_something(
    vault: Services, worker: Services, ada: Principal, bob: Principal, credential: Credential
) -> None:
    add_environment(vault, ada, "prod", A="1")
    add_environment(vault, ada, "other", A="1")
    for reference in ("prod", "other"):
        assert [is_long(read(worker, credential, reference)[1]) for _ in range(3)] == [True, False, False]
    add_environment(vault, bob, "prod", A="2")
    assert not is_long(read(worker, credential, "prod")[1])
    patch(vault, ada, "other", A="3")
    assert read(worker, credential, "other")[0] == {"A": "3"}
    assert [is_long(read(worker, credential, "prod")[1]) for _ in range(3)] == [True, False, False]


def test_the_globals_alone_are_read_by_the_short_statement(
    vault: Services, worker: Services, ada: Principal, credential: Credential
) -> None:
    patch(vault, ada, None, G="1")
    with statements(worker) as seen:
        found = worker.environments.values.read(credential(worker), None, Question()).resolved
    assert found is not None
    assert (found.values, len(seen), is_long(seen)) == ({"G": "1"}, 2, False)


def test_bases_that_are_set_after_the_credential_was_read_are_found(
    vault: Services, worker: Services, ada: Principal, credential: Credential
) -> None:
    build(vault, ada, "other:low")
    add_environment(vault, ada, "prod", IN_prod="1")
    assert is_right(worker, credential, "prod", {"IN_prod"})
    principal = credential(worker)
    stand(vault, ada, "prod", "low")
    assert set(values(worker, principal, "prod")) == {"NAME", "IN_prod", "IN_low"}
    assert is_right(worker, credential, "prod", {"NAME", "IN_prod", "IN_low"})


def test_what_is_remembered_is_bounded(
    vault: Services, worker: Services, ada: Principal, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "_REMEMBERED_MOST", 3)
    names = [f"env{number}" for number in range(5)]
    for name in names:
        add_environment(vault, ada, name, **{name: "1"})
    remembered = worker.environments.values._hot._by_name._without_bases
    for name in [*names, *names]:
        found, seen = read(worker, credential, name)
        assert (found, len(seen)) == ({name: "1"}, 2)
        assert 1 <= len(remembered) <= 3
    before = dict(remembered)
    for number in range(5):
        with pytest.raises(NotFound):
            values(worker, credential(worker), f"none{number}")
    assert remembered == before

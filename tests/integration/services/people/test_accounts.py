"""Accounts: one answer for every failed login, and a throttle that never locks the owner out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest
from argon2 import low_level

from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    add_person,
    add_token,
    as_session,
    as_token,
    change_password,
    erase_oneself,
    grant,
    log_in,
    opened_again,
    run_sql,
    write,
)
from vault.crypto import PasswordParameters, context, hash_password, parameters_of, verify_password
from vault.errors import (
    BadLogin,
    BlobError,
    Forbidden,
    InvalidInput,
    MacError,
    NameTaken,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
)
from vault.model.principal import Principal, Role
from vault.services import Services
from vault.services.people.throttle import ACCOUNT_FAILURES, PAIR_FAILURES
from vault.services.people.visit import Visit
from vault.storage import Credential, UnitOfWork

OTHER_PASSWORD = "velvet anchor sixteen plums"


@contextmanager
def hashing() -> Iterator[list[str]]:
    """Counts every Argon2 computation."""
    seen: list[str] = []

    def counted(whole: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object, **more: object) -> object:
            seen.append("hash")
            return whole(*arguments, **more)

        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(low_level, "hash_secret", counted(low_level.hash_secret))
        patch.setattr(low_level, "verify_secret", counted(low_level.verify_secret))
        yield seen


def refusal(vault: Services, name: str, password: str, address: str = ADDRESS) -> Exception:
    with pytest.raises(NotAuthenticated) as caught:
        vault.people.accounts.authenticate(name, password, address)
    return caught.value


def credential(unit: UnitOfWork, user_id: str) -> Credential:
    return unit.credentials.of_user(user_id, "password")[0]


def test_unknown_disabled_and_wrong_are_told_alike_at_the_same_cost(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "bob", active=False))
    told = set()
    for name, password in (("nobody", PASSWORD), ("bob", PASSWORD), ("ada", "wrong password!"), ("x" * 500, "wrong!")):
        with hashing() as seen:
            error = refusal(vault, name, password)
        assert len(seen) == 1, name
        told.add((type(error), str(error)))
    assert told == {(BadLogin, BadLogin.sentence)}
    assert vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id


def test_a_password_is_no_password_less_or_more_a_character(vault: Services, ada: Principal) -> None:
    for wrong in (PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper()):
        refusal(vault, "ada", wrong)


def test_the_throttle_comes_before_the_hash(vault: Services, ada: Principal) -> None:
    fill_pair(vault, "ada", ADDRESS)
    with hashing() as seen, pytest.raises(TooManyRequests) as caught:
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    assert seen == []
    assert 0 < caught.value.retry_after_seconds <= 900


def fail(vault: Services, name: str, address: str) -> None:
    """One failed attempt, without its hash."""
    with vault.storage.write() as unit:
        user = unit.users.by_name("ada")
        vault.people.accounts._throttle.admit(unit, name, address, user.id if user and name == "ada" else None)


def fail_often(vault: Services, attempts: Iterable[tuple[str, str]]) -> None:
    for name, address in attempts:
        fail(vault, name, address)


def fill_pair(vault: Services, name: str, address: str) -> None:
    fail_often(vault, [(name, address)] * PAIR_FAILURES)


def test_a_failed_login_counts_and_a_right_one_does_not(vault: Services, ada: Principal, clock: FakeClock) -> None:
    for _ in range(PAIR_FAILURES + 5):
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    for _ in range(PAIR_FAILURES):
        refusal(vault, "ada", "wrong password!")
    with pytest.raises(TooManyRequests):
        vault.people.accounts.authenticate("ada", "wrong password!", ADDRESS)
    clock.advance(15 * 60 + 1)
    vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)


@pytest.mark.parametrize("variant", ["ADA", " ada ", "\uff41da", "Ada\u2003", "\u00a0aDa"])
def test_variants_of_a_name_share_one_counter(vault: Services, ada: Principal, variant: str) -> None:
    for _ in range(PAIR_FAILURES):
        refusal(vault, variant, "wrong password!")
    with pytest.raises(TooManyRequests):
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)


def test_somebody_guesses_all_day_and_the_owner_gets_in_from_where_they_were_before(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    vault.people.accounts.authenticate("ada", PASSWORD, "198.51.100.7")
    attacked = 0
    for hour in range(0, 24, 3):
        for attempt in range(22):
            # A new address for every guess.
            with suppress(TooManyRequests):
                fail(vault, "ada", f"203.0.{hour}.{attempt}")
                attacked += 1
        assert vault.people.accounts.authenticate("ada", PASSWORD, "198.51.100.7").id == ada.user_id
        clock.advance(3 * 3600)
    assert attacked >= 8 * ACCOUNT_FAILURES
    with pytest.raises(TooManyRequests):
        fail_often(vault, [("ada", f"203.1.0.{attempt}") for attempt in range(ACCOUNT_FAILURES + 2)])


def test_an_address_is_known_for_thirty_days(vault: Services, ada: Principal, clock: FakeClock) -> None:
    vault.people.accounts.authenticate("ada", PASSWORD, "198.51.100.7")
    clock.advance(30 * 86_400 + 1)
    for attempt in range(ACCOUNT_FAILURES):
        fail(vault, "ada", f"203.0.113.{attempt}")
    with pytest.raises(TooManyRequests):
        fail(vault, "ada", "198.51.100.7")


def test_one_address_at_many_accounts_is_slowed(vault: Services, ada: Principal) -> None:
    with pytest.raises(TooManyRequests):
        fail_often(vault, [(f"user{number}", "203.0.113.9") for number in range(60)])
    fail(vault, "user1", "203.0.113.10")


def test_what_is_counted_does_not_lie_in_the_clear(vault: Services, ada: Principal) -> None:
    refusal(vault, "ada", "wrong password!", "198.51.100.77")
    stored = str(run_sql(vault, "SELECT * FROM throttle")) + str(run_sql(vault, "SELECT * FROM known_addresses"))
    assert "ada" not in stored
    assert "198.51" not in stored


def test_a_hash_moved_between_users_is_refused(vault: Services, ada: Principal, bob: Principal) -> None:
    [(blob, key)] = run_sql(vault, "SELECT blob, user_key_id FROM credentials WHERE user_id = :id", id=bob.user_id)
    moved = {"blob": blob, "key": key, "id": ada.user_id}
    run_sql(vault, "UPDATE credentials SET blob = :blob, user_key_id = :key WHERE user_id = :id", **moved)
    with pytest.raises(MacError):
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    vault.people.accounts.authenticate("bob", PASSWORD, ADDRESS)


def test_a_hash_moved_between_users_does_not_open_even_under_a_good_mac(
    vault: Services, ada: Principal, bob: Principal
) -> None:
    def move(unit: UnitOfWork) -> None:
        unit.credentials.change(credential(unit, ada.user_id), blob=credential(unit, bob.user_id).blob)

    write(vault, move)
    with pytest.raises(BlobError):
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)


@pytest.mark.parametrize(
    "costs", ["m=4194304,t=3,p=1", "m=8,t=1,p=1", "m=65536,t=3,p=9999", "m=65536,t=4000000000,p=1"]
)
def test_a_hash_that_asks_for_too_much_or_too_little_is_refused_before_it_is_computed(
    vault: Services, ada: Principal, costs: str
) -> None:
    phc = hash_password(PASSWORD, vault.people.accounts.parameters).split("$")
    store_hash(vault, ada.user_id, "$".join([*phc[:3], costs, *phc[4:]]))
    with hashing() as seen, pytest.raises(BlobError):
        vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    assert seen == []


def store_hash(vault: Services, user_id: str, phc: str) -> None:
    place = context.system_secret(vault.instance.id, "password", user_id)
    blob = vault.instance.seal(place, phc.encode())
    write(vault, lambda unit: unit.credentials.change(credential(unit, user_id), blob=blob))


@pytest.fixture
def dearer(vault: Services) -> Iterator[Services]:
    """The same vault after the operator has made hashes dearer."""
    with opened_again(vault, argon2_passes=3) as opened:
        yield opened


def test_the_hash_moves_to_new_parameters_at_the_next_login(vault: Services, dearer: Services, ada: Principal) -> None:
    def stored() -> bytes:
        with vault.storage.read() as unit:
            return bytes(credential(unit, ada.user_id).blob)

    before = stored()
    vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    assert stored() == before
    dearer.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    assert stored() != before
    with hashing() as seen:
        dearer.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    assert len(seen) == 1


def test_many_logins_at_once_that_all_rehash_all_succeed(dearer: Services, ada: Principal) -> None:
    found: list[object] = []

    def run() -> None:
        try:
            found.append(dearer.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id)
        except Exception as error:
            found.append(error)

    in_threads(run, 4)
    assert found == [ada.user_id] * 4


def in_threads(run: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_password_that_changes_during_a_login_lets_nobody_in_and_stays(
    vault: Services, dearer: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old password was right when it was looked at; it is not when its rehash would be stored."""
    whole = low_level.verify_secret

    def meanwhile(*arguments: object) -> object:
        monkeypatch.setattr(low_level, "verify_secret", whole)
        write(vault, lambda unit: vault.people.accounts.set_password(unit, HOST, "ada", OTHER_PASSWORD))
        return whole(*arguments)  # type: ignore[arg-type] # Handed on as they came.

    monkeypatch.setattr(low_level, "verify_secret", meanwhile)
    refusal(dearer, "ada", PASSWORD)
    refusal(vault, "ada", PASSWORD)
    vault.people.accounts.authenticate("ada", OTHER_PASSWORD, ADDRESS)


def test_no_session_begins_after_the_password_has_changed(vault: Services, ada: Principal) -> None:
    user = vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)
    write(vault, lambda unit: vault.people.accounts.set_password(unit, HOST, "ada", OTHER_PASSWORD))
    with pytest.raises(BadLogin):
        write(vault, lambda unit: vault.people.sessions.begin(unit, user, Visit("api", ADDRESS, "test", "request")))


def test_a_new_password_ends_the_other_sessions(vault: Services, ada: Principal) -> None:
    other, mine = log_in(vault, "ada"), log_in(vault, "ada")
    change_password(vault, as_session(vault, mine.secret), PASSWORD, OTHER_PASSWORD)
    as_session(vault, mine.secret)
    with pytest.raises(NotAuthenticated):
        as_session(vault, other.secret)
    refusal(vault, "ada", PASSWORD)
    vault.people.accounts.authenticate("ada", OTHER_PASSWORD, ADDRESS)


def test_a_new_password_needs_the_current_one_and_is_looked_at(vault: Services, ada: Principal) -> None:
    with pytest.raises(BadLogin):
        change_password(vault, ada, "wrong password!", OTHER_PASSWORD)
    for weak in ("short", "password1234", "x" * 1025):
        with pytest.raises(InvalidInput):
            change_password(vault, ada, PASSWORD, weak)
    vault.people.accounts.authenticate("ada", PASSWORD, ADDRESS)


def test_an_operators_new_password_ends_all_sessions(vault: Services, ada: Principal) -> None:
    session = log_in(vault, "ada")
    write(vault, lambda unit: vault.people.accounts.set_password(unit, HOST, "ada", OTHER_PASSWORD))
    with pytest.raises(NotAuthenticated):
        as_session(vault, session.secret)
    vault.people.accounts.authenticate("ada", OTHER_PASSWORD, ADDRESS)


def test_disabling_ends_sessions_and_stops_tokens(vault: Services, ada: Principal) -> None:
    session, token = log_in(vault, "ada"), add_token(vault, ada, grant("read", path="*"))
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ada", active=False))
    with pytest.raises(NotAuthenticated):
        as_session(vault, session.secret)
    with pytest.raises(NotAuthenticated):
        as_token(vault, token.secret)
    write(vault, lambda unit: vault.people.accounts.set_state(unit, HOST, "ADA", active=True))
    with pytest.raises(NotAuthenticated):
        as_session(vault, session.secret)
    as_token(vault, token.secret)


def test_a_new_role_ends_sessions(vault: Services, ada: Principal) -> None:
    session = log_in(vault, "ada")
    write(vault, lambda unit: vault.people.accounts.set_role(unit, HOST, "ada", Role.OPERATOR))
    with pytest.raises(NotAuthenticated):
        as_session(vault, session.secret)
    assert as_session(vault, log_in(vault, "ada").secret).role is Role.OPERATOR


def test_no_two_people_have_variants_of_one_name(vault: Services, ada: Principal) -> None:
    for name in ("ada", "ADA", " \uff41da "):
        with pytest.raises(NameTaken):
            add_person(vault, name)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\x00b", "a\nb", "x" * 65, "a\u202eb", "\u200b"])
def test_these_are_no_usernames(vault: Services, name: str) -> None:
    with pytest.raises(InvalidInput):
        write(vault, lambda unit: vault.people.accounts.add(unit, HOST, name, PASSWORD))


def test_accounts_are_made_and_changed_by_operators_only(vault: Services, ada: Principal) -> None:
    for call in (
        lambda unit: vault.people.accounts.add(unit, ada, "eve", PASSWORD),
        lambda unit: vault.people.accounts.set_role(unit, ada, "ada", Role.OPERATOR),
        lambda unit: vault.people.accounts.set_state(unit, ada, "ada", active=True),
        lambda unit: vault.people.accounts.set_password(unit, ada, "ada", OTHER_PASSWORD),
        lambda _: vault.people.accounts.list(ada),
    ):
        with pytest.raises(Forbidden):
            write(vault, call)
    with pytest.raises(NotFound):
        write(vault, lambda unit: vault.people.accounts.set_role(unit, HOST, "nobody", Role.OPERATOR))


def test_a_token_never_touches_accounts(vault: Services, ada: Principal) -> None:
    principal = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    for call in (
        lambda: vault.people.accounts.me(principal),
        lambda: change_password(vault, principal, PASSWORD, OTHER_PASSWORD),
        lambda: erase_oneself(vault, principal, PASSWORD),
        lambda: vault.people.sessions.list(principal),
    ):
        with pytest.raises(Forbidden):
            call()


def test_an_erased_person_leaves_no_key_and_no_environment(vault: Services, ada: Principal, bob: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    add_environment(vault, bob, "prod", A="2")
    token = add_token(vault, ada, grant("read", path="*"))
    with pytest.raises(BadLogin):
        erase_oneself(vault, ada, "wrong password!")
    erase_oneself(vault, ada, PASSWORD)
    for table, column in (
        ("users", "id"),
        ("user_keys", "owner_id"),
        ("environments", "owner_id"),
        ("tokens", "user_id"),
    ):
        assert run_sql(vault, f"SELECT 1 FROM {table} WHERE {column} = :id", id=ada.user_id) == []
    assert len(run_sql(vault, "SELECT 1 FROM revisions")) == 1
    with pytest.raises(NotAuthenticated):
        as_token(vault, token.secret)
    assert vault.environments.variables.read(bob, "prod").revision == 1


def test_another_worker_sees_the_same_accounts(vault: Services, ada: Principal) -> None:
    with opened_again(vault) as other:
        assert other.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id


def test_an_unknown_name_costs_what_a_stored_hash_costs(
    vault: Services, ada: Principal, bob: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the costs were raised, and until everybody has logged in, both costs are stored."""
    old = vault.people.accounts.parameters
    raised = PasswordParameters(old.memory_kib, old.passes + 1, old.lanes)
    seen: list[PasswordParameters] = []

    def spied(phc: str, password: str) -> bool:
        seen.append(parameters_of(phc))
        return verify_password(phc, password)

    def costs(other: Services, *names: str) -> list[int]:
        seen.clear()
        for name in names:
            with suppress(BadLogin):
                other.people.accounts.authenticate(name, "wrong password!", ADDRESS)
        return [cost.passes for cost in seen]

    monkeypatch.setattr("vault.services.people.accounts.verify_password", spied)
    names = [f"nobody-{number}" for number in range(6)]
    with opened_again(vault, argon2_passes=raised.passes) as other:
        assert costs(other, "ada", *names) == [old.passes] * 7
        for name in ("ada", "bob"):
            other.people.accounts.authenticate(name, PASSWORD, ADDRESS)
        assert costs(other, "ada", *names) == [raised.passes] * 7


def test_an_unknown_name_has_always_the_same_cost(vault: Services, ada: Principal, bob: Principal) -> None:
    accounts = vault.people.accounts
    raised = PasswordParameters(accounts.parameters.memory_kib, accounts.parameters.passes + 1, 1)
    accounts.parameters = raised
    accounts.authenticate("ada", PASSWORD, ADDRESS)
    seen: set[int] = set()
    with vault.storage.read() as unit:
        # The two people's rows may lie close together. Then only a few names lead to one of them.
        for number in range(5_000):
            costs = {accounts._cost_of_somebody(unit, f"nobody-{number}").passes for _ in range(3)}
            assert len(costs) == 1
            seen |= costs
            if number >= 40 and len(seen) == 2:
                break
    assert seen == {raised.passes, raised.passes - 1}

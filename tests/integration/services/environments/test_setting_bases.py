"""Who may set which bases: loops, limits, rights, other owners, two writers at once, and a format that is not open."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from tests.support.bases import bases_of, build, delete, stand
from tests.support.patience import HANG_SECONDS
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    opened_again,
    run_sql,
    values,
    write,
)
from vault.errors import InvalidInput, NotFound, NotGranted
from vault.model.bases import split
from vault.model.principal import Principal
from vault.services import Services


@pytest.fixture(autouse=True)
def upgraded(vault: Services) -> None:
    """The row format with `base_ids` is open, as a job opens it once no older release runs."""
    vault.keys.upgrading.open(HOST)


LOOPS = {
    "itself": ("a", ["a"]),
    "each other": ("b", ["a"]),
    "through three": ("d", ["a"]),
    "beside another": ("c", ["low", "a"]),
}


@pytest.mark.parametrize(("name", "bases"), LOOPS.values(), ids=list(LOOPS))
def test_nothing_stands_on_itself(vault: Services, ada: Principal, name: str, bases: list[str]) -> None:
    ids = build(vault, ada, "a:b b:c c:d d:low")
    with pytest.raises(InvalidInput, match="be its own base") as caught:
        stand(vault, ada, name, *bases)
    assert caught.value.path == "bases"
    assert bases_of(vault, ada, "c") == (ids["d"],)


def test_fewer_bases_and_another_order_are_never_refused(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "top:a a:b b:c c:d,e")
    stand(vault, ada, "c", "e", "d")
    assert bases_of(vault, ada, "c") == (ids["e"], ids["d"])
    stand(vault, ada, "c", "e")
    stand(vault, ada, "c")
    assert set(values(vault, ada, "top")) == {"NAME", "IN_top", "IN_a", "IN_b", "IN_c"}


def test_a_loop_through_a_deleted_environment_is_refused_because_it_can_come_back(
    vault: Services, ada: Principal
) -> None:
    build(vault, ada, "a:b b:c")
    delete(vault, ada, "b")
    with pytest.raises(InvalidInput, match="be its own base"):
        stand(vault, ada, "c", "a")


def test_two_writers_at_once_make_no_loop(vault: Services, ada: Principal, clock: FakeClock) -> None:
    ids = build(vault, ada, "a:low b:low")
    refused: list[str] = []

    def put_b_on_a(other: Services) -> None:
        try:
            stand(other, ada, "b", "a")
        except InvalidInput as error:
            refused.append(str(error))

    with opened_again(vault, clock) as other:
        thread = threading.Thread(target=put_b_on_a, args=(other,))
        with vault.storage.write() as unit:
            vault.environments.bases.set(unit, ada, "a", ["b"])
            thread.start()
            # The other writer waits for this one, whatever it has read until then.
            thread.join(0.3)
        thread.join(HANG_SECONDS)
    assert len(refused) == 1
    assert "be its own base" in refused[0]
    assert (bases_of(vault, ada, "a"), bases_of(vault, ada, "b")) == ((ids["b"],), (ids["low"],))


def _unknown(vault: Services, ada: Principal, bob: Principal) -> str:
    return "unknown"


def _unknown_id(vault: Services, ada: Principal, bob: Principal) -> str:
    return "0b8c6c38-6bd0-4a4e-9d7e-0d4f6f3d8c11"


def _of_bob(vault: Services, ada: Principal, bob: Principal) -> str:
    return str(add_environment(vault, bob, "his", A="1").id)


def _deleted(vault: Services, ada: Principal, bob: Principal) -> str:
    deleted = add_environment(vault, ada, "deleted").id
    delete(vault, ada, "deleted")
    return str(deleted)


def _globals(vault: Services, ada: Principal, bob: Principal) -> str:
    return vault.environments.environments.get(ada, None).id


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_unknown, "no such environment"),
        (_unknown_id, "no such environment"),
        (_of_bob, "no such environment"),
        (_deleted, "no such environment"),
        (_globals, "are beneath every environment"),
    ],
)
def test_a_base_is_a_living_environment_of_the_same_owner(
    vault: Services,
    ada: Principal,
    bob: Principal,
    make: Callable[[Services, Principal, Principal], str],
    sentence: str,
) -> None:
    build(vault, ada, "prod:common")
    reference = make(vault, ada, bob)
    with pytest.raises(InvalidInput, match=sentence) as caught:
        stand(vault, ada, "prod", "common", reference)
    assert caught.value.path == "bases.1"
    token = add_token(vault, ada, grant("update,read,list", path="prod"), grant("read", path="common")).secret
    with pytest.raises(NotGranted):
        stand(vault, as_token(vault, token), "prod", reference)


def test_globals_have_no_bases(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "common")
    globals_id = vault.environments.environments.get(ada, None).id
    with pytest.raises(InvalidInput, match="cannot have bases"):
        stand(vault, ada, globals_id, "common")


def test_a_base_is_named_once_by_name_or_by_id(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:common")
    for twice in (("common", "common"), ("common", ids["common"]), (ids["common"].upper(), ids["common"])):
        with pytest.raises(InvalidInput, match="twice") as caught:
            stand(vault, ada, "prod", *twice)
        assert caught.value.path == "bases.1"


def test_eight_bases_and_no_more(vault: Services, ada: Principal) -> None:
    names = [f"base-{number}" for number in range(9)]
    for name in ("prod", *names):
        add_environment(vault, ada, name, NAME=name)
    assert len(split(stand(vault, ada, "prod", *names[:8]).base_ids)) == 8
    assert values(vault, ada, "prod")["NAME"] == "prod"
    with pytest.raises(InvalidInput, match="at most 8 bases"):
        stand(vault, ada, "prod", *names)


def test_four_deep_and_no_deeper_from_either_end(vault: Services, ada: Principal) -> None:
    build(vault, ada, "a:b b:c c:d d:e f:g")
    assert set(values(vault, ada, "a")) == {"NAME", *(f"IN_{name}" for name in "abcde")}
    for name, base in (("e", "f"), ("f", "a"), ("d", "f")):
        with pytest.raises(InvalidInput, match="A chain of bases"):
            stand(vault, ada, name, base)
    # A short way to an environment does not hide the long one.
    with pytest.raises(InvalidInput, match="A chain of bases"):
        stand(vault, ada, "f", "e", "a")
    stand(vault, ada, "f", "b", "e")


def test_thirty_two_beneath_and_no_more(vault: Services, ada: Principal) -> None:
    wide = " ".join(f"m{n}:{','.join(f'm{n}-{k}' for k in range(8))}" for n in range(4))
    build(vault, ada, f"prod:m0,m1,m2 {wide}")
    assert len(values(vault, ada, "prod")) == 1 + 1 + 27
    with pytest.raises(InvalidInput, match="at most 32"):
        stand(vault, ada, "prod", "m0", "m1", "m2", "m3")
    stand(vault, ada, "prod", "m0", "m1", "m2", *(f"m3-{k}" for k in range(5)))
    assert len(values(vault, ada, "prod")) == 1 + 1 + 32
    with pytest.raises(InvalidInput, match="that has this one as a base"):
        stand(vault, ada, "m0-0", "m3")


def test_whoever_sets_a_base_may_read_all_that_comes_in_with_it(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "mine:free open:secret")
    rights = [grant("list,read,update", path="mine"), grant("read", path="free"), grant("read", path="open")]
    who = as_token(vault, add_token(vault, ada, *rights).secret)
    for refused in (["secret"], ["free", ids["secret"]], ["open"], [ids["open"], "free"]):
        with pytest.raises(NotGranted):
            stand(vault, who, "mine", *refused)
    assert bases_of(vault, ada, "mine") == (ids["free"],)
    stand(vault, ada, "open")
    stand(vault, who, "mine", "open", "free")


def test_update_alone_sets_no_base_and_takes_one_out(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "mine:secret,other")
    who = as_token(vault, add_token(vault, ada, grant("update", path="mine")).secret)
    for refused in (["secret"], [ids["secret"], "other"], ["unknown"]):
        with pytest.raises(NotGranted):
            stand(vault, who, "mine", *refused)
    stand(vault, who, "mine", ids["other"])
    assert bases_of(vault, ada, "mine") == (ids["other"],)
    reader = as_token(vault, add_token(vault, ada, grant("read,list", path="mine")).secret)
    with pytest.raises(NotGranted):
        stand(vault, reader, "mine")
    with pytest.raises(NotGranted):
        stand(vault, reader, "unknown")
    with pytest.raises(NotFound):
        stand(vault, ada, "unknown")


def test_a_copy_stands_on_the_same_bases(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:a,b")
    delete(vault, ada, "b")
    write(vault, lambda unit: vault.environments.variables.copy(unit, ada, "prod", "copy"))
    assert bases_of(vault, ada, "copy") == (ids["a"], ids["b"])
    who = as_token(vault, add_token(vault, ada, grant("read,create", path="prod"), grant("create", path="new")).secret)
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.variables.copy(unit, who, "prod", "new"))


def test_the_audit_gets_the_change_and_the_layers_of_an_answer(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    ids = build(vault, ada, "prod:a")
    add_environment(vault, ada, "b")
    clock.advance(1)
    row = stand(vault, ada, "prod", "b", "a")
    stand(vault, ada, "prod", "b", "a")
    rows = run_sql(vault, "SELECT details FROM audit_events WHERE action = 'environment.bases' ORDER BY at_us")
    assert [json.loads(details) for (details,) in rows] == [
        {"bases": [ids["a"]], "before": []},
        {"bases": list(split(row.base_ids)), "before": [ids["a"]]},
    ]


def deletion(vault: Services, who: Principal, name: str) -> tuple[str, ...]:
    """The warnings of a deletion that is not stored."""
    with vault.storage.write() as unit:
        unit.abandon()
        return vault.environments.environments.delete(unit, who, name)


def test_deleting_a_base_tells_how_many_stand_on_it(vault: Services, ada: Principal, bob: Principal) -> None:
    build(vault, ada, "prod:mid mid:low gone:low other:mid")
    build(vault, bob, "prod:low")
    delete(vault, ada, "gone")
    (several,) = deletion(vault, ada, "low")
    assert several.startswith("3 environments have this one as a base. Their values")
    assert deletion(vault, ada, "prod") == ()
    delete(vault, ada, "other")
    (one,) = deletion(vault, ada, "mid")
    assert one.startswith("1 environment has this one as a base. Its values")
    # What stands on it only through a deleted one has lost it already.
    delete(vault, ada, "mid")
    assert deletion(vault, ada, "low") == ()


def test_the_warning_names_nothing(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "secret-name:low")
    who = as_token(vault, add_token(vault, ada, grant("delete", path="low")).secret)
    (warning,) = deletion(vault, who, "low")
    assert "1 environment" in warning
    assert not any(word in warning for word in ("secret-name", "low", *ids.values()))

"""Bases that no caller can have set, and bases that are too large: a read ends, refuses, and opens nothing of them.

`doctor` names the former.
"""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.integration.services.tampering import copy_of, put_back_row
from tests.integration.storage.spy import statements
from tests.support.bases import build, delete, stand
from tests.support.vaults import HOST, FakeClock, add_environment, patch, run_sql, values
from vault.errors import IntegrityError, MacError, ResolutionTooLarge
from vault.jobs.purge import purge
from vault.model.bases import BENEATH_MAX_BYTES, BENEATH_MOST
from vault.model.principal import Principal
from vault.services import Services
from vault.services.doctor import Sweep
from vault.storage import HotReads, Layers

MEBIBYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def upgraded(vault: Services) -> None:
    """The row format with `base_ids` is open, as a job opens it once no older release runs."""
    vault.keys.upgrading.open(HOST)


def row_of(vault: Services, name: str) -> dict[str, Any]:
    return next(row for row in copy_of(vault, "environments")["environments"] if row["name"] == name)


def layers(vault: Services, who: Principal, name: str) -> Layers:
    """What the statement returns, to a process that has read nothing before."""
    return HotReads(vault.storage).layers(who.user_id, name, None, by_id=False)


@pytest.mark.parametrize("chain", ["ab", "abc", "abcde", "abcdefg"])
def test_an_old_row_that_makes_a_loop_is_refused(vault: Services, ada: Principal, chain: str) -> None:
    for name in chain:
        add_environment(vault, ada, name, NAME=name)
    old = []
    for name, base in zip(chain, chain[1:] + chain[0], strict=True):
        stand(vault, ada, name, base)
        old.append(row_of(vault, name))
        stand(vault, ada, name)
    for row in old:
        put_back_row(vault, "environments", row)
    for name in chain:
        with pytest.raises(IntegrityError):
            values(vault, ada, name)
        assert len(layers(vault, ada, name).bases) <= len(chain)
    faults = Sweep(vault.storage, vault.instance).references().faults
    assert len(faults) == len(chain)
    assert all("has bases that cannot be." in fault for fault in faults)
    # Their owner can mend it.
    for name in chain:
        stand(vault, ada, name)
        assert values(vault, ada, name) == {"NAME": name}


def test_an_old_row_that_puts_too_many_beneath_is_refused(vault: Services, ada: Principal) -> None:
    wide = " ".join(f"m{n}:{','.join(f'm{n}-{k}' for k in range(8))}" for n in range(4))
    build(vault, ada, wide)
    add_environment(vault, ada, "prod", A="1")
    stand(vault, ada, "m3")
    stand(vault, ada, "prod", "m0", "m1", "m2", "m3")
    before = row_of(vault, "prod")
    stand(vault, ada, "prod")
    stand(vault, ada, "m3", *(f"m3-{k}" for k in range(8)))
    put_back_row(vault, "environments", before)
    with pytest.raises(IntegrityError):
        values(vault, ada, "prod")
    assert len(layers(vault, ada, "prod").bases) == BENEATH_MOST + 1


def test_a_list_that_somebody_wrote_is_a_forgery(vault: Services, ada: Principal, bob: Principal) -> None:
    ids = build(vault, ada, "prod:a b:c")
    his = add_environment(vault, bob, "his", SECRET="bob")
    for forged in (ids["b"], his.id, "", "rubbish", f"{ids['a']} {ids['b']}", "x" * 37 * 300):
        run_sql(vault, "UPDATE environments SET base_ids = :forged WHERE id = :id", forged=forged[:300], id=ids["prod"])
        with pytest.raises(MacError):
            values(vault, ada, "prod")


def test_the_revision_of_a_base_cannot_be_taken_out(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:a")
    run_sql(vault, "DELETE FROM revisions WHERE environment_id = :id", id=ids["a"])
    with pytest.raises(IntegrityError):
        values(vault, ada, "prod")


def fill(vault: Services, who: Principal, name: str, size: int) -> None:
    patch(vault, who, name, BIG=secrets.token_hex(size // 2))


def test_bases_that_are_too_large_are_refused_before_one_is_fetched(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:a,b,c,d c:e")
    for name in "abce":
        fill(vault, ada, name, MEBIBYTE - 500)
    with pytest.raises(ResolutionTooLarge, match=r"larger than 4 MiB together\. Remove a base"):
        values(vault, ada, "prod")
    found = layers(vault, ada, "prod")
    sizes = [layer.revision.size for layer in found.bases.values() if layer.revision is not None]
    assert sum(sizes) > BENEATH_MAX_BYTES
    assert [layer.blob for layer in found.bases.values()] == [None] * 5
    # Its own variables can be read, and what stands beneath one of its bases too.
    assert vault.environments.variables.read(ada, "prod").variables
    assert "BIG" in values(vault, ada, "c")
    fill(vault, ada, "e", MEBIBYTE // 2)
    assert {"BIG", "IN_a", "IN_e", "IN_prod"} <= set(values(vault, ada, "prod"))


def test_large_globals_and_large_variables_of_its_own_do_not_count(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:a,b,c")
    for name in ("prod", "a", "b", "c"):
        fill(vault, ada, name, MEBIBYTE - 500)
    patch(vault, ada, None, BIG=secrets.token_hex(MEBIBYTE // 2 - 500))
    assert "BIG" in values(vault, ada, "prod")


def test_doctor_names_bases_that_cannot_be(vault: Services, ada: Principal, bob: Principal) -> None:
    ids = build(vault, ada, "prod:a,b a:low x:low")
    his = add_environment(vault, bob, "his").id
    unknown = "0b8c6c38-6bd0-4a4e-9d7e-0d4f6f3d8c11"

    def faults(base_ids: str) -> list[str]:
        run_sql(vault, "UPDATE environments SET base_ids = :ids WHERE id = :id", ids=base_ids, id=ids["x"])
        return Sweep(vault.storage, vault.instance).references().faults

    assert faults(ids["low"]) == []
    assert faults(unknown) == [f"Environment {ids['x']} has a base that never existed: {unknown}."]
    assert faults(f"{ids['a']} {his}") == [f"Environment {ids['x']} has a base of another owner: {his}."]
    (fault,) = faults(ids["x"])
    assert fault.startswith(f"Environment {ids['x']} has bases that cannot be. An environment cannot be its own base")
    assert faults(" ".join("abcdefghi")) == [f"Environment {ids['x']} has more than 8 bases."]


def test_doctor_finds_no_fault_in_deleted_and_purged_bases(vault: Services, ada: Principal, clock: FakeClock) -> None:
    build(vault, ada, "prod:a,b")
    delete(vault, ada, "a")
    assert Sweep(vault.storage, vault.instance).references().faults == []
    clock.advance(40 * 86_400)
    assert purge(vault)["environments"] == 1
    assert Sweep(vault.storage, vault.instance).references().faults == []
    assert set(values(vault, ada, "prod")) == {"NAME", "IN_prod", "IN_b"}


def test_doctor_reads_no_layers(vault: Services) -> None:
    with statements(vault) as seen:
        Sweep(vault.storage, vault.instance).references()
    assert not any("layers" in statement for statement in seen)

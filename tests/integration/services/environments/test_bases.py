"""What a reader gets of an environment on bases: which layer wins, what is left out, and when the ETag changes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.integration.storage.spy import statements
from tests.integration.storage.test_hot_reads import stock
from tests.support.bases import bases_of, build, change, delete, etag, stand, undelete, warnings
from tests.support.vaults import (
    HOST,
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    patch,
    put,
    run_sql,
    values,
    write,
)
from vault.model.bases import split
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import BASE_GONE, LAYER_EMPTY, LAYER_LEFT_OUT, Question


@pytest.fixture(autouse=True)
def upgraded(vault: Services) -> None:
    """The row format with `base_ids` is open, as a job opens it once no older release runs."""
    vault.keys.upgrading.open(HOST)


@pytest.mark.parametrize(
    ("graph", "winners"),
    [
        ("prod:a,b", "b"),
        ("prod:b,a", "a"),
        ("prod:a a:b b:c", "a"),
        # A base is below all that name it, whatever the order of the lists.
        ("prod:a,b a:b", "a"),
        ("prod:b,a a:b", "a"),
        ("prod:a,b a:low b:low", "b"),
        ("prod:low,a a:low", "a"),
    ],
    ids=["later wins", "other order", "chain", "named both ways", "and turned", "diamond", "diamond of two levels"],
)
def test_an_upper_layer_wins(vault: Services, ada: Principal, graph: str, winners: str) -> None:
    ids = build(vault, ada, graph)
    patch(vault, ada, "prod", NAME=None)
    patch(vault, ada, None, NAME="globals", GLOBAL="1")
    found = values(vault, ada, "prod")
    assert found.pop("NAME") == winners
    assert set(found) == {"GLOBAL", *(f"IN_{name}" for name in ids)}
    assert "GLOBAL" not in values(vault, ada, "prod", globals=False)
    assert found == {name: value for name, value in values(vault, ada, ids["prod"]).items() if name != "NAME"}


def test_references_go_through_three_layers_both_ways(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:eu eu:common")
    patch(vault, ada, None, SCHEME="https", URL="{{SCHEME}}://{{HOST}}")
    patch(vault, ada, "common", HOST="{{REGION}}.example", REGION="none")
    patch(vault, ada, "eu", REGION="eu-{{ZONE}}")
    patch(vault, ada, "prod", ZONE="1", API="{{URL}}/api")
    assert values(vault, ada, "prod")["API"] == "https://eu-1.example/api"
    assert values(vault, ada, "common")["URL"] == "https://none.example"


def test_layers_are_read_by_index_among_a_thousand_environments(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:a,b a:c,d")
    stock(vault, ada, add_environment(vault, ada, "template"), 1000)
    run_sql(vault, "ANALYZE")
    with statements(vault) as seen:
        values(vault, ada, "prod")
    (statement,) = [each for each in seen if "RECURSIVE" in each]
    explain = "EXPLAIN QUERY PLAN " if vault.storage.is_sqlite else "EXPLAIN "
    with vault.storage.reading.connect() as connection:
        rows = connection.execute(sa.text(explain + statement.replace(":", r"\:")))
        plan = "\n".join(str(tuple(row)) for row in rows)
    assert "SCAN environments" not in plan, plan
    assert "Seq Scan on environments" not in plan, plan


def test_a_deleted_base_is_left_out_and_says_so_until_it_comes_back(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:common common:low")
    first = etag(vault, ada, "prod")
    delete(vault, ada, "common")
    assert set(values(vault, ada, "prod")) == {"NAME", "IN_prod"}
    assert warnings(vault, ada, "prod") == (BASE_GONE,)
    assert bases_of(vault, ada, "prod") == (ids["common"],)
    gone = etag(vault, ada, "prod")
    undelete(vault, ada, "common", "renamed")
    assert set(values(vault, ada, "prod")) == {"NAME", "IN_prod", "IN_common", "IN_low"}
    assert warnings(vault, ada, "prod") == ()
    assert len({first, gone, etag(vault, ada, "prod")}) == 3


def test_a_deleted_base_may_stay_in_the_list_and_may_be_taken_out(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:common other:low")
    delete(vault, ada, "common")
    assert split(stand(vault, ada, "prod", ids["common"], "low").base_ids) == (ids["common"], ids["low"])
    stand(vault, ada, "prod", "low")
    assert warnings(vault, ada, "prod") == ()


def test_a_base_whose_revision_is_gone_says_so(vault: Services, ada: Principal, clock: FakeClock) -> None:
    build(vault, ada, "prod:a,b")
    for name in ("a", "b"):
        change(vault, ada, name, delete_version_after_seconds=60)
        patch(vault, ada, name, MORE="1")
    first = etag(vault, ada, "prod")
    clock.advance(61)
    assert set(values(vault, ada, "prod")) == {"NAME", "IN_prod"}
    assert warnings(vault, ada, "prod") == (LAYER_EMPTY,)
    assert etag(vault, ada, "prod") != first


def test_revisions_and_rollbacks_of_a_base_show_through(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:common")
    patch(vault, ada, "common", IN_common="2")
    assert values(vault, ada, "prod")["IN_common"] == "2"
    write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "common", 1))
    assert values(vault, ada, "prod")["IN_common"] == "1"
    put(vault, ada, "common", Variable("IN_common", "off", enabled=False))
    assert "IN_common" not in values(vault, ada, "prod")


def test_bases_are_no_part_of_a_revision(vault: Services, ada: Principal) -> None:
    ids = build(vault, ada, "prod:a x:b")
    patch(vault, ada, "prod", MORE="1")
    stand(vault, ada, "prod", "b")
    write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "prod", 1))
    view = vault.environments.environments.get(ada, "prod")
    assert (view.bases, view.revision) == ((ids["b"],), 3)


CHANGES: dict[str, Callable[[Services, Principal], object]] = {
    "a write of a base": lambda vault, who: patch(vault, who, "a", A="2"),
    "a write of the lowest": lambda vault, who: patch(vault, who, "low", A="2"),
    "a write of globals": lambda vault, who: patch(vault, who, None, A="2"),
    "other bases": lambda vault, who: stand(vault, who, "prod", "b", "a"),
    "other bases of a base": lambda vault, who: stand(vault, who, "a"),
    "no bases": lambda vault, who: stand(vault, who, "prod"),
}


def test_every_change_of_a_layer_gives_another_etag(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:a,b a:low")
    seen = {etag(vault, ada, "prod")}
    for name, make in CHANGES.items():
        make(vault, ada)
        assert etag(vault, ada, "prod") not in seen, name
        seen.add(etag(vault, ada, "prod"))
    patch(vault, ada, "low", A="3")
    assert etag(vault, ada, "prod") in seen


def test_nothing_else_gives_another_etag(vault: Services, ada: Principal, bob: Principal) -> None:
    build(vault, ada, "prod:a above:prod,other")
    seen = etag(vault, ada, "prod")
    values(vault, ada, "prod")
    patch(vault, ada, "a", IN_a="1")
    patch(vault, ada, "other", A="2")
    patch(vault, ada, "above", A="2")
    stand(vault, ada, "above", "prod")
    stand(vault, ada, "prod", "a")
    delete(vault, ada, "above")
    add_environment(vault, bob, "a", A="2")
    add_token(vault, ada, grant("read", path="*"))
    assert etag(vault, ada, "prod") == seen


@pytest.mark.parametrize(
    ("may_read", "names"),
    [
        ("prod", {"IN_prod"}),
        ("prod a", {"IN_prod", "IN_a"}),
        ("prod a low", {"IN_prod", "IN_a", "IN_low"}),
        ("prod low", {"IN_prod", "IN_low"}),
        ("prod b", {"IN_prod", "IN_b"}),
    ],
)
def test_each_layer_is_judged_by_itself(vault: Services, ada: Principal, may_read: str, names: set[str]) -> None:
    build(vault, ada, "prod:a,b a:low")
    patch(vault, ada, "prod", REF="{{IN_low}}")
    grants = [grant("read", path=name) for name in may_read.split()]
    who = as_token(vault, add_token(vault, ada, grant("read", globals=True), *grants).secret)
    found = values(vault, who, "prod")
    assert set(found) == {"NAME", "REF", *names}
    assert found["REF"] == ("1" if "IN_low" in names else "{{IN_low}}")
    told = warnings(vault, who, "prod")
    assert told[0] == LAYER_LEFT_OUT


def test_exports_and_variables_hold_what_is_the_environments_own(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:common")
    text = vault.environments.files.export_text(ada, "prod", "json").text
    assert set(json.loads(text)) == {"NAME", "IN_prod"}
    assert [item.name for item in vault.environments.variables.read(ada, "prod").variables] == ["NAME", "IN_prod"]


def test_a_warning_about_a_base_is_not_one_about_globals(vault: Services, ada: Principal) -> None:
    build(vault, ada, "prod:common")
    patch(vault, ada, None, G="{{X}}", BOTH="{{X}}")
    patch(vault, ada, "common", B="{{X}}", BOTH="{{X}}")
    found = vault.environments.values.read(ada, "prod", Question()).resolved
    assert found is not None
    assert found.beneath == ("In G: the reference {{X}} is unknown.",)
    assert len(found.warnings) == 3

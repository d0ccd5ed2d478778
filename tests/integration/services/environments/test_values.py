"""What a service gets: layers, references, warnings, and an ETag that changes with all that the answer depends on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.vaults import add_environment, add_token, as_token, grant, patch, put, values, write
from vault.errors import InvalidInput, NotFound
from vault.model.environment import GLOBALS, Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import GLOBALS_LEFT_OUT, Question, ReadValues


def answer(vault: Services, who: Principal, reference: str | None = "prod", **question: Any) -> ReadValues:
    return vault.environments.values.read(who, reference, Question(**question))


def warnings(vault: Services, who: Principal, **question: Any) -> tuple[str, ...]:
    found = answer(vault, who, **question).resolved
    assert found is not None
    return found.warnings


def test_the_environment_stands_over_the_globals(vault: Services, ada: Principal) -> None:
    patch(vault, ada, None, HOST="global", URL="https://{{HOST}}", ONLY="g")
    add_environment(vault, ada, "prod", HOST="own", PATH="{{URL}}/x")
    assert values(vault, ada, "prod") == {
        "HOST": "own",
        "URL": "https://own",
        "ONLY": "g",
        "PATH": "https://own/x",
    }
    assert values(vault, ada, "prod", globals=False) == {"HOST": "own", "PATH": "{{URL}}/x"}
    assert values(vault, ada, "prod", resolve=False)["PATH"] == "{{URL}}/x"
    assert values(vault, ada, None) == {"HOST": "global", "URL": "https://global", "ONLY": "g"}


def test_disabled_ones_are_left_out_and_shadow_nothing(vault: Services, ada: Principal) -> None:
    patch(vault, ada, None, A="g")
    add_environment(vault, ada, "prod")
    put(vault, ada, "prod", Variable("A", "own", enabled=False), Variable("B", "2", enabled=False))
    assert values(vault, ada, "prod") == {"A": "g"}


def test_an_environment_that_was_never_written_has_its_globals_and_no_revision(vault: Services, ada: Principal) -> None:
    patch(vault, ada, None, G="g")
    add_environment(vault, ada, "prod")
    found = answer(vault, ada)
    assert found.revision is None
    assert values(vault, ada, "prod") == {"G": "g"}


def test_some_names_are_asked_for(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1", B="{{A}}{{X}}", C="{{Y}}")
    assert values(vault, ada, "prod", names=("B", "A")) == {"B": "1{{X}}", "A": "1"}
    assert warnings(vault, ada, names=("B", "NO")) == (
        "In B: the reference {{X}} is unknown.",
        "There is no variable NO in this environment.",
    )


def test_globals_without_a_grant_are_left_out_with_a_warning_that_names_nothing(
    vault: Services, ada: Principal
) -> None:
    patch(vault, ada, None, SECRET_NAME="g")
    add_environment(vault, ada, "prod", A="{{SECRET_NAME}}")
    who = as_token(vault, add_token(vault, ada, grant("read", environment="prod")).secret)
    assert values(vault, who, "prod") == {"A": "{{SECRET_NAME}}"}
    assert warnings(vault, who)[0] == GLOBALS_LEFT_OUT
    assert "SECRET" not in GLOBALS_LEFT_OUT.upper()
    assert warnings(vault, who, globals=False) == ("In A: the reference {{SECRET_NAME}} is unknown.",)


def test_the_same_question_has_the_same_etag_until_something_changes(vault: Services, ada: Principal) -> None:
    row = add_environment(vault, ada, "prod", A="1")
    first = answer(vault, ada).etag
    assert answer(vault, ada).etag == first == answer(vault, ada, row.id).etag
    known = vault.environments.values.read(ada, "prod", Question(), ["other", first])
    assert (known.resolved, known.revision, known.etag) == (None, 1, first)


CHANGES: dict[str, Callable[[Services, Principal], object]] = {
    "a write": lambda vault, who: patch(vault, who, "prod", A="2"),
    "a write of globals": lambda vault, who: patch(vault, who, None, G="2"),
    "a rollback to the very same values": lambda vault, who: write(
        vault, lambda unit: vault.environments.history.rollback(unit, who, "prod", 1)
    ),
    "deleted and brought back": lambda vault, who: (
        write(vault, lambda unit: vault.environments.environments.delete(unit, who, "prod")),
        write(vault, lambda unit: vault.environments.environments.undelete(unit, who, "prod", None)),
    ),
    "deleted and made again with the same values": lambda vault, who: (
        write(vault, lambda unit: vault.environments.environments.delete(unit, who, "prod")),
        add_environment(vault, who, "prod", A="1"),
    ),
    "its rules": lambda vault, who: write(
        vault, lambda unit: vault.environments.environments.change(unit, who, "prod", {"max_versions": 7})
    ),
}


def test_every_change_gives_another_etag(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    seen = {answer(vault, ada).etag}
    for name, change in CHANGES.items():
        change(vault, ada)
        etag = answer(vault, ada).etag
        assert etag not in seen, name
        seen.add(etag)


def test_every_other_question_has_another_etag(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, None, G="1")
    questions: list[dict[str, Any]] = [
        {},
        {"globals": False},
        {"resolve": False},
        {"names": ()},
        {"names": ("A",)},
        {"names": ("A", "G")},
        {"names": ("A,G",)},
        {"format": "json"},
    ]
    assert len({answer(vault, ada, **question).etag for question in questions}) == len(questions)
    narrow = as_token(vault, add_token(vault, ada, grant("read", environment="prod")).secret)
    assert answer(vault, narrow).etag != answer(vault, ada).etag


def test_an_etag_tells_nothing_of_the_values(vault: Services, ada: Principal, bob: Principal) -> None:
    for who in (ada, bob):
        add_environment(vault, who, "prod", A="the same")
    assert answer(vault, ada).etag != answer(vault, bob).etag


def test_a_304_hides_no_deletion_and_no_taken_grant(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    etag = answer(vault, ada).etag
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "prod"))
    with pytest.raises(NotFound):
        vault.environments.values.read(ada, "prod", Question(), [etag])
    other = as_token(vault, add_token(vault, ada, grant("read", path="dev")).secret)
    with pytest.raises(NotFound):
        vault.environments.values.read(other, "prod", Question(), [etag])


def test_values_that_grow_too_large_are_a_problem_of_the_environment(vault: Services, ada: Principal) -> None:
    chain = {f"V{number}": f"{{{{V{number + 1}}}}}" * 4 for number in range(19)}
    add_environment(vault, ada, "prod", **chain, V19="x")
    with pytest.raises(InvalidInput) as caught:
        values(vault, ada, "prod")
    assert caught.value.code == "resolution_too_large"
    assert len(values(vault, ada, "prod", resolve=False)) == 20


def test_a_json_value_of_another_client_is_its_text(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod")
    put(vault, ada, "prod", Variable("N", None), Variable("L", {"é": True}), Variable("S", "[{{L}}]"))
    found = values(vault, ada, "prod")
    assert found["N"] == "null"
    assert json.loads(found["L"]) == {"é": True}
    assert found["S"] == f"[{found['L']}]"


UNKNOWN = "In {}: the reference {{{{X}}}} is unknown."


def beneath(vault: Services, who: Principal, reference: str | None = "prod", **question: Any) -> tuple[str, ...]:
    found = vault.environments.values.read(who, reference, Question(**question)).resolved
    assert found is not None
    assert set(found.beneath) <= set(found.warnings)
    return found.beneath


def test_warnings_that_are_only_about_globals_are_told_apart(vault: Services, ada: Principal) -> None:
    patch(vault, ada, None, G="{{X}}", H="{{G}}", SHADOWED="{{X}}")
    add_environment(vault, ada, "prod", USES="a {{H}}", SHADOWED="{{X}}", A="1")
    assert set(warnings(vault, ada)) == set(map(UNKNOWN.format, ("G", "H", "SHADOWED", "USES")))
    assert beneath(vault, ada) == (UNKNOWN.format("G"), UNKNOWN.format("H"))


def test_nothing_is_beneath_what_was_asked_for(vault: Services, ada: Principal) -> None:
    patch(vault, ada, None, G="{{X}}")
    add_environment(vault, ada, "prod", A="1")
    assert (warnings(vault, ada, names=("G", "A")), beneath(vault, ada, names=("G",))) == ((UNKNOWN.format("G"),), ())
    found = vault.environments.values.read(ada, GLOBALS, Question()).resolved
    assert found is not None
    assert (found.warnings, found.beneath) == ((UNKNOWN.format("G"),), ())
    assert (warnings(vault, ada, globals=False), beneath(vault, ada, globals=False)) == ((), ())


def test_globals_that_are_left_out_are_told_as_unused_where_nothing_refers_to_them(
    vault: Services, ada: Principal
) -> None:
    patch(vault, ada, None, G="g")
    add_environment(vault, ada, "plain", A="1", B="{{A}}")
    add_environment(vault, ada, "prod", A="1", B="{{G}}")
    who = as_token(vault, add_token(vault, ada, grant("read", path="*")).secret)
    assert beneath(vault, who, "plain") == (GLOBALS_LEFT_OUT,)
    assert beneath(vault, who, "plain", names=("A",)) == (GLOBALS_LEFT_OUT,)
    # Something may need them here: a reference, or a name that was asked for.
    assert (warnings(vault, who)[0], beneath(vault, who)) == (GLOBALS_LEFT_OUT, ())
    assert beneath(vault, who, names=("A",)) == (GLOBALS_LEFT_OUT,)
    assert beneath(vault, who, names=("B",)) == beneath(vault, who, "plain", names=("G",)) == ()

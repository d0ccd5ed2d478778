"""Who acts, and what only some may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vault
from vault.errors import Forbidden, StepUpRequired
from vault.model.principal import STEP_UP_SECONDS, Principal, PrincipalKind, Role, host_operator, kind_and_id, label_of

NOW_US = 1_800_000_000_000_000


def principal(kind: PrincipalKind, role: Role = Role.USER, authenticated_us: int = NOW_US) -> Principal:
    return Principal(kind, "id", "user", "ada", role, authenticated_us=authenticated_us)


def test_a_token_is_no_person() -> None:
    with pytest.raises(Forbidden):
        principal(PrincipalKind.TOKEN).require_person()
    principal(PrincipalKind.SESSION).require_person()


def test_an_operators_token_is_no_operator() -> None:
    with pytest.raises(Forbidden):
        principal(PrincipalKind.TOKEN, Role.OPERATOR).require_operator()
    with pytest.raises(Forbidden):
        principal(PrincipalKind.SESSION).require_operator()
    principal(PrincipalKind.SESSION, Role.OPERATOR).require_operator()
    host_operator("root").require_operator()


def test_a_password_counts_as_recent_for_five_minutes() -> None:
    session = principal(PrincipalKind.SESSION)
    session.require_recent_proof(NOW_US + STEP_UP_SECONDS * 1_000_000)
    with pytest.raises(StepUpRequired):
        session.require_recent_proof(NOW_US + STEP_UP_SECONDS * 1_000_000 + 1)


def test_the_label_says_kind_and_id() -> None:
    assert principal(PrincipalKind.TOKEN).label == "token:id"


@pytest.mark.parametrize(
    ("label", "parts"), [("host:ada:b", ("host", "ada:b")), ("", ("", "")), ("new:1", ("new", "1"))]
)
def test_a_label_has_its_kind_before_the_first_colon(label: str, parts: tuple[str, str]) -> None:
    assert kind_and_id(label) == parts


@pytest.mark.parametrize("kind", list(PrincipalKind))
def test_kind_and_id_of_a_label_are_those_that_it_was_made_of(kind: PrincipalKind) -> None:
    assert kind_and_id(label_of(kind, "3kTMd9")) == (kind, "3kTMd9")


def test_no_other_place_spells_the_form_of_a_label() -> None:
    spelt = re.compile(rf"""["'f]({"|".join(PrincipalKind)}):["'{{]""")
    assert spelt.search('literal("session:")')
    assert spelt.search('f"token:{id_}"')
    found = {path.name for path in Path(vault.__file__).parent.rglob("*.py") if spelt.search(path.read_text())}
    assert found == set()

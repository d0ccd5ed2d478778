"""A view takes what the schema of its body or query loads. mypy cannot check that, because flask-smorest calls it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import ClassVar

import pytest
from marshmallow import fields

from vault.api import RESOURCES, me
from vault.api.paging import Paging
from vault.api.parser import StrictBlueprint
from vault.api.schemas.bounded import Body, BoundedText, Noun
from vault.api.schemas.parts import Page

PROVEN: dict[str, Callable[..., object]] = {"change_password": me._new_password, "delete_me": me._proven_account}
"""Views whose body goes to another function, before the transaction."""


def views(module: ModuleType) -> Iterator[tuple[str, Callable[..., object], type[Body]]]:
    for name, view in inspect.getmembers(module, inspect.isfunction):
        for parameter in getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", []):
            yield name, PROVEN.get(name) or inspect.unwrap(view), parameter["schema"]


CASES = [(f"{module.__name__}.{name}", view, schema) for module in RESOURCES for name, view, schema in views(module)]


def missing(view: Callable[..., object], schema: type[Body]) -> set[str]:
    """What `schema` loads and `view` does not take."""
    taken = inspect.signature(view).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in taken):
        return set()
    loaded = set(schema().load_fields)
    if issubclass(schema, Page):
        loaded = loaded - {"cursor", "limit"} | {"page"}
    return loaded - {each.name for each in taken}


@pytest.mark.parametrize(("view", "schema"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_view_takes_what_its_schema_loads(view: Callable[..., object], schema: type[Body]) -> None:
    if schema.noun is None:
        assert missing(view, schema) == set()
    else:
        # The noun is the first argument but for the transaction.
        names = [name for name in inspect.signature(view).parameters if name != "unit"]
        assert names[0] not in schema().load_fields


def test_the_walk_finds_the_views() -> None:
    assert len(CASES) > 25
    assert {"vault.api.me.change_password", "vault.api.tokens.create_token"} <= {case[0] for case in CASES}


class Pair(Body):
    a = BoundedText(most=3, required=True)
    b = fields.Boolean(load_default=False)


def test_the_walk_sees_a_field_that_no_view_takes() -> None:
    assert missing(lambda a: a, Pair) == {"b"}


def test_a_schema_loads_its_noun_or_its_fields() -> None:
    class Joined(Pair):
        noun: ClassVar[Noun | None] = "{a}:{b}".format

    assert Pair().load({"a": "x"}) == {"a": "x", "b": False}
    assert Joined().load({"a": "x"}) == "x:False"


def test_a_page_comes_as_one_argument() -> None:
    class Query(Page):
        name = BoundedText(most=3, load_default=None)

    assert Query().load({"limit": 7}) == {"page": Paging(None, 7), "name": None}


def test_the_decorators_keep_a_view_that_has_no_body_as_it_is() -> None:
    blueprint = StrictBlueprint("x", __name__)

    def view() -> str:
        return "x"

    assert blueprint.route("/x", methods=["GET"])(view) is view

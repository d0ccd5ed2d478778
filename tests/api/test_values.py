"""`…/values` and `…/export`: what services fetch."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.api.conftest import Caller


@pytest.fixture
def prod(ada: Caller) -> dict[str, Any]:
    """An environment over globals, with a reference across and one that is unknown."""
    made = ada.make("prod", A="1", B="{{A}}-{{G}}", C="{{nothing}}")
    ada.ok("PATCH", "/globals/variables", {"variables": {"G": "g", "A": "beneath"}})
    return made


def test_values_are_flat_layered_and_resolved(ada: Caller, prod: dict[str, Any]) -> None:
    found = ada.ok("GET", "/environments/prod/values")
    assert found["values"] == {"G": "g", "A": "1", "B": "1-g", "C": "{{nothing}}"}
    assert found["revision"] == 1
    assert found["warnings"] == ["In C: the reference {{nothing}} is unknown."]


def test_the_globals_have_values_of_their_own(ada: Caller, prod: dict[str, Any]) -> None:
    told = {"warnings": [], "globals_warnings": [], "revision": 1}
    assert ada.ok("GET", "/globals/values") == {"values": {"G": "g", "A": "beneath"}} | told


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("globals=false", {"A": "1", "B": "1-{{G}}", "C": "{{nothing}}"}),
        ("resolve=false", {"G": "g", "A": "1", "B": "{{A}}-{{G}}", "C": "{{nothing}}"}),
        ("names=B", {"B": "1-g"}),
        ("names=B,G,absent", {"B": "1-g", "G": "g"}),
        ("globals=0&resolve=False&names=B", {"B": "{{A}}-{{G}}"}),
    ],
)
def test_a_question_narrows_the_values(ada: Caller, prod: dict[str, Any], query: str, values: dict[str, str]) -> None:
    assert ada.ok("GET", f"/environments/prod/values?{query}")["values"] == values


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("globals=maybe", "globals"), ("resolve=", "resolve"), ("format=ini", "format"), ("format=%00", "format"),
        ("extra=1", "extra"), ("names=" + ",".join(f"n{number}" for number in range(1001)), "names"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_is_refused(ada: Caller, prod: dict[str, Any], query: str, path: str) -> None:
    answer = ada("GET", f"/environments/prod/values?{query}")
    assert (answer.status, answer.json["path"]) == (422, path)


def test_a_name_that_is_asked_for_often_counts_once(ada: Caller, prod: dict[str, Any]) -> None:
    found = ada.ok("GET", "/environments/prod/values?names=A," + "B," * 4000 + "A")
    assert found["values"].keys() == {"A", "B"}


def test_disabled_variables_are_left_out(ada: Caller, prod: dict[str, Any]) -> None:
    ada.ok("PATCH", "/environments/prod/variables", {"variables": {"A": {"enabled": False}}})
    assert ada.ok("GET", "/environments/prod/values")["values"]["A"] == "beneath"


def test_the_etag_holds_until_any_layer_changes(ada: Caller, prod: dict[str, Any]) -> None:
    def asked(etag: str, query: str = "") -> int:
        return ada("GET", f"/environments/prod/values{query}", If_None_Match=etag).status

    etag = ada("GET", "/environments/prod/values").etag
    assert (asked(etag), asked(etag, "?resolve=false"), asked(etag, "?names=A")) == (304, 200, 200)
    assert asked("*") == 304
    ada.ok("PUT", "/globals/variables/G", {"value": "new"})
    assert asked(etag) == 200
    etag = ada("GET", "/environments/prod/values").etag
    ada.ok("PUT", "/environments/prod/variables/A", {"value": "new"})
    assert asked(etag) == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("json", "application/json"), ("dotenv", "text/plain"), ("shell", "application/x-sh"), ("yaml", "yaml")],
)
def test_values_and_exports_come_as_text(ada: Caller, prod: dict[str, Any], name: str, media_type: str) -> None:
    for path in ("/environments/prod/values", "/environments/prod/export", "/globals/values", "/globals/export"):
        answer = ada("GET", f"{path}?format={name}")
        assert answer.status == 200
        assert media_type in answer.headers["content-type"]
        assert b"A" in answer.body


def test_warnings_of_a_text_are_in_a_header(ada: Caller, prod: dict[str, Any]) -> None:
    ada.ok("PATCH", "/environments/prod/variables", {"variables": {"Ü b": "{{é😀}}"}})
    answer = ada("GET", "/environments/prod/values?format=dotenv")
    assert answer.headers["x-strongroom-warnings"].isascii()
    warnings = json.loads(answer.headers["x-strongroom-warnings"])
    assert "In Ü b: the reference {{é😀}} is unknown." in warnings
    assert "In C: the reference {{nothing}} is unknown." in warnings


def test_five_thousand_warnings_leave_a_header_that_clients_take(ada: Caller) -> None:
    # Python's own client takes lines of 64 KiB, most proxies far less.
    ada.make("prod", A="".join(f"{{{{r{number}}}}}" for number in range(5000)))
    answer = ada("GET", "/environments/prod/values?format=json")
    assert answer.status == 200
    assert len(answer.headers["x-strongroom-warnings"]) < 4096
    assert "more warnings" in json.loads(answer.headers["x-strongroom-warnings"])[-1]


def test_an_export_is_what_is_stored_and_enabled(ada: Caller, prod: dict[str, Any]) -> None:
    ada.ok("PATCH", "/environments/prod/variables", {"variables": {"C": {"enabled": False}}})
    assert json.loads(ada("GET", "/environments/prod/export?format=json").body) == {"A": "1", "B": "{{A}}-{{G}}"}
    assert ada("GET", "/environments/prod/export").body == ada("GET", "/environments/prod/export?format=dotenv").body


def test_expansion_beyond_its_bound_is_refused(ada: Caller) -> None:
    layers = {f"L{number}": f"{{{{L{number + 1}}}}}" * 4 for number in range(18)} | {"L18": "x" * 100}
    ada.make("bomb", **layers)
    answer = ada("GET", "/environments/bomb/values")
    assert (answer.status, answer.code) == (422, "resolution_too_large")
    assert ada("GET", "/environments/bomb/values?resolve=false").status == 200


def test_a_loop_is_named_and_left_as_it_is(ada: Caller) -> None:
    ada.make("loop", A="{{B}}", B="{{A}}")
    found = ada.ok("GET", "/environments/loop/values")
    assert set(found["values"]) == {"A", "B"}
    assert len(found["warnings"]) == 2


def test_a_revision_past_its_time_is_told_as_deleted(ada: Caller) -> None:
    ada.make("short")
    ada.ok("PATCH", "/environments/short", {"delete_version_after_seconds": 1})
    ada.ok("PUT", "/environments/short/variables/A", {"value": "1"})
    etag = ada("GET", "/environments/short/values").etag
    time.sleep(1.05)
    for path in ("values", "variables", "export", "revisions/1"):
        answer = ada("GET", f"/environments/short/{path}", If_None_Match=etag)
        assert (answer.status, answer.code) == (404, "revision_deleted")
    assert ada.ok("GET", "/environments/short")["revision"] == 1
    assert ada.ok("PUT", "/environments/short/variables/B", {"value": "2"}) == {"revision": 2}
    assert ada.ok("GET", "/environments/short/values")["values"] == {"B": "2"}


def test_warnings_that_are_only_about_globals_are_among_all_and_named(ada: Caller, prod: dict[str, Any]) -> None:
    ada.ok("PATCH", "/globals/variables", {"variables": {"URL": "https://{{HOST}}"}})
    found = ada.ok("GET", "/environments/prod/values")
    told = "In URL: the reference {{HOST}} is unknown."
    assert sorted(found["warnings"]) == ["In C: the reference {{nothing}} is unknown.", told]
    assert found["globals_warnings"] == [told]
    # A text has the braces in it, so its header has them all, and a strict one is refused.
    assert told in ada("GET", "/environments/prod/values?format=json&names=URL").headers["x-strongroom-warnings"]
    assert told in ada("GET", "/environments/prod/values?format=json").headers["x-strongroom-warnings"]
    assert ada("GET", "/environments/prod/values?format=json&names=URL&strict=true").code == "bad_format"
    assert ada.ok("GET", "/environments/prod/values?names=URL")["globals_warnings"] == []


@pytest.mark.parametrize("format_name", ["postman", "postman-newman"])
def test_a_literal_text_that_postman_will_resolve_is_told(ada: Caller, format_name: str) -> None:
    ada.make("prod", A="1", USES="{{L}}", OPEN="{{nothing}}", PLAIN="x")
    ada.ok("PUT", "/environments/prod/variables/L", {"value": "{{A}}", "literal": True})
    told = json.loads(ada("GET", f"/environments/prod/values?format={format_name}").headers["x-strongroom-warnings"])
    looks = "The value of {} is text that looks like a reference. Postman will resolve it."
    assert sorted(told) == sorted(
        ["In OPEN: the reference {{nothing}} is unknown.", looks.format("L"), looks.format("USES")]
    )
    # As it is written, only the literal one is text.
    asked = f"/environments/prod/values?format={format_name}&resolve=false"
    assert "x-strongroom-warnings" not in ada("GET", asked).headers

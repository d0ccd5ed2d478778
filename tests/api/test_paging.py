"""Lists come in pages, each with the address of the next one."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.conftest import PREFIX, Caller

NAMES = ["Z", "a", "a b", "b\u00e0", "e\u00e9", "x&y=z", "\u4e2d", "\U0001f600"]


def walk(ada: Caller, path: str) -> list[Any]:
    """All items, following `Link` as any client of RFC 8288 would."""
    found: list[Any] = []
    address: str | None = PREFIX + path
    while address is not None:
        answer = ada.at("GET", address)
        assert answer.status == 200, answer
        found += answer.json["items"]
        link = answer.headers.get("link")
        assert (answer.json["next"] is None) == (link is None)
        address = None
        if link is not None:
            assert link.isascii()
            target, _, parameter = link.partition(">; ")
            assert parameter == 'rel="next"'
            address = target.removeprefix("<")
            assert answer.json["next"] in address
    return found


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_pages_of_environments_hold_each_once_in_order(ada: Caller, limit: int) -> None:
    for name in NAMES:
        ada.make(name)
    assert [item["name"] for item in walk(ada, f"/environments?limit={limit}")] == sorted(NAMES)


def test_pages_of_deleted_environments_hold_each_once(ada: Caller) -> None:
    ids = {ada.make(name)["id"] for name in NAMES}
    for environment_id in ids:
        ada.ok("DELETE", f"/environments/{environment_id}")
    found = [item["id"] for item in walk(ada, "/environments?deleted=true&limit=3")]
    assert (set(found), len(found)) == (ids, len(ids))


@pytest.mark.parametrize("name", ["prod", NAMES[-1], "<a>;b"])
def test_pages_of_revisions_hold_each_once(ada: Caller, name: str) -> None:
    ada.make(name, A="0")
    place = f"/environments/{quote(name, safe='')}"
    for number in range(6):
        ada.ok("PUT", f"{place}/variables/A", {"value": f"v{number}"})
    assert [item["number"] for item in walk(ada, f"{place}/revisions?limit=2")] == [7, 6, 5, 4, 3, 2, 1]


def test_pages_of_tokens_hold_each_once(ada: Caller) -> None:
    ids = [ada.token({"globals": True, "permissions": ["read"]}).id for _ in range(5)]
    assert [item["id"] for item in walk(ada, "/tokens?limit=2")] == ids


def test_a_token_walks_through_what_it_was_granted_alone(ada: Caller) -> None:
    for number in range(7):
        ada.make(f"{'team' if number % 2 else 'other'}/{number}")
    service = ada.token({"path": "team", "permissions": ["list"]})
    assert [item["name"] for item in walk(service, "/environments?limit=1")] == ["team/1", "team/3", "team/5"]


def test_without_a_limit_there_are_fifty(ada: Caller) -> None:
    ada.make("prod", A="0")
    for number in range(50):
        ada.ok("PUT", "/environments/prod/variables/A", {"value": f"v{number}"})
    assert len(ada.ok("GET", "/environments/prod/revisions")["items"]) == 50
    assert len(ada.ok("GET", "/environments/prod/revisions?limit=200")["items"]) == 51


def cursor(place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


@pytest.mark.parametrize("path", ["/environments", "/tokens", "/globals/revisions"])
@pytest.mark.parametrize(
    "text",
    ["x", "%FF", "%00", "AAAA", cursor(5), cursor({}), cursor([]), cursor([None]), cursor([True]), cursor(["\ud800"]),
     cursor(["\0"]), cursor([10**30]), cursor([-1]), cursor([2**63, "x"]), cursor([1, "\0"]), cursor([1.5]),
     base64.urlsafe_b64encode(b"[" * 5000).decode(), base64.urlsafe_b64encode(b"[" + b"9" * 5000 + b"]").decode()],
)  # fmt: skip
def test_a_cursor_that_is_none_of_ours_is_refused(ada: Caller, path: str, text: str) -> None:
    answer = ada("GET", f"{path}?cursor={text}")
    assert (answer.status, answer.code, answer.json["path"]) == (422, "invalid_input", "cursor")


@pytest.mark.parametrize("path", ["/environments", "/tokens", "/globals/revisions"])
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1e400", "extra=1", "limit="])
def test_a_limit_is_from_1_to_200(ada: Caller, path: str, query: str) -> None:
    answer = ada("GET", f"{path}?{query}")
    assert (answer.status, answer.json["path"]) == (422, query.partition("=")[0])

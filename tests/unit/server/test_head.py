"""A request's head holds few fields, and a path has one spelling."""

from __future__ import annotations

import pytest

from vault.asgi import Refusal
from vault.model.budgets import COOKIES_MOST, QUERY_FIELDS_MOST
from vault.server.head import check_head, check_path


def test_as_many_as_are_taken_are_taken() -> None:
    check_head(b"&".join([b"a=1"] * QUERY_FIELDS_MOST), {b"cookie": b"; ".join([b"a=1"] * COOKIES_MOST)})
    check_head(b"", {})


@pytest.mark.parametrize("field", [b"a=1", b"", b"names=x"])
def test_one_field_more_is_refused(field: bytes) -> None:
    with pytest.raises(Refusal, match="at most 64 fields"):
        check_head(b"&".join([field] * (QUERY_FIELDS_MOST + 1)), {})


@pytest.mark.parametrize("cookie", [b"a=1", b"", b"__Host-strongroom=x"])
def test_one_cookie_more_is_refused(cookie: bytes) -> None:
    with pytest.raises(Refusal, match="at most 200 cookies"):
        check_head(b"", {b"cookie": b";".join([cookie] * (COOKIES_MOST + 1))})


ESCAPES = [b"%", b"%z", b"%zz", b"%2", b"a%2", b"%2g", b"%%41", b"100%", b"%u0041", b"% 41", b"%\xff\xff"]


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize(
    "start", [b"/", b"/login/", b"/api/v1/environments/", b"/v1/secret/data/", b"/v1/sys/nothing/"]
)
def test_a_percent_sign_without_two_digits_is_refused_at_every_face(start: bytes, escape: bytes) -> None:
    with pytest.raises(Refusal, match="The path has a % without two hexadecimal digits") as caught:
        check_path(start + escape)
    assert caught.value.status == 400


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_query_is_not_better(escape: bytes) -> None:
    with pytest.raises(Refusal, match="The query has a % without two hexadecimal digits"):
        check_head(b"name=" + escape, {})
    check_head(b"name=100%25&b=%C3%A9&c=%e2%82%AC", {})


@pytest.mark.parametrize("start", [b"/", b"/api/v1/environments/", b"/v1/secret/data/"])
@pytest.mark.parametrize("name", [b"a\\b", b"\\", b"..\\x", b"\\..\\"])
def test_a_plain_backslash_is_refused_at_every_face(start: bytes, name: bytes) -> None:
    with pytest.raises(Refusal, match="Send one that is in a name as %5C") as caught:
        check_path(start + name)
    assert caught.value.status == 400


@pytest.mark.parametrize("part", [b"..;", b"..;x=1", b".;", b"%2e%2e;", b"%2E%2e%3Ba", b"..%5c", b"a%5C..", b"..%5Cx"])
def test_a_part_that_some_proxies_read_as_dots_is_no_path(part: bytes) -> None:
    for path in (b"/" + part, b"/api/v1/" + part + b"/me", b"/api/v1/environments/" + part, b"/tokens/" + part + b"/x"):
        with pytest.raises(Refusal) as caught:
            check_path(path)
        assert caught.value.status == 404, path


@pytest.mark.parametrize(
    "name", [b"a;b", b"a..;b", b"..a", b"a%5Cb", b"100%25", b"%E2%82%AC", b"a%3Bb", b"...", b"..a;b"]
)
def test_other_names_are_paths(name: bytes) -> None:
    for start in (b"/api/v1/environments/", b"/v1/secret/data/", b"/tokens/"):
        check_path(start + name)

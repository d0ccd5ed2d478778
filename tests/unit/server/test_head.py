"""A request's head holds few fields."""

from __future__ import annotations

import pytest

from vault.model.budgets import COOKIES_MOST, QUERY_FIELDS_MOST
from vault.server.head import check_head
from vault.server.refusal import Refusal


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

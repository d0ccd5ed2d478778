"""The networks and the metadata of a token are stored as texts, which only the storage writes and reads."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vault.storage import Token
from vault.storage.rows.tokens import texts_of

SERVICES = Path(__file__).parents[3] / "vault" / "services"


@pytest.mark.parametrize(
    ("networks", "metadata"),
    [([], {}), (["10.0.0.0/8", "::1/128"], {"team": "payments"}), (("192.0.2.1",), {"b": "é\n", "a": '"'})],
)
def test_a_row_gives_back_what_was_stored(networks: list[str] | tuple[str, ...], metadata: dict[str, str]) -> None:
    columns: dict[str, Any] = {each.name: None for each in fields(Token)}
    columns |= texts_of(networks, metadata)
    token = Token(**columns)
    assert (token.network_list, token.metadata_map) == (tuple(networks), metadata)


def test_the_texts_are_those_of_earlier_releases() -> None:
    assert texts_of(("10.0.0.0/8",), {"b": "2", "a": "1"}) == {
        "networks": '["10.0.0.0/8"]', "metadata": '{"a": "1", "b": "2"}',
    }  # fmt: skip


def test_no_service_of_tokens_reads_the_texts() -> None:
    files = sorted((SERVICES / "tokens").glob("*.py"))
    assert [path.name for path in files if "json" in path.read_text(encoding="utf-8")] == []

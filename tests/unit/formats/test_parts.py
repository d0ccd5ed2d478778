"""A file of several environments, of which one is picked, and a file without variables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vault.errors import FormatError, InvalidInput
from vault.services.environments.files import parse_file

PROD = {"id": "id-1", "name": "prod", "values": [{"key": "A", "value": "1"}]}
TEST = {"id": "id-2", "name": "test", "values": [{"key": "A", "value": "2"}]}
SHARED = [{"key": "A", "value": "3"}]


def read(content: Any, pick: str = "") -> dict[str, str]:
    text = content if isinstance(content, str) else json.dumps(content)
    return {variable.name: variable.text for variable in parse_file("postman", text, pick).variables}


@pytest.mark.parametrize(
    ("content", "pick", "value"),
    [
        ({"version": 1, "collections": [], "environments": [PROD], "globals": []}, "", "1"),
        ({"environments": [PROD, TEST], "globals": SHARED}, "test", "2"),
        ({"environments": [PROD, TEST], "globals": SHARED}, "id-1", "1"),
        ({"environments": [PROD, TEST], "globals": SHARED}, "Globals", "3"),
        ({"environments": [PROD, TEST], "globals": {"values": SHARED}}, "Globals", "3"),
        ({"environments": [], "globals": SHARED}, "", "3"),
        ({"environments": [PROD, {**TEST, "name": "prod"}]}, "id-2", "2"),
        (PROD, "prod", "1"),
        ({"environments": None, "globals": SHARED}, "", "3"),
        ({"environments": [PROD], "globals": {"values": []}}, "", "1"),
        ({"environment": PROD, "globals": SHARED}, "prod", "1"),
        ({"environment": PROD, "globals": SHARED}, "Globals", "3"),
        ({**PROD, "environments": [TEST]}, "test", "2"),
    ],
)
def test_one_environment_of_a_dump_is_taken(content: Any, pick: str, value: str) -> None:
    assert read(content, pick) == {"A": value}


@pytest.mark.parametrize(
    ("content", "pick", "told"),
    [
        ({"environments": [PROD, TEST]}, "", "This file has 2 environments: prod, test. Pick one of them by its name."),
        ({"environments": [PROD], "globals": SHARED}, "", "This file has 2 environments: prod, Globals."),
        ({"environments": [PROD, TEST]}, "stage", "no environment with this name. It has prod, test."),
        ({"environments": [PROD, {**TEST, "name": "prod"}]}, "prod", "Pick one by its id: id-1, id-2."),
        ({"environments": [{**PROD, "name": f"e{number}"} for number in range(23)]}, "", "e19 and 3 more."),
        ({"environments": [{**PROD, "name": "a\x1b[2J"}, TEST]}, "", "a\\x1b[2J, test."),
        ({"environments": [], "globals": []}, "", "has no environments"),
        (PROD, "test", "no environment with this name. It has prod."),
        (SHARED, "test", "It has one without a name."),
        ({"environments": [5]}, "", "it has no array of values"),
        ({"environments": PROD, "globals": SHARED}, "", "The environments of this file are not an array"),
        (
            {"environments": {"id-1": PROD, "id-2": TEST}, "globals": []},
            "",
            "The environments of this file are not an array",
        ),
        ({"environments": "prod", "globals": SHARED}, "Globals", "The environments of this file are not an array"),
        ({"environment": PROD, "globals": SHARED}, "", "This file has 2 environments: prod, Globals."),
        ({**PROD, "environments": [TEST]}, "", "This file has 2 environments: prod, test."),
        ({**PROD, "globals": SHARED}, "", "This file has 2 environments: prod, Globals."),
    ],
)
def test_a_dump_without_a_choice_is_refused_with_the_names(content: Any, pick: str, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(content, pick)
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("one", "pick"),
    [
        ({"name": "x" * 100_000}, ""),
        ({"name": "\U000e0001" * 10_000}, "other"),
        ({"name": "prod", "id": "y" * 100_000}, "prod"),
        ({"name": "prod"}, "prod"),
    ],
)
def test_a_refusal_is_short_whatever_the_names_are(one: dict[str, str], pick: str) -> None:
    dump = {"environments": [{"values": []}, *[{**one, "values": []}] * 30]}
    with pytest.raises(FormatError) as caught:
        read(dump, pick)
    assert len(caught.value.message) < 20 * 64 * len("\\U000e0001") + 200


@pytest.mark.parametrize(
    ("format_name", "text"),
    [
        ("postman", '{"environments":[{"name":"prod","values":[]}],"globals":[]}'),
        ("postman", '{"values": []}'),
        ("postman", '[{"key": "", "value": "x"}]'),
        ("dotenv", "# only a note\n"),
        ("dotenv", ""),
        ("json", "{}"),
        ("yaml", "{}\n"),
        ("kubernetes", "kind: Secret\nmetadata: {name: x}\n"),
        ("docker", "#\n"),
        ("systemd", "; note\n"),
    ],
)
def test_a_file_that_gives_nothing_is_refused(format_name: str, text: str) -> None:
    with pytest.raises(FormatError, match="this file has no variables, so nothing was changed"):
        parse_file(format_name, text)


def test_a_choice_for_a_format_of_one_environment_is_refused() -> None:
    with pytest.raises(InvalidInput, match="A file of the format dotenv has only one environment"):
        parse_file("dotenv", "A=1", "prod")

"""What a file's name and bytes tell."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from vault import formats
from vault.errors import FormatError
from vault.formats import FORMATS, Format
from vault.formats.files import format_of, text_of


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        (".env", "dotenv"),
        (".env.local", "dotenv"),
        ("prod.env", "dotenv"),
        ("prod.env.example", "template"),
        ("prod.docker.env", "docker"),
        ("prod.postman_environment.json", "postman"),
        ("My.postman_globals.json", "postman"),
        ("prod.json", "json"),
        ("prod.json.age", "json"),
        ("app.secret.yaml", "kubernetes"),
        ("app.yml", "yaml"),
        ("app.txt", None),
        ("", None),
    ],
)
def test_a_name_tells_the_format(name: str, format_name: str | None) -> None:
    assert format_of(name) == format_name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_unicode_is_read(encoding: str) -> None:
    assert text_of("A=größe\n".encode(encoding)) == "A=größe\n"


@pytest.mark.parametrize("data", [b"\xff", b"A=\xe9", b"\xff\xfeA"])
def test_what_is_no_text_is_told_without_quoting_it(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"This file is not UTF-(8|16) text \(byte \d+\)\."):
        text_of(data)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_told_by_the_ends_that_its_class_names(name: str) -> None:
    found = FORMATS[name]
    assert found.ends == () or found.suffix in found.ends
    assert {format_of(f"prod{end}") for end in found.ends} <= {name}


def test_no_two_formats_claim_one_end() -> None:
    ends = [end for found in FORMATS.values() for end in found.ends]
    assert len(set(ends)) == len(ends)


@pytest.mark.parametrize("path", sorted(Path(formats.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_every_class_of_a_format_is_registered(path: Path) -> None:
    module = importlib.import_module("vault.formats" if path.stem == "__init__" else f"vault.formats.{path.stem}")
    known = {type(found) for found in FORMATS.values()} | {Format}
    strangers = [
        name
        for name, item in inspect.getmembers(module, inspect.isclass)
        if item.__module__ == module.__name__ and hasattr(item, "render") and item not in known
    ]
    assert not strangers, f"Add to `_ALL` in vault/formats/__init__.py: {strangers}. See docs/contributing/to-add.md."

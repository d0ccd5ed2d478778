"""Names that some programs or exports leave out, and the warnings about them."""

from __future__ import annotations

import pytest

from vault.cli.people.merging import merged_environment
from vault.formats import FORMATS
from vault.formats.odd_names import odd_names
from vault.formats.shell import KEPT_BY_SHELLS
from vault.model.environment import Variable

SHELLS = "that shells do not take"


@pytest.mark.parametrize(
    ("name", "programs", "formats"),
    [
        ("bad name", SHELLS, "dotenv, shell, kubernetes, docker, systemd and template leave"),
        ("1BAD", SHELLS, "dotenv, shell, docker, systemd and template leave"),
        ("a.b", SHELLS, "as shell and systemd leave"),
        ("my-key", "that shells and godotenv do not take", "as shell and systemd leave"),
        ("UID", SHELLS, "as shell leave"),
        ("Ä", SHELLS, "dotenv, shell, kubernetes, docker, systemd and template leave"),
        ("a\u200bb", SHELLS, "dotenv, shell, kubernetes, docker, systemd and template leave"),
    ],
)
def test_the_warning_lists_what_leaves_a_name_out(name: str, programs: str, formats: str) -> None:
    (told,) = odd_names(["GOOD_1", name])
    assert programs in told
    assert formats in told
    assert told.isprintable()


@pytest.mark.parametrize("name", ["A", "_x", "a1_B", "NODE_OPTIONS"])
def test_a_name_that_everything_takes_is_not_told(name: str) -> None:
    assert odd_names([name]) == ()
    assert all(format_.render((Variable(name, "x"),)).warnings == () for format_ in FORMATS.values())


def test_what_the_warning_lists_is_what_exports_do() -> None:
    for name in ("bad name", "1BAD", "a.b", "my-key", "..", "a=b", *sorted(KEPT_BY_SHELLS)[:3]):
        (told,) = odd_names([name])
        listed = told.partition("Exports as ")[2].removesuffix(" leave it out.").replace(" and ", ", ").split(", ")
        for format_ in FORMATS.values():
            left = any("is left out" in each for each in format_.render((Variable(name, "x"),)).warnings)
            assert (format_.name in listed) == left, (name, format_.name)


def test_the_warnings_are_bounded() -> None:
    told = odd_names(f"{number}" for number in range(10_000))
    assert len(told) == 21
    assert told[-1] == "There are 9980 more such names."


@pytest.mark.parametrize(
    "name", ["bad name", "1BAD", "A=B", "my-key", "\u0410PI_KEY", "BASH_FUNC_ls%%", "npm_config_git-x"]
)
def test_what_the_warning_says_of_run_is_what_run_does(name: str) -> None:
    (told,) = odd_names([name])
    does = "passes it on" if name.encode() in merged_environment({}, {name: "1"}) else "leaves it out"
    assert f"`strongroom run` {does}." in told


def test_letters_that_look_alike_are_told() -> None:
    (told,) = odd_names(["\u0410PI_KEY"])
    assert told.endswith("can look alike: Cyrillic (U+0410), Latin (U+0050).")

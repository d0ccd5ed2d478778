"""The colours of the API's reference page can be read: WCAG 2.2, success criterion 1.4.3, asks for 4.5 to 1."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vault.api

STYLE = (Path(vault.api.__file__).parent / "templates" / "reference.css").read_text()
LEAST = 4.5
LIGHT_PAGE, DARK_PAGE = "#ffffff", "#121212"
"""The background of a page without one, by its colour scheme, in Chromium. Firefox has a darker dark one."""


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def texts(style: str) -> dict[str, str]:
    return dict(re.findall(r"--(quiet|post|get|delete): (#[0-9a-f]{6});", style))


def test_the_formula_is_that_of_wcag() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("scheme", "page"), [("light", LIGHT_PAGE), ("dark", DARK_PAGE)])
@pytest.mark.parametrize("name", ["quiet", "post", "get", "delete"])
def test_each_colour_of_text_can_be_read(name: str, scheme: str, page: str) -> None:
    light, _, dark = STYLE.partition("@media (prefers-color-scheme: dark)")
    assert contrast(texts(light if scheme == "light" else dark)[name], page) >= LEAST


def test_no_text_has_another_colour() -> None:
    colours = re.findall(r"(?<![-\w])color: ([^;]+);", STYLE)
    assert colours
    assert set(colours) == {f"var(--{name})" for name in ("quiet", "post", "get", "delete")}

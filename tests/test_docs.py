"""What `make docs` checks slowly, checked quickly: each link leads somewhere, and each page is in the navigation."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
AT_THE_TOP = sorted(ROOT.glob("*.md")) + sorted((ROOT / ".github").rglob("*.md"))
# A code block or a code span shows text; it holds no links and no headings.
_CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LEADS_TO = ("vault/auth", "vault/crypto", "vault/server", "vault/services/environments")
"""Rooms that are built, and that planned parts will use."""
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _links(page: Path) -> list[str]:
    """The targets of a page's links into the repository."""
    found = _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if not re.match(r"(https?|mailto):", link)]


def _anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make, as MkDocs and Git hosts spell them."""
    text = re.sub(r"^(`{3,}|~{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def _missing(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in _anchors(target)


def _navigated(entries: object) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    match entries:
        case str():
            yield entries
        case list():
            for entry in entries:
                yield from _navigated(entry)
        case dict():
            for entry in entries.values():
                yield from _navigated(entry)
        case _:
            raise TypeError(f"{entries!r} cannot be in the navigation.")


@pytest.mark.parametrize("page", [*AT_THE_TOP, *PAGES], ids=_named)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in _links(page) if _missing(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_a_page_links_only_to_pages_that_the_site_has(page: Path) -> None:
    """A link to a file outside docs/ is dead on the site. Name such a file as code."""
    targets = [(page.parent / link.partition("#")[0]).resolve() for link in _links(page)]
    assert [target for target in targets if not target.is_relative_to(DOCS)] == []


def test_the_navigation_names_every_page_once() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(_navigated(settings["nav"])) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


def test_a_planned_room_has_its_place_on_the_page_of_architecture() -> None:
    """A new engineer looks there first. When a room is built, its row must go."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    layers = set(re.findall(r"\w+", settings["importlinter:contract:layers"]["layers"]))
    built = {path.stem for path in (ROOT / "vault").iterdir()}
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    _, _, after = page.partition("\n## Where planned parts go\n")
    named = re.findall(r"`(vault(?:/\w+)+)/`", after.partition("\n## ")[0])
    assert layers - built == {name.removeprefix("vault/") for name in named if name.count("/") == 1} - built
    done = [name for name in named if (ROOT / name).exists() and name not in LEADS_TO]
    assert not done, f"These are built, so take their rows out of the page of architecture: {done}"


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = DOCS / "index.md"
    assert _missing(page, "nowhere.md")
    assert _missing(page, "index.md#nowhere")
    assert _missing(page, "../../outside.md")
    assert not _missing(page, "#strongroom")
    shown = tmp_path / "shown.md"
    shown.write_text("`[a](b.md)` [c](d.md#e) [f](https://g.example)\n```\n[h](i.md)\n```\n", encoding="utf-8")
    assert _links(shown) == ["d.md#e"]

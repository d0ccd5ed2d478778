"""`make reference`: writes the pages of docs/ that are made from code, and the synchronous half of the SDK.
tests/test_reference.py fails if one is out of date.

A page is made as a whole, or the part between a line `<!-- made: NAME -->` and the next `<!-- end -->`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
import grimp
from flask import Flask, Response

from deploy import synchronous
from vault import api, errors, http
from vault.cli import root
from vault.client import Client
from vault.client.groups import Environments, Sessions, Tokens
from vault.client.sets import VariableSet
from vault.formats import FORMATS
from vault.http.statuses import STATUSES

if TYPE_CHECKING:
    from vault.errors import StrongroomError

DOCS = Path(__file__).parents[1] / "docs"
HELP_WIDTH = 100

Arrows = Mapping[str, Iterable[str]]


# -- The rooms ---------------------------------------------------------------------------------------------------


def arrows(below: str) -> Arrows:
    """Return which room below a package imports which other rooms.

    A module in the package is a room too. The package's `__init__` belongs to a room with the package's name.
    """
    graph = grimp.build_graph("vault")
    found: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            here, there = _room(module, below), _room(imported, below)
            if here and there and here != there:
                found[here].add(there)
    return {room: sorted(found[room]) for room in sorted(found)}


def _room(module: str, below: str) -> str:
    if module == below:
        return below.rpartition(".")[2]
    return module.removeprefix(f"{below}.").partition(".")[0] if module.startswith(f"{below}.") else ""


def drawing(found: Arrows) -> str:
    """Return the arrows as a Mermaid flowchart, with one line for each room that imports others."""
    lines = [f"    {here} --> {' & '.join(there)}" for here, there in found.items()]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


# -- The pages ---------------------------------------------------------------------------------------------------


def command_page() -> str:
    """Return the page with the help of every command."""
    parts = ["# The command", "", "Made from the code by `make reference`: the help of every command.", ""]
    names_of_help = root.context_settings["help_option_names"]
    for names, command in [((), root), *_commands((), root)]:
        context = click.Context(
            command,
            info_name=" ".join(("strongroom", *names)),
            max_content_width=HELP_WIDTH,
            help_option_names=names_of_help,
        )
        context.terminal_width = HELP_WIDTH
        parts += [f"## {context.info_name}", "", "```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(parts)


def _commands(names: tuple[str, ...], group: click.Group) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from _commands((*names, name), command)


def errors_table() -> str:
    """Return the table of all errors of the API, with their statuses."""
    rows = []
    for kind in _kinds(errors.StrongroomError):
        status = next((STATUSES[parent] for parent in kind.__mro__ if parent in STATUSES), None)
        # A class with the same code as its parent gives the same answer.
        if status is not None and all(getattr(base, "code", "") != kind.code for base in kind.__bases__):
            rows.append((int(status), kind.code, kind.__name__, _sentence(kind)))
    lines = [f"| `{code}` | {status} | `{name}` | {sentence} |" for status, code, name, sentence in sorted(rows)]
    return "\n".join(["| code | status | class | what it means |", "|---|---|---|---|", *lines])


def _kinds(root: type[StrongroomError]) -> Iterator[type[StrongroomError]]:
    for kind in root.__subclasses__():
        if kind.__module__.startswith(f"{errors.__name__}."):
            yield kind
            yield from _kinds(kind)


def _sentence(kind: type[StrongroomError]) -> str:
    first = (kind.__doc__ or kind.sentence).strip().partition("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def api_table() -> str:
    """Return the table of all calls of the API."""
    lines = []
    for path, item in sorted(_description()["paths"].items()):
        for method, operation in item.items():
            if method in ("get", "put", "post", "patch", "delete"):
                summary = " ".join(str(operation.get("summary", "")).split()).replace("|", "\\|")
                lines.append(f"| `{method.upper()}` | `{path}` | {summary} |")
    return "\n".join(["| method | path | what it does |", "|---|---|---|", *lines])


def _description() -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """Return the OpenAPI description. It needs no vault."""
    app = Flask("reference", static_folder=None)
    http.prepare(app)
    api.register(app)
    with app.test_request_context():
        response = app.view_functions["openapi"]()
    if not isinstance(response, Response):
        raise TypeError("The view of the description no longer answers with a Response.")
    found: dict[str, dict[str, dict[str, dict[str, object]]]] = response.get_json()
    return found


def formats_table() -> str:
    """Return the table of all file formats, and what each can do."""
    lines = ["| format | usual end of the name | read | written | keeps disabled variables |", "|---|---|---|---|---|"]
    for name, format_ in FORMATS.items():
        marks = [_yes(format_.can_parse), "yes", _yes(format_.keeps_disabled)]
        lines.append(f"| `{name}` | `{format_.suffix}` | {' | '.join(marks)} |")
    return "\n".join(lines)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


SDK = (
    ("client", Client),
    ("client.environments", Environments),
    ("client.tokens", Tokens),
    ("client.sessions", Sessions),
    ('client.environment("prod")` and `client.globals', VariableSet),
)


def sdk_calls() -> str:
    """Return the calls of the SDK, group by group."""
    parts = []
    for title, group in SDK:
        parts += [f"## `{title}`", "", "| call | what it does |", "|---|---|"]
        for name, call in vars(group).items():
            if inspect.isfunction(call) and not name.startswith("_"):
                parts.append(f"| `{name}({_arguments(call)})` | {_first_paragraph(call)} |")
        parts.append("")
    return "\n".join(parts).rstrip()


def _arguments(call: Callable[..., object]) -> str:
    signature = inspect.signature(call)
    shown = [item.replace(annotation=item.empty) for name, item in signature.parameters.items() if name != "self"]
    return str(signature.replace(parameters=shown, return_annotation=signature.empty))[1:-1]


def _first_paragraph(call: Callable[..., object]) -> str:
    return " ".join((inspect.getdoc(call) or "").partition("\n\n")[0].split()).replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "reference/command.md": command_page,
}
"""Pages that are made as a whole."""

PARTS: dict[tuple[str, str], Callable[[], str]] = {
    ("explanation/architecture.md", "rooms"): lambda: drawing(arrows("vault")),
    ("explanation/architecture.md", "services"): lambda: drawing(arrows("vault.services")),
    ("reference/api.md", "calls"): api_table,
    ("reference/errors.md", "codes"): errors_table,
    ("reference/formats.md", "formats"): formats_table,
    ("reference/sdk.md", "calls"): sdk_calls,
}
"""Parts that are made, by page and name."""


def with_part(text: str, name: str, made: str) -> str:
    """Return a page's text with one part replaced. Raises `ValueError` if the page does not have the part's two
    marks.
    """
    pattern = rf"(<!-- made: {name} -->\n).*?(\n<!-- end -->)"
    replaced, count = re.subn(pattern, lambda found: f"{found[1]}{made}{found[2]}", text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"The page must have the marks of the part {name!r} once. It has them {count} times.")
    return replaced


def made() -> dict[str, str]:
    """Return every page that is made, or has a made part, with its right content."""
    found = {page: make() for page, make in PAGES.items()}
    for (page, name), make in PARTS.items():
        text = found.get(page) or (DOCS / page).read_text(encoding="utf-8")
        found[page] = with_part(text, name, make())
    return found


def main() -> None:
    """Write the modules and pages that have changed, and print their names."""
    for module in synchronous.MODULES:
        synchronous.write(module)
    for page, text in made().items():
        path = DOCS / page
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"docs/{page} is written.\n")


if __name__ == "__main__":
    main()

"""File formats: text to variables and back. There is one file for each format, and `FORMATS` finds them by name.

    text ── parse ──► what the text states of each variable
    variables ── render ──► text

What a format writes, its own reader reads back unchanged, for any value. A variable that a format cannot carry is left
out, and a warning names it; nothing is changed silently. To add a format, write one file and add one line here.
"""

from __future__ import annotations

from vault.formats.base import UNNAMED, Expanding, Format, ParsedFile, Picking, Rendered, Source, refuse
from vault.formats.docker import DockerFormat
from vault.formats.dotenv import DotenvFormat
from vault.formats.json import JsonFormat
from vault.formats.kubernetes import KubernetesFormat
from vault.formats.postman import PostmanFormat
from vault.formats.shell import ShellFormat
from vault.formats.systemd import SystemdFormat
from vault.formats.template import TemplateFormat
from vault.formats.yaml import YamlFormat

_ALL: tuple[Format, ...] = (
    DotenvFormat(),
    JsonFormat(),
    YamlFormat(),
    ShellFormat(),
    PostmanFormat("postman"),
    PostmanFormat("postman-newman", is_for_newman=True),
    KubernetesFormat(),
    DockerFormat(),
    SystemdFormat(),
    TemplateFormat(),
)

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in _ALL}

__all__ = ["FORMATS", "UNNAMED", "Expanding", "Format", "ParsedFile", "Picking", "Rendered", "Source", "refuse"]

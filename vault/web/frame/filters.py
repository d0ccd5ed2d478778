"""Words that templates use."""

from __future__ import annotations

import datetime

from flask import Flask, g
from markupsafe import Markup

from vault.web.frame.once import once_field

_START = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FIELD = Markup('<input type="hidden" name="csrf_token" value="{}">')


def register(app: Flask) -> None:
    """Give `app`'s templates these words."""
    app.add_template_filter(moment)
    app.add_template_filter(author)
    app.add_template_global(csrf_field)
    app.add_template_global(once_field)


def moment(us: int | None) -> Markup:
    """A time in UTC, given in microseconds since 1970; a script shows it in the reader's own. A dash for none."""
    if us is None:
        return Markup("–")
    time = _START + datetime.timedelta(microseconds=us)
    machine, shown = time.strftime("%Y-%m-%dT%H:%M:%SZ"), time.strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}">{}</time>').format(machine, shown)


def author(label: str) -> str:
    """Who made a revision, from its label: only its owner and their tokens do."""
    kind, _, token_id = label.partition(":")
    return f"token {token_id}" if kind == "token" else "you"


def csrf_field() -> Markup:
    """The token that every form of a page holds."""
    return _FIELD.format(g.get("csrf_token", ""))

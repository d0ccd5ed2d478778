"""Filters and functions for templates."""

from __future__ import annotations

from flask import Flask, g
from markupsafe import Markup

from vault.model.clock import as_datetime
from vault.model.principal import PrincipalKind, kind_and_id
from vault.model.printable import visible
from vault.web.frame.single_use import once_field

_FIELD = Markup('<input type="hidden" name="csrf_token" value="{}">')


def register(app: Flask) -> None:
    """Add the filters and functions to `app`'s templates."""
    app.jinja_env.finalize = seen
    app.add_template_filter(visible)
    app.add_template_filter(moment)
    app.add_template_filter(exact)
    app.add_template_filter(author)
    app.add_template_global(csrf_field)
    app.add_template_global(once_field)


def seen(value: object) -> object:
    """Return what a page shows for an expression of a template: a text has its invisible characters escaped.

    What a form sends back must stay as it is. There, a template writes `| e`, which makes it markup.
    """
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(us: int | None) -> Markup:
    """Return a time in UTC, given in microseconds since 1970, or a dash for None. A script shows it in the reader's
    time zone.
    """
    if us is None:
        return Markup("–")
    time = as_datetime(us)
    machine, shown = time.strftime("%Y-%m-%dT%H:%M:%SZ"), time.strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}">{}</time>').format(machine, shown)


def exact(us: int) -> Markup:
    """Return a time in UTC with its milliseconds, which no script changes."""
    text = as_datetime(us).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return Markup('<time datetime="{}" data-utc>{}</time>').format(text.replace(" ", "T") + "Z", text)


def author(label: str) -> str:
    """Return who made a revision, from its label. Only the owner and the owner's tokens can make one."""
    kind, id_ = kind_and_id(label)
    return f"token {id_}" if kind == PrincipalKind.TOKEN else "you"


def csrf_field() -> Markup:
    """Return the form field with the CSRF token."""
    return _FIELD.format(g.get("csrf_token", ""))

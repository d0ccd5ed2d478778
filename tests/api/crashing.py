"""The real app, with services that crash on request, their secrets in locals and in the message."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from flask import Flask, has_request_context, request

from vault import app as real
from vault.settings import Settings

takes_password = real.takes_password

CRASH = "X-Test-Crash"


def create_app(settings: Settings) -> Flask:
    """The app; a call with the `X-Test-Crash` header fails inside the first service that it reaches."""
    made = real.create_app(settings)
    services = made.extensions["strongroom"].services
    groups = (services.people, services.environments, services.tokens, services.vaultkv)
    for verbs in (services.idempotency, *(getattr(group, field.name) for group in groups for field in fields(group))):
        for name, method in inspect.getmembers(type(verbs), inspect.isfunction):
            # Otherwise no call would come further than its credential.
            if not name.startswith("_") and (name != "authenticate" or verbs is services.people.accounts):
                setattr(type(verbs), name, _crashing(method))
    return made


def _crashing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        if has_request_context() and CRASH in request.headers:
            secret = request.get_data(as_text=True), request.headers.get("Authorization"), args, kwargs
            raise RuntimeError(f"crashed with {secret!r}") from ValueError(f"because of {secret!r}")
        return method(*args, **kwargs)

    return run

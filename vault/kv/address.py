"""Paths under `/v1`: their methods, which paths are refused, and the environment that a path means."""

from __future__ import annotations

import re

from flask import request

from vault.errors import InvalidInput
from vault.http import has_utf8_path
from vault.kv.bodies import flag
from vault.model.environment import check_environment_name

PREFIX = "/v1"
WRITES = ("POST", "PUT")
LISTS = ("LIST",)


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SLASHES = re.compile(r"[/\\]")


def require_path() -> None:
    """Raise `InvalidInput` for a path that can name nothing. It is the same answer for every call, whether a route
    matches the path or not.
    """
    if not has_utf8_path():
        raise InvalidInput("The path must be UTF-8.")
    below = request.path.removeprefix(PREFIX).removeprefix("/")
    if below and any(part in ("", ".", "..") for part in below.removesuffix("/").split("/")):
        raise InvalidInput("A path must not have an empty, '.' or '..' part between its slashes.")
    # Some proxies drop a `;` and what follows it from a part, and read a backslash as a slash.
    if any(part.partition(";")[0] in (".", "..") for part in _SLASHES.split(below)):
        raise InvalidInput("A path must not have '.' or '..' before a ';' or beside a backslash.")
    if _CONTROL.search(below):
        raise InvalidInput("A path must not contain control characters.")


def require_one_spelling() -> None:
    """Raise `InvalidInput` if the part of the path before the environment's name is percent-encoded.

    A proxy's rules see that part as it was sent. The name itself may be encoded: it is decoded once, and then checked.
    """
    raw: str = request.environ.get("RAW_URI", "").partition("?")[0]
    rule = request.url_rule
    if "%" in raw and rule is not None and not raw.startswith(rule.rule.partition("<")[0]):
        raise InvalidInput("Only an environment's name may be percent-encoded, and not the address before it.")


def named(path: str) -> str:
    """Return the environment's name that a path means, with its slashes. Raises `InvalidInput` if it is not a valid
    name.

    Permissions are checked for this name and data is stored under it, so a path has only one spelling.
    """
    return check_environment_name(path, path="path")


def is_list() -> bool:
    """Report whether a GET asks for a list: `?list=true`, for clients that cannot send LIST."""
    return request.method in LISTS or flag(request.args.get("list", ""))

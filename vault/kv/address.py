"""Paths under `/v1`: their methods, and the environment that a path means."""

from __future__ import annotations

from flask import request

from vault.kv.bodies import flag
from vault.model.environment import check_environment_name

PREFIX = "/v1"
WRITES = ("POST", "PUT")
LISTS = ("LIST",)


def named(path: str) -> str:
    """Return the environment's name that a path means, with its slashes. Raises `InvalidInput` if it is not a valid
    name.

    Permissions are checked for this name and data is stored under it, so a path has only one spelling.
    """
    return check_environment_name(path, path="path")


def is_list() -> bool:
    """Report whether a GET asks for a list: `?list=true`, for clients that cannot send LIST."""
    return request.method in LISTS or flag(request.args.get("list", ""))

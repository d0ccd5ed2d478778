"""What a service token may do, in words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vault.errors import NotAuthenticated

if TYPE_CHECKING:
    from vault.cli.context import Cli
    from vault.client import Grant


def described(grant: Grant) -> str:
    """Return a grant in words. An environment that is deleted, or whose name the caller may not know, keeps its id."""
    place = "globals" if grant.globals else grant.path or grant.environment_name or grant.environment_id or "?"
    return f"{place} ({' '.join(grant.permissions)})"


def not_listed(cli: Cli) -> str:
    """Return what the token of this run may use and not list, as a sentence. Empty if it may list everything, and for a
    person's session.
    """
    from vault.client.defaults import token_from
    from vault.crypto.token import TokenKind, parse

    try:
        own = parse(token_from(os.environ))
        grants = cli.client.tokens.get(own.id).grants if own.kind is TokenKind.SERVICE else ()
    except NotAuthenticated:
        # It is not a token of ours, or the list was its last use.
        return ""
    hidden = [described(grant) for grant in grants if "list" not in grant.permissions]
    return f"This token may use, but not list: {', '.join(hidden)}. Name one with -e." if hidden else ""

"""The origin of a call that comes with the pages' cookie. A browser says it in headers that no page can set."""

from __future__ import annotations


def is_same_origin(site: str | None, origin: str | None, own: str) -> bool:
    """Report whether a page of this vault made the call.

    `site` is the header `Sec-Fetch-Site`, `origin` is `Origin`, and `own` is the vault's origin. `Origin` decides only
    for browsers that do not send the other one. A call without both is not ours.
    """
    return site == "same-origin" if site is not None else origin == own

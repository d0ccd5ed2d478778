"""Marks on views. The marks say what a view needs, and the lists of routes are made from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

View = Callable[..., Any]  # type: ignore[explicit-any]  # Flask takes views of any signature
"""A view. It returns anything that its decorators or Flask can turn into a response."""

Marked = TypeVar("Marked", bound=View)

_PUBLIC = "_strongroom_public"
_DUTY = "_strongroom_answers_duty"
_ENDED = "_strongroom_answers_ended"
_KEEPS = "_strongroom_keeps_answer"
_UNATTENDED = "_strongroom_unattended"
_PASSWORD = "_strongroom_takes_password"  # noqa: S105 - the name of a mark.


def public(view: Marked) -> Marked:
    """Mark a view that needs no credential."""
    setattr(view, _PUBLIC, True)
    return view


def is_public(view: View | None) -> bool:
    """Report whether a view is marked as public."""
    return bool(getattr(view, _PUBLIC, False))


def answers_duty(view: Marked) -> Marked:
    """Mark a view that a person with a duty may call: it does the duty, leads to it, or ends the session."""
    setattr(view, _DUTY, True)
    return view


def is_duty_view(view: View | None) -> bool:
    """Report whether a view is marked as one for a person with a duty."""
    return bool(getattr(view, _DUTY, False))


def answers_ended(view: Marked) -> Marked:
    """Mark a view that replaces the session of its caller: a retry, with an Idempotency-Key, comes with the old secret.

    Such a caller gets the stored answer and nothing else.
    """
    setattr(view, _ENDED, True)
    return view


def is_ended_view(view: View | None) -> bool:
    """Report whether a view is marked as one that replaces its caller's session."""
    return bool(getattr(view, _ENDED, False))


def keeps_answer(view: Marked) -> Marked:
    """Mark a view whose answer is stored for a retry with the same Idempotency-Key."""
    setattr(view, _KEEPS, True)
    return view


def is_kept_view(view: View | None) -> bool:
    """Report whether a view is marked as one whose answer is stored."""
    return bool(getattr(view, _KEEPS, False))


def unattended(view: Marked) -> Marked:
    """Mark a view that a page calls by itself. The call must not keep the session of an absent person alive."""
    setattr(view, _UNATTENDED, True)
    return view


def is_unattended_view(view: View | None) -> bool:
    """Report whether a view is marked as one that a page calls by itself."""
    return bool(getattr(view, _UNATTENDED, False))


def takes_password(view: Marked) -> Marked:
    """Mark a view that hashes a password.

    These requests run in a small pool of their own: each hash needs 64 MiB, and reads must not wait for it.
    """
    setattr(view, _PASSWORD, True)
    return view


def is_password_view(view: View | None) -> bool:
    """Report whether a view is marked as one that hashes a password."""
    return bool(getattr(view, _PASSWORD, False))

"""Who did something, in words: for the history of a person, and for the audit."""

from __future__ import annotations

from collections.abc import Mapping

from vault.model.principal import PrincipalKind, kind_and_id


def actor_named(label: str, person: str, tokens: Mapping[str, str]) -> str:
    """Return who did something. `label` is such as `session:3kTMd9…`, `person` is whose session it is (empty if not
    known), and `tokens` has names by id. What has no name keeps its id.
    """
    kind, id_ = kind_and_id(label)
    if kind == PrincipalKind.SESSION:
        return person or label
    if kind != PrincipalKind.TOKEN:
        return label
    return f"token {tokens[id_]} ({id_})" if id_ in tokens else f"token {id_}"

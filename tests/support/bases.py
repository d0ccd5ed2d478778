"""Helpers for tests of bases: they build graphs of environments from one line."""

from __future__ import annotations

from typing import Any, Unpack

from tests.support.vaults import add_environment, write
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.values import Question
from vault.services.environments.wishes import Wishes
from vault.storage import EnvironmentRow


def stand(vault: Services, who: Principal, environment: str, *bases: str) -> EnvironmentRow:
    """Set the bases of an environment."""
    return write(vault, lambda unit: vault.environments.bases.set(unit, who, environment, bases))


def build(vault: Services, who: Principal, graph: str) -> dict[str, str]:
    """Create environments from `prod:eu,common eu:common` and return their ids. Each has its name in NAME and in
    `IN_<name>`.
    """
    named = {name: bases.split(",") for name, _, bases in (part.partition(":") for part in graph.split()) if bases}
    everything = dict.fromkeys([*named, *(base for bases in named.values() for base in bases)])
    ids = {}
    for name in everything:
        ids[name] = add_environment(vault, who, name, NAME=name, **{f"IN_{name}": "1"}).id
    for name, bases in reversed(named.items()):
        stand(vault, who, name, *bases)
    return ids


def delete(vault: Services, who: Principal, name: str) -> None:
    write(vault, lambda unit: vault.environments.environments.delete(unit, who, name))


def change(vault: Services, who: Principal, reference: str, /, **wishes: Unpack[Wishes]) -> None:
    write(vault, lambda unit: vault.environments.environments.change(unit, who, reference, wishes))


def undelete(vault: Services, who: Principal, reference: str, new_name: str | None = None) -> None:
    write(vault, lambda unit: vault.environments.environments.undelete(unit, who, reference, new_name))


def bases_of(vault: Services, who: Principal, name: str) -> tuple[str, ...]:
    return vault.environments.environments.get(who, name).bases


def warnings(vault: Services, who: Principal, name: str, **question: Any) -> tuple[str, ...]:
    found = vault.environments.values.read(who, name, Question(**question)).resolved
    assert found is not None
    return found.warnings


def etag(vault: Services, who: Principal, name: str) -> str:
    return vault.environments.values.read(who, name, Question()).etag

"""The changes of environments for the faces: each returns the environment in the form that may be shown."""

from __future__ import annotations

from collections.abc import Sequence

from vault.model.environment import GLOBALS, Environment, EnvironmentRef, Variable
from vault.model.principal import Principal
from vault.services.environments.bases import Bases
from vault.services.environments.environments import Environments
from vault.services.environments.rules import MAX_VERSIONS_DEFAULT
from vault.services.environments.variables import Variables
from vault.services.environments.wishes import Wishes
from vault.storage import UnitOfWork


class Making:
    """Creates, changes, restores and copies environments."""

    def __init__(self, environments: Environments, bases: Bases, variables: Variables) -> None:
        self._environments = environments
        self._bases = bases
        self._variables = variables

    def create(
        self,
        unit: UnitOfWork,
        principal: Principal,
        name: str,
        *,
        description: str = "",
        max_versions: int = MAX_VERSIONS_DEFAULT,
        bases: Sequence[str] = (),
        variables: Sequence[Variable] | None = None,
    ) -> Environment:
        """Create an environment, on bases and with first variables if they are given.

        Raises as `Environments.create`, `Bases.give` and `Variables.fill` do.
        """
        row = self._environments.create(unit, principal, name, description=description, max_versions=max_versions)
        if bases:
            row = self._bases.give(unit, principal, row, bases)
        if variables is not None:
            row = self._variables.fill(unit, principal, row, variables)
        return self._environments.view(unit, row)

    def change(self, unit: UnitOfWork, principal: Principal, reference: EnvironmentRef, wishes: Wishes) -> Environment:
        """Change the name, the description, the bases or a rule. Raises as `Bases.change` does.

        Without a reference, it changes the globals, which have no bases.
        """
        if reference is GLOBALS:
            row = self._environments.change(unit, principal, None, wishes)
        else:
            row = self._bases.change(unit, principal, reference, wishes)
        return self._environments.view(unit, row)

    def undelete(self, unit: UnitOfWork, principal: Principal, reference: str, new_name: str | None) -> Environment:
        """Restore a deleted environment, perhaps under another name. Raises as `Environments.undelete` does."""
        return self._environments.view(unit, self._environments.undelete(unit, principal, reference, new_name))

    def copy(self, unit: UnitOfWork, principal: Principal, reference: str, new_name: str) -> Environment:
        """Create an environment with the current variables and the bases of another. Raises as `Variables.copy`."""
        return self._environments.view(unit, self._variables.copy(unit, principal, reference, new_name))

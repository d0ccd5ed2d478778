"""The tokens in the forms of pages, which show that a form comes from a page of this vault."""

from __future__ import annotations

from vault.model.principal import Principal
from vault.services.own.instance import Instance


class FormTokens:
    """Makes a form's token from what it is bound to. The tokens are not stored."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def of_session(self, principal: Principal) -> str:
        """Return the token for the forms of a session."""
        return self._instance.digest("csrf", principal.id).hex()

    def of_login(self, mark: str) -> str:
        """Return the token for the login page. `mark` is the random text in that browser's cookie."""
        return self._instance.digest("csrf login", mark).hex()

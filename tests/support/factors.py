"""Second factors for tests: an account that has one, codes as an app would show them, and logins that use them.

app = add_totp(vault, "ada")
required = asked(vault, "ada")                                   # the challenge after the password
session = vault.people.logins.complete(required.challenge_id, Proof(code=app.code(vault)), WEB)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyotp

from tests.support.authenticator import Authenticator
from tests.support.vaults import ADDRESS, PASSWORD, as_session, log_in
from vault.model.clock import SECOND_US
from vault.model.principal import Principal
from vault.services import Services
from vault.services.people.factors import Challenge
from vault.services.people.logins import Proof
from vault.services.people.visit import Visit

WEB = Visit("web", ADDRESS, "test", "request")
API = Visit("api", ADDRESS, "test", "request")


@dataclass
class App:
    """An authenticator app with its account's secret, and the account's recovery codes."""

    id: str
    secret: str = field(repr=False)
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)

    def code(self, vault: Services, *, steps: int = 0) -> str:
        """Return the code that the app shows now, or `steps` later."""
        return pyotp.TOTP(self.secret).at(vault.clock() // SECOND_US, counter_offset=steps)


def fresh(vault: Services, name: str, kind: str = "api") -> Principal:
    """Return a new session, without recent proofs."""
    return as_session(vault, log_in(vault, name, kind).secret, kind)


def add_totp(vault: Services, name: str, by: Principal | None = None) -> App:
    """Add an authenticator app to an account. This uses up its current code, because each code is accepted once."""
    principal = by or fresh(vault, name)
    begun = vault.people.factors.begin_totp(principal)
    added = vault.people.factors.confirm_totp(
        principal, begun.id, pyotp.TOTP(begun.secret).at(vault.clock() // SECOND_US)
    )
    return App(added.factor.id, begun.secret, added.recovery_codes)


def add_passkey(vault: Services, name: str, by: Principal | None = None) -> Authenticator:
    """Add a passkey to an account."""
    principal, device = by or fresh(vault, name), Authenticator()
    begun = vault.people.factors.begin_passkey(principal)
    vault.people.factors.confirm_passkey(principal, begun.id, device.create(begun.options))
    return device


def asked(vault: Services, name: str, visit: Visit = WEB) -> Challenge:
    """Return the answer to a correct password."""
    begun = vault.people.logins.begin(name, PASSWORD, visit)
    assert isinstance(begun, Challenge)
    return begun


def with_code(vault: Services, name: str, app: App, visit: Visit = WEB) -> Principal:
    """Log in with password and code, and return the session."""
    begun = vault.people.logins.complete(asked(vault, name, visit).id, Proof(code=app.code(vault)), visit)
    return as_session(vault, begun.secret, visit.kind)


def sessions_of(vault: Services, principal: Principal) -> int:
    """Count a person's active sessions."""
    with vault.storage.read() as unit:
        return len(unit.sessions.living(principal.user_id, vault.clock()))

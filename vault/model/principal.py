"""Who acts: a person's session, a service token, or the operator on the host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vault.errors import Forbidden, StepUpRequired
from vault.model.grant import Grant

STEP_UP_SECONDS = 300
"""How long a proof counts as recent. Long enough for one task, short enough for a desk left alone."""

BEYOND_PASSWORD = frozenset({"totp", "passkey", "recovery"})
"""What a session may have proven besides the password, or in its stead."""


class PrincipalKind(StrEnum):
    """What kind of credential stands behind a principal."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, not a credential.
    HOST = "host"
    VAULT = "vault"


class Role(StrEnum):
    """What a person may do beyond their own things."""

    USER = "user"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. A session acts with all of its user's rights (`grants is None`), a token with its grants.

    `id` is the session's or token's public id, never its secret. Times are microseconds since 1970.
    """

    kind: PrincipalKind
    id: str
    user_id: str
    username: str
    role: Role = Role.USER
    grants: tuple[Grant, ...] | None = None
    authenticated_us: int = 0
    factors: tuple[str, ...] = ()
    """What a session has proven: `password`, and those of `BEYOND_PASSWORD`."""

    has_second_factor: bool = False
    """Whether the account asks for more than its password."""

    address: str = ""
    request_id: str = ""
    header_writes: bool = False
    """Whether a token may write although it came as a Basic or API-key credential."""

    by_replaced_secret: bool = False
    """Whether a rotation has replaced the secret that was presented: it works on for a while, and makes nothing."""

    @property
    def label(self) -> str:
        """How revisions and the audit name who acted, as `session:3kTMd9…`."""
        return f"{self.kind}:{self.id}"

    def require_current_secret(self) -> None:
        """Raise `Forbidden` for a secret that was replaced: who stole it must not outlive the rotation with it."""
        if self.by_replaced_secret:
            raise Forbidden("This secret was replaced by a rotation: use the new one to make, renew or rotate tokens.")

    def require_person(self) -> None:
        """Raise `Forbidden` unless a person's session acts: tokens never touch accounts and sessions."""
        if self.kind is PrincipalKind.TOKEN:
            raise Forbidden("This call is for a person's session, not for a service token.")

    def require_operator(self) -> None:
        """Raise `Forbidden` unless an operator acts, and not through a service token."""
        self.require_person()
        if self.role is not Role.OPERATOR:
            raise Forbidden("This call is for operators.")

    def require_recent_proof(self, now_us: int) -> None:
        """Raise `StepUpRequired` unless the session has proven who it is within the last five minutes.

        Where the account has a second factor, a password alone proves nothing.
        """
        self.require_person()
        if now_us - self.authenticated_us > STEP_UP_SECONDS * 1_000_000:
            raise StepUpRequired()
        if self.has_second_factor and not BEYOND_PASSWORD & set(self.factors):
            raise StepUpRequired()


def vault_itself(job: str) -> Principal:
    """The vault, where nobody asked for what it does: a job that purges, the founding."""
    return Principal(PrincipalKind.VAULT, job, user_id="", username=job, role=Role.OPERATOR)


def host_operator(name: str) -> Principal:
    """The operator with a shell on the host: whoever may read the keyring needs no second proof."""
    return Principal(PrincipalKind.HOST, name, user_id="", username=name, role=Role.OPERATOR)

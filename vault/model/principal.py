"""Principals: a person's session, a service token, or the operator on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from vault.errors import FactorSetupRequired, Forbidden, PasswordChangeRequired, StepUpRequired
from vault.model.clock import SECOND_US
from vault.model.grant import Grant

STEP_UP_SECONDS = 300
"""How long a proof counts as recent: long enough for one task, short enough for an unattended desk."""

BEYOND_PASSWORD = frozenset({"totp", "passkey", "recovery"})
"""The factors that a session can prove in addition to the password, or instead of it."""


class PrincipalKind(StrEnum):
    """The kind of credential of a principal."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a kind, not a credential.
    HOST = "host"
    VAULT = "vault"


class Role(StrEnum):
    """What a person may do beyond their own things."""

    USER = "user"
    OPERATOR = "operator"


class Duty(StrEnum):
    """What a person must do before any other call."""

    PASSWORD = "password"  # noqa: S105 - a kind, not a credential.
    SECOND_FACTOR = "second_factor"


def label_of(kind: PrincipalKind, id_: str) -> str:
    """Return the name of a principal in revisions and in the audit, such as `session:3kTMd9…`."""
    return f"{kind}:{id_}"


def kind_and_id(label: str) -> tuple[str, str]:
    """Return the kind and the id in a label. A newer release may know more kinds."""
    kind, _, id_ = label.partition(":")
    return kind, id_


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a call. A session has all rights of its user (`grants is None`), a token has its grants.

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
    """What a session has proven: `password`, and items of `BEYOND_PASSWORD`."""

    has_second_factor: bool = False
    """Whether the account requires more than its password."""

    address: str = ""
    request_id: str = ""
    header_writes: bool = False
    """Whether a token may write even if it was sent as a Basic or API-key credential."""

    by_replaced_secret: bool = False
    """Whether a rotation has replaced the presented secret. It still works for a while, but cannot make anything."""

    has_ended: bool = False
    """Whether the session was replaced a moment ago. It only gets an answer that is stored for a retry."""

    duties: tuple[Duty, ...] = ()
    """What the person must do first. Until then, only the calls that do it are answered."""

    asked: set[str] = field(default_factory=set, compare=False, repr=False)
    """The checks that were asked of this caller. They are asked again before a stored answer is repeated."""

    secret_digests: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    """Digests of a token's secret, if it is the current one. A new secret has another digest."""

    presented_digests: tuple[bytes, ...] = field(default=(), compare=False, repr=False)
    """Digests of the presented secret, under each key that the stored digest may have. A stream keeps them, because it
    is judged again.
    """

    newest_change: int | None = None
    """The number of the user's newest change when the credential was read, or None if it was read from a cache."""

    @property
    def label(self) -> str:
        """The principal's name in revisions and in the audit, such as `session:3kTMd9…`."""
        return label_of(self.kind, self.id)

    def require_current_secret(self) -> None:
        """Raise `Forbidden` for a replaced secret, so that its thief cannot keep access by making new tokens."""
        self.asked.add("current_secret")
        if self.by_replaced_secret:
            raise Forbidden("This secret was replaced by a rotation. Use the new one to make, renew or rotate tokens.")

    def require_person(self) -> None:
        """Raise `Forbidden` unless this is a person's session. Tokens must not change accounts and sessions."""
        self.asked.add("person")
        if self.kind is PrincipalKind.TOKEN:
            raise Forbidden("This call needs a person's session, not a service token.")

    def require_no_duty(self) -> None:
        """Raise `PasswordChangeRequired` or `FactorSetupRequired` if the person must do something else first."""
        if Duty.PASSWORD in self.duties:
            raise PasswordChangeRequired()
        if Duty.SECOND_FACTOR in self.duties:
            raise FactorSetupRequired()

    def require_operator(self) -> None:
        """Raise `Forbidden` unless this is an operator's session, without a duty, and not a service token."""
        self.asked.add("operator")
        self.require_person()
        self.require_no_duty()
        if self.role is not Role.OPERATOR:
            raise Forbidden("This call is for operators.")

    def require_recent_proof(self, now_us: int) -> None:
        """Raise `StepUpRequired` unless the session has proven the person's identity within the last five minutes.

        If the account has a second factor, a password alone is not enough.
        """
        self.asked.add("recent_proof")
        self.require_person()
        if now_us - self.authenticated_us > STEP_UP_SECONDS * SECOND_US:
            raise StepUpRequired()
        if self.has_second_factor and not BEYOND_PASSWORD & set(self.factors):
            raise StepUpRequired()

    def ask_again(self, checks: Iterable[str], now_us: int) -> None:
        """Make the checks of an earlier call again. Raises `Forbidden` also for a check that this release does not
        know.
        """
        known: dict[str, Callable[[], None]] = {
            "current_secret": self.require_current_secret,
            "person": self.require_person,
            "operator": self.require_operator,
            "recent_proof": lambda: self.require_recent_proof(now_us),
        }
        for name in checks:
            if name not in known:
                raise Forbidden()
            known[name]()


def vault_itself(job: str) -> Principal:
    """Return the vault itself, for work that no person requested: a job that purges, or the founding."""
    return Principal(PrincipalKind.VAULT, job, user_id="", username=job, role=Role.OPERATOR)


def host_operator(name: str) -> Principal:
    """Return the operator with a shell on the host. It needs no second proof, because it can read the keyring."""
    return Principal(PrincipalKind.HOST, name, user_id="", username=name, role=Role.OPERATOR)

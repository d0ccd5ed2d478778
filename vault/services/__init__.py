"""The verbs of the vault. Each checks a permission on its first line, so every face and the command use the same rules.

`Services` has all of them, in a group for each room. `vault/wiring.py` creates them over one storage and one keyring.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.model.clock import Clock
from vault.services.audit import AuditTree, Forwarder, ReadLog, Trail, Verifier
from vault.services.backup import Backups
from vault.services.environments.bases import Bases
from vault.services.environments.environments import Environments
from vault.services.environments.files import Transfer
from vault.services.environments.history import History
from vault.services.environments.making import Making
from vault.services.environments.values import ValuesReader
from vault.services.environments.variables import Variables
from vault.services.idempotency import Idempotency
from vault.services.keys.master import MasterRotation
from vault.services.keys.resealing import Resealing
from vault.services.keys.rewrapping import Rewrapping
from vault.services.keys.secrets import SecretRotation
from vault.services.keys.system import SystemRotation
from vault.services.keys.upgrading import Upgrading
from vault.services.keys.users import UserRotation
from vault.services.own.instance import Instance
from vault.services.people.accounts import Accounts
from vault.services.people.ending import Ending
from vault.services.people.erasure import Erasure
from vault.services.people.factors import Factors
from vault.services.people.form_tokens import FormTokens
from vault.services.people.logins import Logins
from vault.services.people.sessions import Sessions
from vault.services.purging import Purging
from vault.services.readiness import Readiness
from vault.services.sync.cursor import Cursors
from vault.services.sync.epochs import Epochs
from vault.services.sync.expiring import Expiring
from vault.services.sync.feed import Feed
from vault.services.sync.judging import Judge
from vault.services.sync.pulse import Pulse
from vault.services.sync.tickets import Tickets
from vault.services.tokens.holders import TokenHolders
from vault.services.tokens.tokens import Tokens
from vault.services.touches import Touches
from vault.services.vaultkv.metadata import Metadata
from vault.services.vaultkv.versions import Versions
from vault.services.vaultkv.wrapping import Wrapping
from vault.settings import Settings
from vault.storage import SessionCache, Storage


@dataclass(frozen=True, slots=True)
class People:
    """Accounts and logins."""

    accounts: Accounts
    logins: Logins
    sessions: Sessions
    ending: Ending
    factors: Factors
    erasure: Erasure
    form_tokens: FormTokens


@dataclass(frozen=True, slots=True)
class EnvironmentVerbs:
    """Environments and their variables."""

    environments: Environments
    bases: Bases
    making: Making
    variables: Variables
    values: ValuesReader
    history: History
    files: Transfer


@dataclass(frozen=True, slots=True)
class TokenVerbs:
    """Service tokens: what people do with them, and the check of a token."""

    tokens: Tokens
    holders: TokenHolders


@dataclass(frozen=True, slots=True)
class KeyVerbs:
    """What operators do with keys, and signing rows again after an upgrade."""

    master: MasterRotation
    rewrapping: Rewrapping
    people: UserRotation
    system: SystemRotation
    secrets: SecretRotation
    reseal: Resealing
    upgrading: Upgrading


@dataclass(frozen=True, slots=True)
class AuditVerbs:
    """The audit: writing, searching, verifying and forwarding it."""

    reads: ReadLog
    trail: Trail
    tree: AuditTree
    verifier: Verifier
    forwarder: Forwarder


@dataclass(frozen=True, slots=True)
class Sync:
    """The feed of changes."""

    epochs: Epochs
    cursors: Cursors
    judge: Judge
    feed: Feed
    tickets: Tickets
    expiring: Expiring
    pulse: Pulse


@dataclass(frozen=True, slots=True)
class VaultKV:
    """What only the Vault face needs."""

    metadata: Metadata
    versions: Versions
    wrapping: Wrapping


@dataclass(frozen=True, slots=True)
class Services:
    """All verbs of one vault, and what they share."""

    people: People
    environments: EnvironmentVerbs
    tokens: TokenVerbs
    keys: KeyVerbs
    audit: AuditVerbs
    backups: Backups
    vaultkv: VaultKV
    sync: Sync

    settings: Settings
    storage: Storage
    cache: SessionCache
    instance: Instance
    idempotency: Idempotency
    readiness: Readiness
    touches: Touches
    purging: Purging
    clock: Clock

    def close(self) -> None:
        """Close all connections, to the database and to Redis."""
        self.storage.close()
        self.cache.close()

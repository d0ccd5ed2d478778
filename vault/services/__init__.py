"""The verbs: each asks for permission on its first line, so that every face and the command share it.

`Services` is all of them, wired together over one storage and one keyring.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.services import audit
from vault.services.audit import AuditTree, Forwarder, ReadLog, Trail, Verifier
from vault.services.backup import Backups, KnownArchives
from vault.services.clock import Clock, now_us
from vault.services.environments.environments import Environments
from vault.services.environments.files import Transfer
from vault.services.environments.history import History
from vault.services.environments.sealing import Sealer
from vault.services.environments.values import ValuesReader
from vault.services.environments.variables import Variables
from vault.services.idempotency import Idempotency
from vault.services.keys.upgrading import Upgrading
from vault.services.keys.wiring import KeyServices
from vault.services.own.instance import Instance
from vault.services.people.accounts import Accounts
from vault.services.people.erasure import Erasure, UnknownArchives
from vault.services.people.factors import Challenges, Factors, Passkeys, RecoveryCodes, Totp
from vault.services.people.logins import Logins
from vault.services.people.sessions import Sessions
from vault.services.people.throttle import Throttle
from vault.services.readiness import Readiness
from vault.services.tokens.holders import TokenHolders
from vault.services.tokens.tokens import Tokens
from vault.services.touches import Touches
from vault.services.vaultkv.metadata import Metadata
from vault.services.vaultkv.versions import Versions
from vault.services.vaultkv.wrapping import Wrapping
from vault.settings import Settings
from vault.storage import HotReads, SessionCache, Spool, Storage


@dataclass(frozen=True)
class Services:
    """All verbs of one vault."""

    settings: Settings
    storage: Storage
    instance: Instance
    accounts: Accounts
    erasure: Erasure
    sessions: Sessions
    logins: Logins
    factors: Factors
    tokens: Tokens
    token_holders: TokenHolders
    environments: Environments
    variables: Variables
    values: ValuesReader
    history: History
    metadata: Metadata
    versions: Versions
    wrapping: Wrapping
    keys: KeyServices
    transfer: Transfer
    reads: ReadLog
    trail: Trail
    audit_tree: AuditTree
    verifier: Verifier
    forwarder: Forwarder
    readiness: Readiness
    backups: Backups
    idempotency: Idempotency
    upgrading: Upgrading
    touches: Touches
    clock: Clock

    @classmethod
    def wire(
        cls, settings: Settings, storage: Storage, instance: Instance, cache: SessionCache, clock: Clock = now_us
    ) -> Services:
        """Hand each verb its collaborators."""
        hot, sealer, touches = HotReads(storage), Sealer(instance, clock), Touches(storage)
        tree = AuditTree(instance)
        forwarder = _forwarder(settings, storage, clock)
        reads = _read_log(settings, storage, instance, tree, clock)
        environments = Environments(settings, storage, instance, sealer, reads, clock)
        variables = Variables(storage, environments, sealer, reads)
        values = ValuesReader(hot, instance, sealer, reads)
        metadata = Metadata(storage, environments, sealer, reads, clock)
        sessions = Sessions(settings, storage, hot, instance, cache, touches, clock)
        throttle = Throttle(instance, clock)
        accounts = Accounts(settings, storage, instance, throttle, sessions, environments, reads, clock)
        passkeys = Passkeys(settings, instance, clock)
        proofs = (Challenges(instance, clock), Totp(instance, clock), passkeys, RecoveryCodes(instance, clock))
        holders = TokenHolders(storage, hot, instance, touches, clock)
        return cls(
            settings=settings,
            storage=storage,
            instance=instance,
            accounts=accounts,
            erasure=Erasure(settings, storage, sessions, _archives(settings), clock),
            sessions=sessions,
            logins=Logins(storage, accounts, sessions, throttle, *proofs),
            factors=Factors(storage, sessions, *proofs, clock),
            tokens=Tokens(settings, storage, holders, instance, environments, reads, clock),
            token_holders=holders,
            environments=environments,
            variables=variables,
            values=values,
            metadata=metadata,
            versions=Versions(storage, instance, environments, metadata, values, sealer, reads, clock),
            wrapping=Wrapping(settings, storage, instance, clock),
            keys=KeyServices.wire(settings, storage, instance, sealer, sessions, passkeys, clock),
            history=History(storage, environments, variables, sealer, reads),
            transfer=Transfer(environments, variables, reads),
            reads=reads,
            trail=Trail(storage, instance, reads, clock),
            audit_tree=tree,
            verifier=Verifier(storage, tree),
            forwarder=forwarder,
            readiness=Readiness(settings, storage, instance, reads, cache, forwarder),
            backups=Backups(settings, storage, instance, tree, clock),
            idempotency=Idempotency(instance, accounts.parameters, clock),
            upgrading=Upgrading(storage, instance, clock),
            touches=touches,
            clock=clock,
        )


def _read_log(settings: Settings, storage: Storage, instance: Instance, tree: AuditTree, clock: Clock) -> ReadLog:
    spool = Spool(settings.data_dir / "spool" / instance.id, settings.spool_bytes)
    return ReadLog(storage, instance, tree, spool, clock)


def _forwarder(settings: Settings, storage: Storage, clock: Clock) -> Forwarder:
    target = audit.target_of(settings.audit_forward, settings.audit_forward_ca_file, audit.shorter)
    return Forwarder(target, settings.audit_forward, storage, clock)


def _archives(settings: Settings) -> KnownArchives | UnknownArchives:
    return KnownArchives(settings) if settings.backup_to else UnknownArchives()


__all__ = ["Services"]

"""The only place that creates services and passes them their collaborators, room by room."""

from __future__ import annotations

from vault.crypto import PasswordParameters
from vault.keys import backup as backup_key
from vault.model.clock import Clock
from vault.services import (
    AuditVerbs,
    EnvironmentVerbs,
    KeyVerbs,
    People,
    Services,
    Sync,
    TokenVerbs,
    VaultKV,
    audit,
)
from vault.services.audit import AuditTree, Forwarder, ReadLog, Trail, Verifier
from vault.services.backup import BackupPlan, Backups, Keeping, KnownArchives, recipients_of
from vault.services.environments.bases import Bases
from vault.services.environments.environments import Environments
from vault.services.environments.files import Transfer
from vault.services.environments.history import History
from vault.services.environments.making import Making
from vault.services.environments.revision_writer import RevisionWriter
from vault.services.environments.sealing import Sealer
from vault.services.environments.values import ValuesReader
from vault.services.environments.variables import Variables
from vault.services.idempotency import Idempotency
from vault.services.keys.master import MasterRotation
from vault.services.keys.reseal_content import ResealContent
from vault.services.keys.reseal_logins import ResealLogins
from vault.services.keys.reseal_rows import ResealRows
from vault.services.keys.resealing import Resealing
from vault.services.keys.rewrapping import Rewrapping
from vault.services.keys.secrets import SecretRotation
from vault.services.keys.system import SystemRotation
from vault.services.keys.upgrading import Upgrading
from vault.services.keys.users import UserRotation
from vault.services.keys.workers import Waiting
from vault.services.own.instance import Instance
from vault.services.people.accounts import Accounts
from vault.services.people.devices import Devices
from vault.services.people.ending import Ending
from vault.services.people.erasure import Erasure, UnknownArchives
from vault.services.people.factors import Challenges, Factors, Passkeys, RecoveryCodes, Totp
from vault.services.people.form_tokens import FormTokens
from vault.services.people.logins import Logins
from vault.services.people.session_rules import SessionRules
from vault.services.people.sessions import Sessions
from vault.services.people.throttle import Throttle
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
from vault.storage import HotReads, SessionCache, Spool, Storage


def wire(settings: Settings, storage: Storage, instance: Instance, cache: SessionCache) -> Services:
    """Return all services of one vault, over one storage and one keyring. They have the storage's clock."""
    clock = storage.clock
    hot, sealer, touches = HotReads(storage), Sealer(instance, clock), Touches(storage)
    audit_verbs = _audit(settings, storage, instance, clock)
    reads = audit_verbs.reads
    revisions = RevisionWriter(
        instance, sealer, clock, quota_bytes=settings.quota_bytes, keep_days=settings.revision_keep_days
    )
    environments = _environments(settings, storage, hot, instance, revisions, sealer, reads, clock)
    own = environments.environments
    devices = Devices(instance, clock)
    sessions = Sessions(storage, hot, instance, cache, touches, devices, clock, _session_rules(settings))
    passkeys = Passkeys(instance, clock, origin=settings.origin, host=settings.public_host)
    people = _people(settings, storage, instance, sessions, devices, passkeys, own, reads, clock)
    holders = TokenHolders(storage, hot, instance, touches, clock)
    tokens = Tokens(
        storage, holders, instance, own, reads, clock,
        quota=settings.quota_tokens, step_up_days=settings.token_step_up_days,
    )  # fmt: skip
    metadata = Metadata(storage, own, sealer, reads, clock)
    sync = _sync(settings, storage, instance, Judge(instance, sessions, holders), reads, clock)
    return Services(
        people=people,
        environments=environments,
        tokens=TokenVerbs(tokens, holders),
        keys=_keys(settings, storage, instance, sealer, sessions, passkeys, clock),
        audit=audit_verbs,
        backups=Backups(backup_plan(settings), storage, instance, audit_verbs.tree, clock),
        vaultkv=VaultKV(
            metadata=metadata,
            versions=Versions(storage, instance, revisions, metadata, environments.values, sealer, reads, clock),
            wrapping=Wrapping(storage, instance, clock, quota_bytes=settings.quota_bytes),
        ),
        settings=settings,
        storage=storage,
        cache=cache,
        instance=instance,
        idempotency=Idempotency(instance, people.accounts.parameters, clock),
        readiness=Readiness(
            storage, instance, reads, cache, audit_verbs.forwarder, settings.key_cache_seconds, sync.pulse
        ),
        touches=touches,
        purging=Purging(storage, clock, bin_days=settings.purge_after_days, changes_days=settings.changes_keep_days),
        sync=sync,
        clock=clock,
    )


def _people(
    settings: Settings,
    storage: Storage,
    instance: Instance,
    sessions: Sessions,
    devices: Devices,
    passkeys: Passkeys,
    own: Environments,
    reads: ReadLog,
    clock: Clock,
) -> People:
    throttle = Throttle(instance, clock)
    parameters = PasswordParameters(settings.argon2_memory_kib, settings.argon2_passes, settings.argon2_lanes)
    accounts = Accounts(storage, instance, throttle, devices, sessions, own, reads, clock, parameters)
    proofs = (Challenges(instance, clock), Totp(instance, clock), passkeys, RecoveryCodes(instance, clock))
    return People(
        accounts=accounts,
        logins=Logins(storage, accounts, sessions, throttle, devices, *proofs),
        sessions=sessions,
        ending=Ending(storage, accounts, sessions, reads, clock),
        factors=Factors(storage, sessions, *proofs, clock),
        erasure=Erasure(storage, sessions, _archives(settings), clock, key_cache_seconds=settings.key_cache_seconds),
        form_tokens=FormTokens(instance),
    )


def _audit(settings: Settings, storage: Storage, instance: Instance, clock: Clock) -> AuditVerbs:
    tree = AuditTree(instance)
    spool = Spool(settings.data_dir / "spool" / instance.id, settings.spool_bytes)
    reads = ReadLog(storage, instance, tree, spool, clock)
    target = audit.target_of(settings.audit_forward, settings.audit_forward_ca_file, audit.shorter)
    return AuditVerbs(
        reads=reads,
        trail=Trail(storage, instance, reads, clock),
        tree=tree,
        verifier=Verifier(storage, tree),
        forwarder=Forwarder(target, settings.audit_forward, storage, clock),
    )


def _environments(
    settings: Settings,
    storage: Storage,
    hot: HotReads,
    instance: Instance,
    revisions: RevisionWriter,
    sealer: Sealer,
    reads: ReadLog,
    clock: Clock,
) -> EnvironmentVerbs:
    environments = Environments(storage, instance, sealer, reads, clock, quota=settings.quota_environments)
    bases = Bases(environments, clock)
    variables = Variables(storage, environments, bases, revisions, sealer, reads)
    return EnvironmentVerbs(
        environments=environments,
        bases=bases,
        making=Making(environments, bases, variables),
        variables=variables,
        values=ValuesReader(hot, instance, sealer, reads),
        history=History(storage, environments, variables, sealer, reads),
        files=Transfer(environments, variables, reads),
    )


def _keys(
    settings: Settings,
    storage: Storage,
    instance: Instance,
    sealer: Sealer,
    sessions: Sessions,
    passkeys: Passkeys,
    clock: Clock,
) -> KeyVerbs:
    waiting = Waiting(storage, clock)
    people = UserRotation(storage, instance, sealer, clock)
    system = SystemRotation(storage, instance, waiting, clock)
    secrets = SecretRotation(storage, instance, waiting, clock, grace_hours=settings.reseal_grace_hours)
    stages = (
        ResealLogins(storage, instance, sessions, passkeys, clock),
        ResealContent(storage, instance, people),
        ResealRows(storage, instance, secrets, waiting),
    )
    return KeyVerbs(
        master=MasterRotation(storage, instance, waiting, clock, destroy_wait_days=settings.key_destroy_wait_days),
        rewrapping=Rewrapping(storage, instance),
        people=people,
        system=system,
        secrets=secrets,
        reseal=Resealing(storage, instance, system, secrets, stages, clock),
        upgrading=Upgrading(storage, instance, clock),
    )


def _sync(settings: Settings, storage: Storage, instance: Instance, judge: Judge, reads: ReadLog, clock: Clock) -> Sync:
    epochs = Epochs(storage, clock)
    cursors = Cursors(instance, clock, keep_days=settings.changes_keep_days)
    return Sync(
        epochs=epochs,
        cursors=cursors,
        judge=judge,
        feed=Feed(storage, epochs, cursors, reads),
        tickets=Tickets(storage, instance, clock),
        expiring=Expiring(storage, clock),
        pulse=Pulse(),
    )


def _archives(settings: Settings) -> KnownArchives | UnknownArchives:
    return KnownArchives(backup_plan(settings)) if settings.backup_to else UnknownArchives()


def _session_rules(settings: Settings) -> SessionRules:
    return SessionRules(
        settings.session_idle_seconds,
        settings.session_absolute_seconds,
        settings.quota_sessions,
        settings.require_second_factor,
    )


def backup_plan(settings: Settings) -> BackupPlan:
    """Return what the settings say about backups."""
    return BackupPlan(
        settings.backup_to,
        settings.backup_place_seconds,
        recipients_of(settings.backup_recipients),
        settings.backup_key or backup_key.path_beside(settings.keyring),
        Keeping(settings.backup_keep_days, settings.backup_keep_recent_hours),
    )

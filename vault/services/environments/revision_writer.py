"""Stores the next revision of an environment."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from vault.crypto import key_id_of
from vault.errors import QuotaExceeded
from vault.model.action import Action
from vault.model.clock import DAY_US, SECOND_US, Clock
from vault.model.environment import Variable
from vault.model.grant import Permission
from vault.model.policy import allows
from vault.model.principal import Principal
from vault.services import audit
from vault.services.environments.dropping import beyond_most, to_drop
from vault.services.environments.permissions import ask, target_of
from vault.services.environments.sealing import Sealer
from vault.services.own.instance import Instance
from vault.storage import EnvironmentRow, OldRevision, UnitOfWork

RESERVED_PART = 8
"""One part in so many of an owner's quota of bytes is for callers that may delete in the environment."""


class RevisionWriter:
    """Writes revisions. For services, which have checked the permission."""

    def __init__(self, instance: Instance, sealer: Sealer, clock: Clock, *, quota_bytes: int, keep_days: int) -> None:
        """`quota_bytes` limits all environments of a person. `keep_days` is how long others' revisions are kept."""
        self._quota_bytes = quota_bytes
        self._keep_days = keep_days
        self._instance = instance
        self._sealer = sealer
        self._clock = clock

    def write(
        self,
        unit: UnitOfWork,
        principal: Principal,
        environment: EnvironmentRow,
        seq: int,
        variables: Sequence[Variable],
        before: Sequence[Variable] = (),
    ) -> EnvironmentRow:
        """Store all variables as the next revision, and make it current. Raises `QuotaExceeded`.

        `before` are the replaced variables. `seq` comes from `Users.next_change`, which locks everything of the user
        until this is stored.
        """
        number, revision_id, now = environment.last_number + 1, str(uuid.uuid4()), self._clock()
        blob = self._sealer.seal_revision(unit, environment, revision_id, number, variables)
        surplus = self._surplus(unit, principal, environment, number)
        self._check_bytes(unit, principal, environment, len(blob), sum(each.size for each in surplus))
        _add_row(unit, principal, environment, revision_id, number, blob, now)
        freed = unit.revisions.drop(surplus)
        stored = unit.environments.change(
            environment,
            current_revision_id=revision_id,
            last_number=number,
            bytes_stored=environment.bytes_stored + len(blob) - freed,
            state_generation=environment.state_generation + 1,
            updated_us=now,
        )
        unit.changes.add(environment.owner_id, seq, Action.REVISION_WRITE, environment.id, number, now)
        audit.record(
            unit,
            principal,
            Action.REVISION_WRITE,
            environment_id=environment.id,
            revision=number,
            blob=blob,
            names=audit.changes(self._instance.secret("digest"), before, variables),
        )
        return stored

    def _surplus(
        self, unit: UnitOfWork, principal: Principal, environment: EnvironmentRow, number: int
    ) -> list[OldRevision]:
        """Return what the revision `number` pushes out of the history.

        Raises `QuotaExceeded` if too many revisions of others are kept, and `principal` may not delete them.
        """
        last_old = number - environment.max_versions
        old = unit.revisions.old(environment.id, last_old) if last_old > 0 else []
        if not old:
            return []
        kept_after = self._clock() - self._keep_days * DAY_US
        newer = unit.revisions.labels_after(environment.id, last_old)
        newer[principal.label] = newer.get(principal.label, 0) + 1
        dropped = to_drop(old, newer, principal.label, environment.max_versions, kept_after)
        gone = {each.id for each in dropped}
        surplus = beyond_most([each for each in old if each.id not in gone])
        if surplus:
            if not allows(principal, Permission.DELETE, target_of(environment)):
                raise QuotaExceeded(
                    "The history of this environment is full of revisions that others wrote, and you may not delete "
                    "them. Someone with the permission to delete must write to it, or lower its max_versions."
                )
            ask(unit, principal, Permission.DELETE, target_of(environment))
        return [*dropped, *surplus]

    def _check_bytes(
        self, unit: UnitOfWork, principal: Principal, environment: EnvironmentRow, more: int, freed: int
    ) -> None:
        """Raise `QuotaExceeded` if the owner would have too many bytes. A write that needs no room is always allowed.

        A caller that may not delete cannot use the whole quota, so that the owner can still write, and delete.
        """
        growth = more - freed
        if growth <= 0:
            return
        stored = unit.environments.bytes_stored(environment.owner_id) + growth
        if stored > self._quota_bytes:
            raise QuotaExceeded(
                "Your environments and their history have reached the size limit. Destroy versions that nobody needs "
                "(`vault kv destroy`), or lower max_versions of an environment, which deletes its oldest revisions."
            )
        if stored > self._quota_bytes - self._quota_bytes // RESERVED_PART and not allows(
            principal, Permission.DELETE, target_of(environment)
        ):
            raise QuotaExceeded(
                "The environments of this owner and their history are near the size limit, and the rest is for those "
                "who may delete. The owner must destroy versions that nobody needs."
            )


def _add_row(
    unit: UnitOfWork,
    principal: Principal,
    environment: EnvironmentRow,
    revision_id: str,
    number: int,
    blob: bytes,
    now_us: int,
) -> None:
    after = environment.delete_version_after_seconds
    unit.revisions.add(
        id=revision_id,
        environment_id=environment.id,
        number=number,
        data_key_id=key_id_of(blob),
        blob=blob,
        size=len(blob),
        created_us=now_us,
        created_by=principal.label,
        deletion_us=now_us + after * SECOND_US if after else None,
        destroyed=False,
        generation=1,
    )

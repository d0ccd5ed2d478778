"""What was done, by whom: one event for each change, stored in the transaction of the change itself.

An event holds ids, times and results, and the id, version and MAC of every row of authority that was written.
It never holds a value, a password, a token or a variable's name.
"""

from __future__ import annotations

import hashlib
import json
import uuid

from vault.model.principal import Principal
from vault.services.clock import now_us
from vault.storage import UnitOfWork


def record(
    unit: UnitOfWork,
    principal: Principal,
    action: str,
    *,
    user_id: str | None = None,
    environment_id: str | None = None,
    revision: int | None = None,
    blob: bytes | None = None,
) -> None:
    """Store one event with all rows of authority that this unit of work has written so far.

    `user_id` is whose trail it belongs to, where that is not the principal's own.
    """
    rows = [[row.table, row.id, row.row_version, row.mac.hex()] for row in unit.journal]
    unit.audit_events.add(
        id=str(uuid.uuid4()),
        at_us=now_us(),
        user_id=user_id or principal.user_id or None,
        actor=principal.label,
        action=action,
        result="ok",
        environment_id=environment_id,
        revision=revision,
        blob_sha256=hashlib.sha256(blob).digest() if blob is not None else None,
        request_id=principal.request_id,
        address=principal.address,
        rows=json.dumps(rows, separators=(",", ":")),
    )
    unit.journal.clear()

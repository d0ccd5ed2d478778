"""Package audit records what was done and by whom, in a Merkle tree in which every change is detected.

    a change ──── record(), in its own transaction ─────────────────────┐
    a read ─ ReadLog ─► spool on this host ─ drain, a second later ─────┼─► events ─► AuditTree ─► signed checkpoint
    a refusal without a known caller ─ gathered by address and minute ──┘       └─► Forwarder, Trail, Verifier

An event has ids, times and results, and the id, version and MAC of every signed row that was written. It never has a
value, a password, a token or a body, and a variable's name only as a keyed digest.
"""

from vault.services.audit.forward import STUCK_US, Forwarder, shorter, stuck
from vault.services.audit.reads import ReadLog
from vault.services.audit.record import changes, digests, forget, record
from vault.services.audit.targets import target_of
from vault.services.audit.trail import Trail
from vault.services.audit.tree import AuditTree
from vault.services.audit.verify import Verifier, VerifyReport

__all__ = [
    "STUCK_US",
    "AuditTree",
    "Forwarder",
    "ReadLog",
    "Trail",
    "Verifier",
    "VerifyReport",
    "changes",
    "digests",
    "forget",
    "record",
    "shorter",
    "stuck",
    "target_of",
]

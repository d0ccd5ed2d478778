"""Four facts about the rows of every table.

| question                                       | answer                                                     |
|------------------------------------------------|------------------------------------------------------------|
| Does each row have a MAC?                      | `is_signed`                                                |
| What does a reseal do to it?                   | `Reseal`                                                   |
| Is it deleted when its person is erased?       | `goes_with_person`: by foreign keys with ON DELETE CASCADE |
| Does a backup keep it?                         | `is_kept`: not if it must not come back, such as a session |

`tests/unit/storage/test_table_facts.py` compares the answers with the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reseal(Enum):
    """What a reseal does to the rows of a table, besides signing them again if they are signed."""

    NOTHING = "nothing"
    """Nothing: no value is sealed or digested under a key of the vault, or the value may stay."""
    SEALS = "seals"
    """Blobs are sealed again, or keys are wrapped again."""
    RENEWS = "renews"
    """A digest needs the secret, so it is made again when the secret is used next. After a grace period, the old one is
    refused.
    """
    ENDS = "ends"
    """The rows are deleted or ended."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The facts of one table."""

    is_signed: bool
    reseal: Reseal
    goes_with_person: bool
    is_kept: bool


_SIGNED, _PLAIN = True, False
_PERSONS, _VAULTS = True, False
_KEPT, _LEFT_OUT = True, False

TABLE_FACTS = {
    "vault_state": TableFacts(_SIGNED, Reseal.NOTHING, _VAULTS, _KEPT),
    "lock_flag": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _KEPT),
    "row_formats": TableFacts(_SIGNED, Reseal.NOTHING, _VAULTS, _KEPT),
    "schema_readers": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _LEFT_OUT),
    "master_keys": TableFacts(_SIGNED, Reseal.NOTHING, _VAULTS, _KEPT),
    "users": TableFacts(_SIGNED, Reseal.NOTHING, _PERSONS, _KEPT),
    "user_keys": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "system_secrets": TableFacts(_SIGNED, Reseal.SEALS, _VAULTS, _KEPT),
    "destroyed_keys": TableFacts(_SIGNED, Reseal.NOTHING, _VAULTS, _KEPT),
    "credentials": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "sessions": TableFacts(_SIGNED, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "tokens": TableFacts(_SIGNED, Reseal.RENEWS, _PERSONS, _KEPT),
    "grants": TableFacts(_SIGNED, Reseal.NOTHING, _PERSONS, _KEPT),
    "environments": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "layers": TableFacts(_SIGNED, Reseal.NOTHING, _PERSONS, _KEPT),
    "data_keys": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "revisions": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "changes": TableFacts(_PLAIN, Reseal.NOTHING, _PERSONS, _KEPT),
    # Audit events remain after an erasure. The tree has its own MACs.
    "audit_events": TableFacts(_SIGNED, Reseal.NOTHING, _VAULTS, _KEPT),
    "audit_head": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _KEPT),
    "audit_pruned": TableFacts(_SIGNED, Reseal.NOTHING, _VAULTS, _KEPT),
    "challenges": TableFacts(_PLAIN, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "idempotency": TableFacts(_PLAIN, Reseal.SEALS, _PERSONS, _LEFT_OUT),
    "wrapped_answers": TableFacts(_PLAIN, Reseal.SEALS, _PERSONS, _LEFT_OUT),
    "throttle": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _LEFT_OUT),
    "known_addresses": TableFacts(_PLAIN, Reseal.NOTHING, _PERSONS, _LEFT_OUT),
    "feed": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _LEFT_OUT),
    "sync_tickets": TableFacts(_PLAIN, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "read_marks": TableFacts(_PLAIN, Reseal.NOTHING, _PERSONS, _LEFT_OUT),
    "client_key_sets": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "client_key_slots": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "unlock_keys": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "content_key_wraps": TableFacts(_SIGNED, Reseal.SEALS, _PERSONS, _KEPT),
    "oauth_clients": TableFacts(_SIGNED, Reseal.NOTHING, _PERSONS, _KEPT),
    "machine_credentials": TableFacts(_SIGNED, Reseal.RENEWS, _PERSONS, _KEPT),
    "oauth_codes": TableFacts(_PLAIN, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "refresh_families": TableFacts(_SIGNED, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "refresh_tokens": TableFacts(_SIGNED, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "trusts": TableFacts(_SIGNED, Reseal.NOTHING, _PERSONS, _KEPT),
    "used_jtis": TableFacts(_PLAIN, Reseal.NOTHING, _PERSONS, _LEFT_OUT),
    "access_tokens": TableFacts(_SIGNED, Reseal.ENDS, _PERSONS, _LEFT_OUT),
    "workers": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _LEFT_OUT),
    "leases": TableFacts(_PLAIN, Reseal.NOTHING, _VAULTS, _LEFT_OUT),
}

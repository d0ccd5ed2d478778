"""How many rows each table can have, and when they are deleted. A test fails if a table is missing here.

`who` can add rows: a `person` (or one of their tokens), a `stranger`, an `operator`, or the `vault` itself.
"""

from __future__ import annotations

from typing import NamedTuple


class Bound(NamedTuple):
    """Who adds rows to a table, how many there can be, and when they are deleted."""

    who: str
    most: str
    goes: str


ROW_BOUNDS: dict[str, Bound] = {
    "audit_events": Bound("stranger", "one for each call, at most about 12 KiB; refusals of strangers are counted by "
                          "minute and address, at most 256 of them separately", "AUDIT_KEEP_DAYS; by default never"),
    "audit_head": Bound("vault", "1", "never"),
    "audit_pruned": Bound("vault", "1 for each 1,024 pruned events", "never"),
    "challenges": Bound("stranger", "20 for each person; before the person is known, 200 for each address and 10,000 "
                        "in all",
                        "when used, after 5 or 10 minutes, or when a newer one needs the room"),
    "changes": Bound("person", "10,000 for each person, trimmed every 256 changes", "a day after CHANGES_KEEP_DAYS"),
    "credentials": Bound("person", "1 password and 20 second factors for each person", "with their factor or person"),
    "data_keys": Bound("person", "1 for each environment, and old ones that still seal a revision", "after rotation"),
    "destroyed_keys": Bound("person", "1 for each key that was destroyed, so QUOTA_ENVIRONMENTS in PURGE_AFTER_DAYS "
                            "for each person", "never: an older backup must not bring the key back"),
    "environments": Bound("person", "QUOTA_ENVIRONMENTS for each person, deleted ones included",
                          "PURGE_AFTER_DAYS after deletion"),
    "grants": Bound("person", "64 for each token", "with their token"),
    "idempotency": Bound("person", "10,000 and 32 MiB for each person, a quarter of it for one token with all tokens "
                         "that it made; an answer has at most 4 MiB",
                         "after a day, or when a newer one needs the room"),
    "known_addresses": Bound("person", "100 for each person", "30 days after the last login from there"),
    "layers": Bound("vault", "0: nothing writes them", "with their environment"),
    "leases": Bound("vault", "1 for each job", "never"),
    "lock_flag": Bound("vault", "1", "never"),
    "master_keys": Bound("operator", "1 for each version", "when it is destroyed"),
    "revisions": Bound("person", "max_versions (1,000 at most) for each environment, and 1,000 more of other "
                       "authors; QUOTA_BYTES for each person",
                       "when there are more than max_versions and, of other authors, after REVISION_KEEP_DAYS; or with "
                       "their environment"),
    "row_formats": Bound("vault", "1 for each format of a signed table", "never"),
    "schema_readers": Bound("vault", "1 for each migration", "never"),
    "sessions": Bound("person", "QUOTA_SESSIONS active ones and 200 ended ones for each person, and those whose tokens "
                      "still work",
                      "a day after their end"),
    "system_secrets": Bound("operator", "1 for each purpose, and 1 for each rotation of it", "after rotation"),
    "throttle": Bound("stranger", "100,000 in all, trimmed every 256 attempts; 5 for each attempt",
                      "15 minutes after the last failure, a day for second factors"),
    "tokens": Bound("person", "QUOTA_TOKENS active ones and 200 ended ones for each person",
                    "a day after their end"),
    "user_keys": Bound("operator", "1 for each person, and old ones that still wrap a key", "after rotation"),
    "users": Bound("operator", "as many as operators add", "when they are erased"),
    "vault_state": Bound("vault", "1", "never"),
    "workers": Bound("vault", "1 for each process", "10 minutes after it has died"),
    "wrapped_answers": Bound("person", "100 and 4 MiB for a token with all tokens that it made, 800 and 32 MiB for all "
                             "tokens of a person, 200 and 8 MiB for a person's sessions; an answer has at most "
                             "1 MiB",
                             "when unwrapped, and after their time (a day at most)"),
    "access_tokens": Bound("person", "0: nothing writes them yet", "after their time, 15 minutes at most"),
    "client_key_sets": Bound("person", "1 for each person; nothing writes them yet", "with their person"),
    "client_key_slots": Bound("person", "0: nothing writes them yet", "with their set"),
    "content_key_wraps": Bound("person", "0: nothing writes them yet", "with their set, environment or unlock key"),
    "feed": Bound("vault", "1", "never"),
    "machine_credentials": Bound("person", "0: nothing writes them yet", "with their client"),
    "oauth_clients": Bound("person", "0: nothing writes them yet", "with their person"),
    "oauth_codes": Bound("stranger", "0: nothing writes them yet", "when used, and after their time"),
    "read_marks": Bound("person", "1 for each person", "with their person"),
    "refresh_families": Bound("person", "0: nothing writes them yet", "after their end"),
    "refresh_tokens": Bound("person", "0: nothing writes them yet", "with their family"),
    "sync_tickets": Bound("person", "20 for each person", "when used, and after 30 seconds"),
    "trusts": Bound("person", "0: nothing writes them yet", "with their person"),
    "unlock_keys": Bound("person", "1 for each token; nothing writes them yet", "with their token or set"),
    "used_jtis": Bound("stranger", "0: nothing writes them yet", "when the outside token expires"),
}  # fmt: skip

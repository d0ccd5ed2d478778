"""`Event`: what was done and by whom, and the bytes of its leaf in the audit's tree.

    leaf       = "SRM1 audit event" ‖ field(id) ‖ field(at_us) ‖ … in the order of `Event`, up to `rows`
                 ‖ field(commitment)
    commitment = SHA-256(salt ‖ field(address) ‖ field(names))
    field(t)   = number of characters in decimal ‖ ":" ‖ t           (UTF-8; bytes as hexadecimal; nothing as "")

The address and the digests of variable names may have to be erased, so the leaf has only a commitment to them. Without
the salt, nobody can find out what was committed to, and the tree is still valid.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

OK = "ok"
UNCHANGED = "unchanged"
"""The result of a read whose answer the caller had already (a 304)."""

GONE = "-"
"""The prefix of a removed variable's digest."""

FOLDED = "+"
"""Marks an event with too many digests: `+<count>:<SHA-256 of all>` follows the first ones."""

_LABEL = "SRM1 audit event"


class Event(NamedTuple):
    """One event. The columns of the audit's table come in this very order."""

    id: str
    at_us: int
    user_id: str | None
    """Whose trail it belongs to."""
    actor_id: str | None
    """Which person acted, by session or token; None for the operator on the host and for the vault itself."""
    actor: str
    action: str
    """The name of an `Action`. An event of a newer release may have one that this release does not know."""

    result: str
    environment_id: str | None
    revision: int | None
    blob_sha256: bytes | None
    request_id: str
    details: str
    """More facts about it, as a JSON object; or empty."""
    rows: str
    """The signed rows that it wrote, as JSON: `[key id, [table, id, row_version, mac], …]`; or empty."""
    address: str
    names: str
    """Keyed digests of the names of its variables, in hexadecimal, separated by spaces.

    An event has at most 256; then `+<count of all>:<SHA-256 of all, sorted>` follows.
    """
    salt: bytes | None
    """None once the address and the names have been erased."""
    commitment: bytes


class SpooledEvent(NamedTuple):
    """An event in the spool: all fields of `Event` in its order, but its id, salt and commitment.

    A record of the spool is this tuple as a JSON list, so the order never changes.
    """

    at_us: int
    user_id: str | None
    actor_id: str | None
    actor: str
    action: str
    result: str
    environment_id: str | None
    revision: int | None
    blob_sha256: None
    """A read writes no blob."""

    request_id: str
    details: str
    rows: str
    address: str
    names: str


def commit(salt: bytes, address: str, names: str) -> bytes:
    """Return the commitment to an address and names."""
    return hashlib.sha256(salt + f"{len(address)}:{address}{len(names)}:{names}".encode()).digest()


def leaf_data(event: Event) -> bytes:
    """Return the bytes of the leaf of an `Event`, or of a row that starts with the same columns.

    It is written out in one piece, because `audit verify` calls it a hundred thousand times a second.
    """
    (id_, at_us, user, person, actor, action, result, environment, number, digest, request, details, rows) = event[:13]
    at, user, person, environment = str(at_us), user or "", person or "", environment or ""
    revision, blob = "" if number is None else str(number), "" if digest is None else digest.hex()
    return (
        f"{_LABEL}{len(id_)}:{id_}{len(at)}:{at}{len(user)}:{user}{len(person)}:{person}{len(actor)}:{actor}"
        f"{len(action)}:{action}{len(result)}:{result}{len(environment)}:{environment}{len(revision)}:{revision}"
        f"{len(blob)}:{blob}{len(request)}:{request}{len(details)}:{details}{len(rows)}:{rows}64:{event[16].hex()}"
    ).encode()

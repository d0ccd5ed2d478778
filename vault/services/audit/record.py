"""Makes events: each is stored in one transaction with the change that it describes."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from vault.crypto import Key, keyed_digest
from vault.crypto.merkle import leaf_hash
from vault.model.action import Action
from vault.model.environment import Variable
from vault.model.event import FOLDED, GONE, OK, Event, SpooledEvent, commit, leaf_data
from vault.model.json_types import Json, JsonObject
from vault.model.principal import Principal
from vault.storage import Placed, StoredEvent, UnitOfWork

_ENCODER = json.JSONEncoder(separators=(",", ":"))
"""Made once: `json.dumps` with separators makes one for each call, and each audited read needs two."""

_SALT_BYTES = 16
_NAME_DIGEST_BYTES = 12
"""Long enough that two names of a vault never share a digest by chance, and short, because an event may have
hundreds.
"""

NAMES_MOST = 256
LABEL_MOST, ADDRESS_MOST, REQUEST_ID_MOST, CALL_MOST = 80, 64, 36, 128
DETAILS_MOST = 4096
"""Limits in characters. The others are the widths of their columns. A forwarded event has at most about 12 KiB."""


def record(
    unit: UnitOfWork,
    principal: Principal,
    action: Action,
    *,
    user_id: str | None = None,
    environment_id: str | None = None,
    revision: int | None = None,
    blob: bytes | None = None,
    names: Iterable[str] = (),
    details: Mapping[str, Json] | None = None,
) -> None:
    """Store one event with all signed rows that this unit of work has written so far.

    `user_id` is the owner of the trail, if it is not the principal. `names` are `digests`.
    """
    names_text = folded(names)
    address, salt = clipped(principal.address, ADDRESS_MOST), secrets.token_bytes(_SALT_BYTES)
    now = unit.clock()
    event = Event(
        id=str(event_id(now)),
        at_us=now,
        user_id=user_id or principal.user_id or None,
        actor_id=principal.user_id or None,
        actor=clipped(principal.label, LABEL_MOST),
        action=str(action),
        result=OK,
        environment_id=environment_id,
        revision=revision,
        blob_sha256=hashlib.sha256(blob).digest() if blob is not None else None,
        request_id=clipped(principal.request_id, REQUEST_ID_MOST),
        details=bounded_details(details or {}),
        rows=_journal(unit),
        address=address,
        names=names_text,
        salt=salt,
        commitment=commit(salt, address, names_text),
    )
    unit.audit_events.add([Placed(event, hash_of(event), None)])
    unit.journal.rows.clear()


def event_id(at_us: int) -> uuid.UUID:
    """Return a new id for an event of this time (UUIDv7, RFC 9562). Later ids sort later: an index grows at its end."""
    milliseconds = at_us // 1000
    raw = bytearray(milliseconds.to_bytes(6, "big") + os.urandom(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return uuid.UUID(bytes=bytes(raw))


def forget(unit: UnitOfWork, user_id: str) -> int:
    """Erase addresses and names from a person's events. Returns how many. The caller checks permission.

    The commitments in their leaves stay, so the tree stays complete. Only a recorded `user.erase` explains the gap.
    """
    return unit.audit_events.forget(user_id)


# A stored event begins with the fields of an event, and a conversion would take as long as the hash.
_leaf_data = cast("Callable[[Event | StoredEvent], bytes]", leaf_data)


def hash_of(event: Event | StoredEvent) -> bytes:
    """Return the hash of an event's leaf."""
    return leaf_hash(_leaf_data(event))


def salted(event_id: str, spooled: SpooledEvent, *, is_forgotten: bool) -> Event:
    """Return a spooled event with its id and a fresh salt. If `is_forgotten`, address and names are removed."""
    salt = secrets.token_bytes(_SALT_BYTES)
    event = Event(event_id, *spooled, salt=salt, commitment=commit(salt, spooled.address, spooled.names))
    return event._replace(address="", names="", salt=None) if is_forgotten else event


def digests(key: Key, names: Iterable[str]) -> list[str]:
    """Return digests of variables' names. With the key, one can find a known name, but learn no unknown one."""
    return [keyed_digest(key, "audit name", name)[:_NAME_DIGEST_BYTES].hex() for name in dict.fromkeys(names)]


def changes(key: Key, before: Sequence[Variable], after: Sequence[Variable]) -> list[str]:
    """Return digests of the names whose variables differ. Names of removed variables are marked."""
    old, new = {item.name: item for item in before}, {item.name: item for item in after}
    changed = [name for name, item in new.items() if old.get(name) != item]
    gone = [name for name in old if name not in new]
    return digests(key, changed) + [GONE + digest for digest in digests(key, gone)]


def folded(digests_of_names: Iterable[str]) -> str:
    """Return the digests for an event: each once, at most `NAMES_MOST`, then the count and the SHA-256 of all."""
    found = list(dict.fromkeys(digests_of_names))
    if len(found) <= NAMES_MOST:
        return " ".join(found)
    whole = hashlib.sha256(" ".join(sorted(found)).encode()).hexdigest()
    return " ".join([*found[:NAMES_MOST], f"{FOLDED}{len(found)}:{whole}"])


def clipped(text: str, most: int) -> str:
    """Cut a text to the width of its column, and drop NULs. PostgreSQL would refuse the whole change otherwise."""
    return text.replace("\0", "")[:most]


def bounded_details(details: Mapping[str, Json]) -> str:
    """Return details as JSON. If they are too long, keep the shortest entries, the length and the SHA-256 of all."""
    text = compact(details) if details else ""
    if len(text) <= DETAILS_MOST:
        return text
    kept: JsonObject = {"cut": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    left = DETAILS_MOST - len(compact(kept))
    for name, value in sorted(details.items(), key=lambda item: len(compact(item))):
        left -= len(compact({name: value}))
        if left < 0:
            break
        kept[name] = value
    return compact(kept)


def compact(document: Json) -> str:
    """Return JSON without spaces."""
    return _ENCODER.encode(document)


def _journal(unit: UnitOfWork) -> str:
    if not unit.journal.rows:
        return ""
    rows: list[Json] = [[row.table, row.id, row.row_version, row.mac.hex()] for row in unit.journal.rows]
    return compact([unit.signer.key_id, *rows])

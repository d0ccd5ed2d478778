"""Tickets: a page's session opens one WebSocket with each, because a browser's WebSocket can send no other credential.

    srm_k_<12 session id><43 secret><6 checksum>

A ticket works once, within 30 seconds, while its session is active. The session's id is in its text, under the digest:
somebody who can write to the database cannot make a ticket open another session.
"""

from __future__ import annotations

from vault.crypto import TokenKind, mint, parse
from vault.errors import NotAuthenticated
from vault.model.clock import SECOND_US, Clock
from vault.model.principal import Principal
from vault.services.own.instance import Instance
from vault.services.still_valid import require_still_valid
from vault.storage import Storage, UnitOfWork

LIFE_SECONDS = 30
WAITING_MOST = 20
"""How many tickets of a person can wait to be used. A newer one pushes out the oldest."""

_PURPOSE = "sync ticket"


class Tickets:
    """The tickets of all people."""

    def __init__(self, storage: Storage, instance: Instance, clock: Clock) -> None:
        self._storage = storage
        self._instance = instance
        self._clock = clock

    def issue(self, unit: UnitOfWork, principal: Principal) -> str:
        """Return a new ticket for the caller's session. It is shown once."""
        principal.require_person()
        # Lock the person, so that two calls at once do not store one ticket too many.
        unit.users.by_id(principal.user_id, lock=True)
        require_still_valid(unit, principal)
        ticket = mint(TokenKind.TICKET, principal.id)
        expires_us = self._clock() + LIFE_SECONDS * SECOND_US
        digest = self._instance.digest(_PURPOSE, ticket.text)
        unit.tickets.add(digest, principal.user_id, principal.id, expires_us, most=WAITING_MOST)
        return ticket.text

    def redeem(self, text: str) -> str:
        """Use up a ticket, and return the id of its session. Raises `NotAuthenticated`, the same for every cause."""
        parsed = parse(text)
        if parsed.kind is not TokenKind.TICKET:
            raise NotAuthenticated()
        digests = self._instance.digests(_PURPOSE, text)
        # Look first: a stranger's made-up ticket must not take a turn among the writers.
        with self._storage.read() as unit:
            if not unit.tickets.has(digests):
                raise NotAuthenticated()
        self._storage.transaction(self._take, digests, parsed.id)
        return parsed.id

    def _take(self, unit: UnitOfWork, digests: list[bytes], session_id: str) -> None:
        now = self._clock()
        session = unit.sessions.by_id(session_id) if unit.tickets.take(digests, now) else None
        if session is None or session.revoked_us is not None or session.expires_us <= now:
            raise NotAuthenticated()

"""WebSockets: the feed for services, and for pages with a ticket.

bearer in a header ───────────────► accept ─► hello ─► subscribe ─► change …
cookie, and exact Origin ─► accept ─► ticket within 5 s ─┘
"""

from __future__ import annotations

import asyncio
import math

from vault.asgi import Message, Receive, Refusal, Send
from vault.auth import METHODS, WEB_STREAM_METHODS
from vault.errors import Forbidden, InvalidInput, NotAuthenticated, StrongroomError
from vault.model.rate_limit import RateLimit
from vault.services.sync.feed import Subscription
from vault.sync.calls import OpenCall
from vault.sync.endings import (
    BINARY,
    CLIENT_GONE,
    CREDENTIAL_ENDED,
    MISUSE,
    NO_TICKET,
    RESTARTING,
    TOO_MANY,
    UNAVAILABLE,
    Ending,
    ending_of,
)
from vault.sync.entrance import Admitted, has_header_credential, refusal_of
from vault.sync.listener import Ended
from vault.sync.messages import Frame, Notice, Subscribe, Ticket, fresh_cursor, hello, parsed
from vault.sync.sending import Sender

KIND = "websocket"
TICKET_SECONDS = 5.0
MESSAGES_PER_SECOND = 10.0


class _Socket:
    """Writes messages to one WebSocket."""

    kind = KIND
    quiet_seconds = math.inf
    """The connection sends pings itself."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def say(self, message: Frame | Notice) -> None:
        await self._send({"type": "websocket.send", "text": message.text})

    async def keep_alive(self) -> None:
        """Does nothing."""

    async def close(self, ending: Ending) -> None:
        await self._send({"type": "websocket.close", "code": ending.close_code, "reason": ending.sentence})


class WebSocketCall:
    """One WebSocket, from its handshake to its end."""

    def __init__(self, opened: OpenCall, receive: Receive, send: Send) -> None:
        self._opened = opened
        self._listener = opened.listener
        self._receive = receive
        self._socket = _Socket(send)
        self._send = send

    async def serve(self) -> None:
        """Serve the WebSocket until it ends. Raises `Refusal` before it is accepted, and `ClientGone`."""
        opened = self._opened
        async with opened.counted():
            await self._receive()
            is_page = self._is_page()
            admitted = await opened.run(lambda: opened.admit(WEB_STREAM_METHODS if is_page else METHODS))
            await self._send({"type": "websocket.accept"})
            try:
                if is_page:
                    await self._take_ticket(admitted)
                opened.call.prove(admitted.principal.user_id)
                await self._follow(admitted)
            except Ended as ended:
                self._listener.end(ended.ending)
                if ended.ending not in (CLIENT_GONE, RESTARTING):
                    await self._socket.close(ended.ending)

    # -- Before the first message --

    def _is_page(self) -> bool:
        """Report whether a page calls, which has a cookie instead of a header. Raises `Refusal` for another origin.

        A browser sends the cookie with a handshake from any page, but it always says from which.
        """
        headers = self._opened.call.headers
        origin, by_header = headers.get(b"origin"), has_header_credential(headers)
        own = self._opened.calls.services.settings.origin.encode()
        if origin is None and not by_header and b"cookie" not in headers:
            raise refusal_of(NotAuthenticated())
        if (origin is None and not by_header) or (origin is not None and origin != own):
            raise refusal_of(Forbidden("A WebSocket of a page must come from this vault's own origin."))
        return not by_header

    async def _take_ticket(self, admitted: Admitted) -> None:
        """Wait for the ticket, which must be of this session. Raises `Ended`."""
        try:
            async with asyncio.timeout(TICKET_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise Ended(NO_TICKET) from None
        try:
            ticket = parsed(_text_of(message))
            if not isinstance(ticket, Ticket):
                raise Ended(NO_TICKET.saying("The first message must be a ticket."))
            session_id = await self._opened.call.run(lambda: self._redeemed(ticket))
        except (Refusal, StrongroomError) as error:
            raise Ended(_ending_for(error)) from None
        if session_id != admitted.principal.id:
            raise Ended(CREDENTIAL_ENDED)

    def _redeemed(self, ticket: Ticket) -> str:
        return self._opened.calls.services.sync.tickets.redeem(ticket.secret)

    # -- After it --

    async def _follow(self, admitted: Admitted) -> None:
        """Say hello, and tell what the client subscribes to. Raises `Ended`."""
        opened, feed = self._opened, self._opened.calls.services.sync.feed
        user_id = admitted.principal.user_id

        def begin() -> tuple[Subscription, str]:
            epoch, newest = feed.now(user_id)
            return Subscription(user_id, (), epoch, newest), feed.cursor(user_id, epoch, newest)

        try:
            nothing, cursor = await opened.call.run(begin)
        except (Refusal, StrongroomError) as error:
            raise Ended(_ending_for(error)) from None
        # A client that subscribes to nothing is judged too, or it would keep its seat after its credential has ended.
        opened.follow(admitted.follower, nothing)
        async with opened.open(lambda: self._listen(admitted)):
            await self._socket.say(hello(cursor))
            await Sender(self._listener, self._socket, opened.cursor).run()

    async def _listen(self, admitted: Admitted) -> None:
        """Take the client's messages, one after the other. For the second task."""
        loop = asyncio.get_running_loop()
        limit = RateLimit(MESSAGES_PER_SECOND, MESSAGES_PER_SECOND, loop.time())
        while self._listener.ending is None:
            try:
                text = _text_of(await self._receive())
                if not limit.allows(loop.time()):
                    raise Ended(MISUSE)
                said = parsed(text)
                if not isinstance(said, Subscribe):
                    raise InvalidInput("A ticket is taken only as the first message of a page.", path="type")
                await self._subscribe(admitted, said)
            except Ended as ended:
                self._listener.end(ended.ending)
            except (Refusal, StrongroomError) as error:
                self._listener.end(_ending_for(error))

    async def _subscribe(self, admitted: Admitted, wish: Subscribe) -> None:
        opened = self._opened

        def begin() -> Subscription:
            principal = opened.calls.entrance.judged(opened.call, admitted.follower)
            return opened.subscribe(principal, wish)

        subscription = await opened.call.run(begin)
        notice = fresh_cursor(opened.first_cursor(wish, subscription))
        opened.follow(admitted.follower, subscription, notice=notice)


def _text_of(message: Message) -> str:
    """Return the text of a message. Raises `Ended` if it has none."""
    if message["type"] == "websocket.disconnect":
        raise Ended(RESTARTING if message.get("code") == RESTARTING.close_code else CLIENT_GONE)
    text: str | None = message.get("text")
    if text is None:
        raise Ended(BINARY)
    return text


def _ending_for(error: Refusal | StrongroomError) -> Ending:
    if isinstance(error, StrongroomError):
        return ending_of(error)
    # The door says so: the caller makes too many calls, or the server is busy.
    return (TOO_MANY if error.status == 429 else UNAVAILABLE).saying(error.detail)

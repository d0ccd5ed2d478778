"""Makes one call: adds the credential, retries if that is safe, and turns an error answer into an exception."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TypeVar, Unpack, cast

from vault import __version__
from vault.client.aio.paging import follow, take
from vault.client.aio.transport import AsyncTransport
from vault.client.calls import BASE, PAGE_SIZE, Body, Options, query_text, read_json, segment
from vault.client.pace import Pauses
from vault.client.problems import error_from, retry_after_seconds
from vault.client.reading import not_ours, read_member, read_object, read_text
from vault.client.transport import ConnectionLost, Request, Response, Unreachable
from vault.errors import NotFound, SettingsError, TransportError
from vault.model.json_types import Json

T = TypeVar("T")

CACHED_ANSWERS = 64
_RETRIED_STATUS = frozenset({429, 502, 503, 504})
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class AsyncCaller:
    """Makes calls over `transport` with `token`. For one event loop.

    Reads are retried after a lost connection, 429, 502, 503 and 504. So are writes: all tries carry the same
    `Idempotency-Key`. A login is retried only if nothing was sent, because it takes no such key and each try may count
    against the account.
    """

    def __init__(self, transport: AsyncTransport, token: str) -> None:
        self.transport = transport
        self._token = ""
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, tuple[str, object]] = OrderedDict()
        self._ids: dict[str, str] = {}
        self.use_token(token)

    def use_token(self, token: str) -> None:
        """Use `token` from now on. Cached answers for the old token are dropped."""
        if not all("!" <= character <= "~" for character in token):
            raise SettingsError("The token contains a space, a line break or another character that no token has.")
        with self._lock:
            self._token = token
            self._cache.clear()
            self._ids.clear()

    async def send(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        is_login: bool = False,
    ) -> Response:
        """Make one call and return its answer, whose status is a success or 304. Raises the error for any other
        status.
        """
        request = self._build(method, BASE + path + query_text(query), body, headers or {}, is_login=is_login)
        pauses = Pauses()
        while True:
            try:
                response = await self.transport.send(request)
            except TransportError as error:
                error.request = (request.method, request.path)
                if not _may_repeat(error, is_login):
                    raise
                await asyncio.sleep(pauses.next_or_raise(error))
                continue
            if 200 <= response.status < 300 or response.status == 304:
                return response
            refusal = error_from(request, response)
            if is_login or response.status not in _RETRIED_STATUS:
                raise refusal
            await asyncio.sleep(pauses.next_or_raise(refusal, retry_after_seconds(response)))

    async def send_json(self, method: str, path: str, body: Body = None, **options: Unpack[Options]) -> Json:
        """Like `send`, but return the JSON of the answer."""
        return read_json(await self.send(method, path, body, **options))

    async def send_to(
        self, environment: str | None, method: str, suffix: str, body: Body = None, **options: Unpack[Options]
    ) -> Response:
        """Like `send`, for a path below an environment, given by name or id, or below the globals if it is None."""
        if environment is None:
            return await self.send(method, "/globals" + suffix, body, **options)
        if "/" not in environment:
            return await self.send(method, f"/environments/{segment(environment)}{suffix}", body, **options)
        known_id = self._ids.get(environment)
        if known_id is not None:
            try:
                return await self.send(method, f"/environments/{known_id}{suffix}", body, **options)
            except NotFound:
                # The name may belong to a new environment by now.
                self._ids.pop(environment, None)
        return await self.send(method, f"/environments/{await self.find_id(environment)}{suffix}", body, **options)

    async def find_id(self, name: str) -> str:
        """Return the id of the environment `name`: a name with `/` cannot be part of an address."""
        for item in await self.items("/environments", {"name": name}):
            if read_object(item).get("name") == name:
                self._ids[name] = read_text(read_member(item, "id"))
                return self._ids[name]
        raise NotFound()

    async def read_cached(
        self, environment: str | None, suffix: str, read: Callable[[Json], T], query: Mapping[str, str]
    ) -> T:
        """Make a GET whose answer is cached, and returned again while the server confirms that it is unchanged."""
        key = json.dumps([environment, suffix, query])
        with self._lock:
            kept = self._cache.get(key)
            token = self._token
        headers = {"If-None-Match": kept[0]} if kept else {}
        response = await self.send_to(environment, "GET", suffix, query=query, headers=headers)
        if response.status == 304:
            if kept is None:
                raise not_ours()
            return cast("T", kept[1])
        answer = read(read_json(response))
        self._keep(key, response.headers.get("etag"), answer, token)
        return answer

    async def items(self, path: str, query: Mapping[str, str] | None = None, at_most: int | None = None) -> list[Json]:
        """Return the items of a list, page after page. Raises what `follow` raises."""
        return await take(self._pages(path, query or {}), at_most)

    def _pages(self, path: str, query: Mapping[str, str]) -> AsyncIterator[Sequence[Json]]:
        return follow(lambda page: self.send_json("GET", path, query=page), {**query, "limit": str(PAGE_SIZE)})

    def make_get(self, path: str, headers: Mapping[str, str]) -> Request:
        """Return a GET with the credential, for a call that is not made by `send`."""
        return self._build("GET", BASE + path, None, headers, is_login=False)

    def _build(self, method: str, path: str, body: Body, headers: Mapping[str, str], *, is_login: bool) -> Request:
        sent = {
            "Accept": "application/json, application/problem+json, */*",
            "User-Agent": f"strongroom-python/{__version__}",
        }
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        if method not in _SAFE_METHODS and not is_login:
            sent["Idempotency-Key"] = secrets.token_hex(16)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return Request(method, path, {**sent, **headers}, data)

    def _keep(self, key: str, etag: str | None, answer: object, token: str) -> None:
        with self._lock:
            # The new token must not get an answer that was given to the old one.
            if etag is None or token != self._token:
                self._cache.pop(key, None)
                return
            self._cache[key] = (etag, answer)
            self._cache.move_to_end(key)
            while len(self._cache) > CACHED_ANSWERS:
                self._cache.popitem(last=False)


def _may_repeat(error: TransportError, is_login: bool) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, ConnectionLost) and not is_login)

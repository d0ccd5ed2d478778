"""`AsyncClient`: the entry point of the SDK for asyncio."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Literal, Self

from vault.client.aio.caller import AsyncCaller
from vault.client.aio.groups import AsyncEnvironments, AsyncSessions, AsyncTokens
from vault.client.aio.sets import AsyncVariableSet
from vault.client.aio.transport import AsyncTransport, HttpxTransport
from vault.client.aio.watching import JITTER_SECONDS, AsyncChanges, AsyncWatch
from vault.client.answers import ErasureReport, ImportPlan, NewSession, PasswordChange, User
from vault.client.calls import proof_of, read_json, segment
from vault.client.defaults import DEFAULT_URL, named, token_from
from vault.client.feed import subscription
from vault.client.pace import OnInterruption
from vault.client.transport import READ_TIMEOUT_SECONDS
from vault.client.values import Values
from vault.model.json_types import Json, JsonObject


class AsyncClient:
    """A connection to a Strongroom server with one credential. For one event loop.

    `url`, `token` and `ca_file` default to `STRONGROOM_URL`, `STRONGROOM_TOKEN` (or the file that
    `STRONGROOM_TOKEN_FILE` names) and `STRONGROOM_CA_FILE`. `timeout_seconds` is how long the server may be
    silent. A whole answer may take ten times as long.
    `plain_http` allows an `http://` address on this machine. `transport` replaces HTTPS. An empty `token` means no
    credential. Raises `SettingsError` for an address or a CA file that is named and empty.

    `environments`, `tokens`, `sessions` and `globals` group the calls. `environment("prod")` is one set of variables.
    Raises the classes of `vault.errors`; each has `request` and `request_id`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        *,
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
        plain_http: bool = False,
        transport: AsyncTransport | None = None,
    ) -> None:
        self.url = named(url, "url", "STRONGROOM_URL") or DEFAULT_URL
        self._transport = transport or HttpxTransport(
            self.url,
            ca_file=named(None if ca_file is None else os.fspath(ca_file), "ca_file", "STRONGROOM_CA_FILE"),
            read_timeout_seconds=timeout_seconds,
            plain_http=plain_http,
        )
        self._caller = AsyncCaller(self._transport, token_from(os.environ) if token is None else token)
        self.environments = AsyncEnvironments(self._caller)
        self.tokens = AsyncTokens(self._caller)
        self.sessions = AsyncSessions(self._caller)
        self.globals = AsyncVariableSet(self._caller, None)

    def __repr__(self) -> str:
        """Show only the address: a repr ends up in logs."""
        return f"AsyncClient({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._transport.close()

    async def values(
        self,
        environment: str,
        names: Iterable[str] | None = None,
        *,
        resolve: bool = True,
        globals: bool = True,
    ) -> Values:
        """Return the flat `{name: value}` of an environment and the globals below it, with references resolved.

        `names` selects some of them. `resolve=False` leaves `{{references}}` as written. `globals=False` omits the
        globals. The last answers are cached in memory, and returned again while the server confirms that they are
        unchanged. Raises `NotFound` if the environment does not exist or the caller has no right to it.
        """
        return await self.environment(environment).values(names, resolve=resolve, globals=globals)

    def watch(
        self,
        environment: str,
        names: Iterable[str] | None = None,
        *,
        resolve: bool = True,
        globals: bool = True,
        jitter_seconds: float = JITTER_SECONDS,
        on_interruption: OnInterruption | None = None,
    ) -> AsyncWatch:
        """Return the present `values`, then each different state: `async for values in client.watch("prod")`.

        Each change is read after a random part of `jitter_seconds`, so that many followers do not ask at the same
        moment. `on_interruption` is called in the reading task with the error when a second attempt in a row has
        failed, and with None when the feed is back.
        """
        wanted = None if names is None else list(names)
        chosen = self.environment(environment)
        return AsyncWatch(
            self._caller,
            environment,
            lambda: chosen.values(wanted, resolve=resolve, globals=globals),
            jitter_seconds,
            on_interruption,
        )

    def changes(
        self,
        environments: Iterable[str] = (),
        *,
        globals: bool = False,
        after: str = "",
        on_interruption: OnInterruption | None = None,
    ) -> AsyncChanges:
        """Return the changes of `environments`, by name or id, and of the `globals`, as they come. If neither is given,
        return the changes of all that the caller may read.

        They come without values. `after` is the cursor of the last change that was seen; without it, the iteration
        begins now.
        """
        return AsyncChanges(self._caller, subscription(environments, globals=globals), after, on_interruption)

    def environment(self, name: str) -> AsyncVariableSet:
        """Return the set of variables of the environment with that name or id. Makes no call yet."""
        return AsyncVariableSet(self._caller, name)

    async def import_text(
        self,
        environment: str | None,
        format: str,
        text: str,
        *,
        mode: Literal["merge", "replace"] = "merge",
        dry_run: bool = False,
        pick: str = "",
        literal: bool = False,
        expand: bool = False,
    ) -> ImportPlan:
        """Import the text of a file into `environment`, or into the globals if it is None. A missing environment is
        created.

        `replace` removes variables that the file does not have. `dry_run` only returns the plan. `pick` is the name or
        id of one environment in a file that has several. `literal` keeps values that look like references as text.
        With `expand`, `$NAME` in a dotenv file stands for the value of NAME above it.
        """
        body = {"environment": environment, "format": format, "text": text, "mode": mode, "dry_run": dry_run}
        if pick:
            body["pick"] = pick
        if literal:
            body["literal"] = literal
        if expand:
            body["expand"] = expand
        return ImportPlan.from_json(await self._caller.send_json("POST", "/import", body))

    async def login(self, username: str, password: str) -> NewSession:
        """Open a session and use it from now on. Not retried after it was sent.

        Raises `BadLogin`, and `SecondFactorRequired`, whose `challenge_id` is for `complete_login`.
        """
        self._caller.use_token("")
        return await self._adopt("/sessions", {"username": username, "password": password})

    async def complete_login(
        self, challenge_id: str, *, code: str = "", recovery_code: str = "", passkey: Mapping[str, Json] | None = None
    ) -> NewSession:
        """Continue a login that needs a second factor. Give one factor. Raises `BadSecondFactor`."""
        proof = proof_of(code, recovery_code, passkey)
        return await self._adopt(f"/sessions/challenges/{segment(challenge_id)}", proof)

    async def step_up(self, password: str) -> NewSession:
        """Prove the password again. A new session replaces this one.

        Raises the same errors as `login`. After `SecondFactorRequired`, call `complete_step_up`.
        """
        return await self._adopt("/sessions/step-up", {"password": password})

    async def complete_step_up(
        self, challenge_id: str, *, code: str = "", recovery_code: str = "", passkey: Mapping[str, Json] | None = None
    ) -> NewSession:
        """Continue a step-up, as `complete_login` does for a login."""
        proof = proof_of(code, recovery_code, passkey)
        return await self._adopt(f"/sessions/step-up/challenges/{segment(challenge_id)}", proof)

    async def logout(self) -> None:
        """End the session of this client."""
        for session in await self.sessions.list():
            if session.current:
                await self.sessions.revoke(session.id)
        self._caller.use_token("")

    async def me(self) -> User:
        """Return the person of this session."""
        return User.from_json(await self._caller.send_json("GET", "/me"))

    async def change_password(
        self, current_password: str, new_password: str, *, end_tokens: bool = False
    ) -> PasswordChange:
        """Change the password. All other sessions end, and a new session replaces this one and is used from now on.

        Returns the tokens that the sessions made; `end_tokens` ends these too.
        """
        body: JsonObject = {"current_password": current_password, "new_password": new_password}
        response = await self._caller.send("PUT", "/me/password", body | ({"end_tokens": True} if end_tokens else {}))
        changed = PasswordChange.from_json(read_json(response)) if response.body else PasswordChange()
        if changed.session is not None:
            self._caller.use_token(changed.session.secret)
        return changed

    async def delete_me(self, password: str) -> ErasureReport:
        """Delete the account and shred all its data. This cannot be undone. Not retried after it was sent.

        Returns what was erased, and what remains where.
        """
        return ErasureReport.from_json(
            await self._caller.send_json("DELETE", "/me", {"password": password}, is_login=True)
        )

    async def _adopt(self, path: str, body: JsonObject) -> NewSession:
        session = NewSession.from_json(await self._caller.send_json("POST", path, body, is_login=True))
        self._caller.use_token(session.secret)
        return session

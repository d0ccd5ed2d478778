"""Calls for whole environments, tokens and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Unpack

from vault.client.aio.caller import AsyncCaller
from vault.client.answers import EndedSessions, Environment, Grant, NewToken, Session, Token, variable_as_json
from vault.client.attributes import EnvironmentChange, NewEnvironmentAttributes
from vault.client.calls import read_json, read_warnings, segment
from vault.errors import NotFound
from vault.model.environment import Variable
from vault.model.json_types import JsonObject


class AsyncEnvironments:
    """A person's environments. Each is given by its name or id."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def list(self, *, name: str | None = None, deleted: bool = False) -> list[Environment]:
        """Return all environments, or the one with that `name`. `deleted` returns those that can still be undeleted."""
        query = {} if name is None else {"name": name}
        if deleted:
            query["deleted"] = "true"
        return [Environment.from_json(item) for item in await self._caller.items("/environments", query)]

    async def get(self, environment: str) -> Environment:
        """Return one environment. Raises `NotFound`, also if the caller has no right to it."""
        return Environment.from_json(read_json(await self._caller.send_to(environment, "GET", "")))

    async def create(
        self, name: str, *, variables: Iterable[Variable] = (), **attributes: Unpack[NewEnvironmentAttributes]
    ) -> Environment:
        """Create an environment. `attributes` are `description`, `max_versions` and `bases`. Raises `NameTaken`."""
        held = [variable_as_json(variable) for variable in variables]
        body = {"name": name, **attributes} | ({"variables": held} if held else {})
        return Environment.from_json(await self._caller.send_json("POST", "/environments", body))

    async def update(self, environment: str, **attributes: Unpack[EnvironmentChange]) -> Environment:
        """Change an environment. `attributes` are `name`, `description`, `max_versions`, `cas_required`,
        `delete_version_after_seconds` and `bases`: names or ids of environments, lowest first.
        """
        return Environment.from_json(read_json(await self._caller.send_to(environment, "PATCH", "", attributes)))

    async def rename(self, environment: str, name: str) -> Environment:
        """Give an environment another name. Its id does not change."""
        return await self.update(environment, name=name)

    async def copy(self, environment: str, name: str) -> Environment:
        """Create the environment `name` on the same bases. Its first revision has the current variables of another."""
        return Environment.from_json(
            read_json(await self._caller.send_to(environment, "POST", "/copy", {"name": name}))
        )

    async def delete(self, environment: str) -> tuple[str, ...]:
        """Delete an environment. It can be undeleted within 30 days. Returns warnings, for example if it is a base of
        others.
        """
        return read_warnings(await self._caller.send_to(environment, "DELETE", ""))

    async def undelete(self, environment: str, *, name: str | None = None) -> Environment:
        """Undelete an environment by its id, or the one last deleted with that name. Give a new `name` if its own is
        taken.
        """
        body = {} if name is None else {"name": name}
        address = await self._last_deleted(environment) if "/" in environment else segment(environment)
        return Environment.from_json(await self._caller.send_json("POST", f"/environments/{address}/undelete", body))

    async def _last_deleted(self, name: str) -> str:
        found = [
            item
            for item in await self.list(name=name, deleted=True)
            if item.deleted_at is not None and item.name == name
        ]
        if not found:
            raise NotFound()
        return max(found, key=lambda item: str(item.deleted_at)).id


class AsyncTokens:
    """The service tokens of the caller."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def list(self) -> list[Token]:
        """Return all tokens that the caller may see, without their secrets."""
        return [Token.from_json(item) for item in await self._caller.items("/tokens")]

    async def get(self, token_id: str) -> Token:
        """Return one token. Raises `NotFound`."""
        return Token.from_json(await self._caller.send_json("GET", f"/tokens/{segment(token_id)}"))

    async def create(
        self,
        name: str,
        grants: Iterable[Grant],
        *,
        ttl_seconds: int | None = None,
        max_ttl_seconds: int | None = None,
        renewable: bool | None = None,
        uses: int | None = None,
        networks: Iterable[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        may_rotate: bool | None = None,
    ) -> NewToken:
        """Create a token. Its secret is only in this answer. The server chooses values for arguments that are None."""
        body: JsonObject = {
            "ttl_seconds": ttl_seconds,
            "max_ttl_seconds": max_ttl_seconds,
            "renewable": renewable,
            "uses": uses,
            "networks": None if networks is None else [*networks],
            "metadata": None if metadata is None else dict(metadata),
            "may_rotate": may_rotate,
        }
        given = {field: value for field, value in body.items() if value is not None}
        given |= {"name": name, "grants": [grant.as_json() for grant in grants]}
        return NewToken.from_json(await self._caller.send_json("POST", "/tokens", given))

    async def rotate(self, token_id: str, *, overlap_seconds: int = 0) -> NewToken:
        """Give a token a new secret. The old one works for another `overlap_seconds`."""
        body = {"overlap_seconds": overlap_seconds}
        return NewToken.from_json(await self._caller.send_json("POST", f"/tokens/{segment(token_id)}/rotate", body))

    async def revoke(self, token_id: str) -> None:
        """End a token and all of its children at once."""
        await self._caller.send("DELETE", f"/tokens/{segment(token_id)}")


class AsyncSessions:
    """The active sessions of a person."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def list(self) -> list[Session]:
        """Return all sessions; `current` marks this one."""
        return [Session.from_json(item) for item in await self._caller.items("/sessions")]

    async def revoke(self, session_id: str) -> None:
        """End one session."""
        await self._caller.send("DELETE", f"/sessions/{segment(session_id)}")

    async def revoke_all(self, *, end_tokens: bool = False) -> EndedSessions:
        """End all sessions, this one too. Returns the tokens that they made; `end_tokens` ends these too."""
        response = await self._caller.send("DELETE", "/sessions", query={"end_tokens": "true"} if end_tokens else None)
        return EndedSessions.from_json(read_json(response)) if response.body else EndedSessions()

"""The values, variables and history of an environment or of the globals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Unpack

from vault.client.aio.caller import AsyncCaller
from vault.client.aio.paging import follow, take
from vault.client.answers import (
    Change,
    Revision,
    RevisionNumber,
    Variables,
    read_variable,
    read_variables,
    variable_as_json,
)
from vault.client.attributes import VariableAttributes, VariableChange
from vault.client.calls import (
    PAGE_SIZE,
    Body,
    Options,
    fit_query,
    fits_address,
    read_json,
    read_rendered,
    read_revision,
    segment,
)
from vault.client.reading import (
    read_list,
    read_member,
    read_number_or_none,
)
from vault.client.transport import Response
from vault.client.values import Values
from vault.errors import NotFound
from vault.model.environment import Variable
from vault.model.json_types import Json

if TYPE_CHECKING:
    from vault.formats import Rendered

_NAMES_MAX_CHARACTERS = 2000


class AsyncVariableSet:
    """All calls for one environment (by name or id), or for the globals if `environment` is None.

    Makes no call before a method is called. Each write returns the number of its revision.
    """

    def __init__(self, caller: AsyncCaller, environment: str | None) -> None:
        self._caller = caller
        self._environment = environment

    def __repr__(self) -> str:
        return f"AsyncVariableSet({self._environment or 'globals'!r})"

    async def values(self, names: Iterable[str] | None = None, *, resolve: bool = True, globals: bool = True) -> Values:
        """Return the flat map for a service. If nothing has changed (ETag), the server does not decrypt again."""
        query = {} if resolve else {"resolve": "false"}
        if not globals:
            query["globals"] = "false"
        wanted = None if names is None else list(names)
        if wanted is not None and fit_query(wanted):
            query["names"] = ",".join(wanted)
        found = await self._caller.read_cached(self._environment, "/values", Values.from_json, query)
        return found if wanted is None or "names" in query else found.only(wanted)

    async def variables(self) -> Variables:
        """Return all variables with their attributes, as stored, in order."""
        response = await self._send("GET", "/variables")
        data = read_json(response)
        revision = read_number_or_none(read_member(data, "revision"))
        return Variables(read_variables(read_member(data, "variables")), revision, response.headers.get("etag", ""))

    async def variable(self, name: str) -> Variable:
        """Return one variable. Raises `NotFound`."""
        if fits_address(name):
            return read_variable(read_json(await self._send("GET", f"/variables/{segment(name)}")))
        for variable in await self.variables():
            if variable.name == name:
                return variable
        raise NotFound(f"There is no variable {name} here.")

    async def set(self, name: str, value: str, **attributes: Unpack[VariableAttributes]) -> RevisionNumber:
        """Set one value, and those of `type`, `enabled`, `literal` and `description` that are given."""
        change: VariableChange = {"value": value, **attributes}
        return await self.patch({name: change})

    async def unset(self, name: str) -> RevisionNumber:
        """Remove one variable. Raises `NotFound`."""
        if fits_address(name):
            return read_revision(await self._send("DELETE", f"/variables/{segment(name)}"))
        await self.variable(name)
        return await self.patch({name: None})

    async def patch(
        self, changes: Mapping[str, str | VariableChange | None], *, etag: str | None = None
    ) -> RevisionNumber:
        """Change several variables in one revision: text or attributes set one, None removes one.

        With `etag`, raises `PreconditionFailed` if the set was changed in the meantime.
        """
        headers = {"If-Match": etag} if etag else {}
        return read_revision(await self._send("PATCH", "/variables", {"variables": dict(changes)}, headers=headers))

    async def replace(self, variables: Iterable[Variable], *, etag: str = "") -> RevisionNumber:
        """Replace all variables of the state with this `etag`, or of a set without a revision if there is none.

        Raises `PreconditionFailed` if that is not the current state.
        """
        headers = {"If-Match": etag} if etag else {"If-None-Match": "*"}
        body = {"variables": [variable_as_json(variable) for variable in variables]}
        return read_revision(await self._send("PUT", "/variables", body, headers=headers))

    async def revisions(self, *, at_most: int | None = None) -> list[Revision]:
        """Return the history, newest first, without values."""
        query = {"limit": str(min(at_most or PAGE_SIZE, PAGE_SIZE))}
        pages = follow(lambda page: self._send_json("GET", "/revisions", query=page), query)
        return [Revision.from_json(item) for item in await take(pages, at_most)]

    async def revision(self, number: int) -> Revision:
        """Return one revision with its variables."""
        return Revision.from_json(read_json(await self._send("GET", f"/revisions/{number}")))

    async def diff(self, number: int, *, against: int | None = None) -> list[Change]:
        """Return what `number` changed since the previous revision, or since `against` (0: since the empty set)."""
        query = {} if against is None else {"against": str(against)}
        data = read_json(await self._send("GET", f"/revisions/{number}/diff", query=query))
        return [Change.from_json(item) for item in read_list(read_member(data, "changes"))]

    async def rollback(self, number: int) -> RevisionNumber:
        """Make a new revision with the variables of `number`."""
        return read_revision(await self._send("POST", "/rollback", {"revision": number}))

    async def export(self, format: str, *, strict: bool = False) -> Rendered:
        """Return the set's own variables as text, with references as written.

        Variables that the format cannot express are left out with a warning. `strict` raises `FormatError` instead.
        """
        query = {"format": format} | ({"strict": "true"} if strict else {})
        return read_rendered(await self._send("GET", "/export", query=query))

    async def render(
        self, format: str, *, resolve: bool = True, globals: bool = True, strict: bool = False
    ) -> Rendered:
        """Return the `values` as text. `strict` works as in `export`, and also refuses unresolved references."""
        query = {"format": format, "resolve": str(resolve).lower(), "globals": str(globals).lower()}
        return read_rendered(await self._send("GET", "/values", query=query | ({"strict": "true"} if strict else {})))

    async def _send_json(self, method: str, suffix: str, **options: Unpack[Options]) -> Json:
        return read_json(await self._send(method, suffix, **options))

    async def _send(self, method: str, suffix: str, body: Body = None, **options: Unpack[Options]) -> Response:
        return await self._caller.send_to(self._environment, method, suffix, body, **options)

"""The values, variables and history of an environment or of the globals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Unpack
from urllib.parse import quote

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
from vault.client.caller import PAGE_SIZE, Body, Caller, Options, read_json, read_warnings, segment
from vault.client.paging import follow
from vault.client.reading import (
    not_ours,
    read_list,
    read_member,
    read_number,
    read_number_or_none,
)
from vault.client.transport import Response
from vault.client.values import Values
from vault.errors import NotFound
from vault.model.environment import Variable

if TYPE_CHECKING:
    from vault.formats import Rendered

_NAMES_MAX_CHARACTERS = 2000


class VariableSet:
    """All calls for one environment (by name or id), or for the globals if `environment` is None.

    Makes no call before a method is called. Each write returns the number of its revision.
    """

    def __init__(self, caller: Caller, environment: str | None) -> None:
        self._caller = caller
        self._environment = environment

    def __repr__(self) -> str:
        return f"VariableSet({self._environment or 'globals'!r})"

    def values(self, names: Iterable[str] | None = None, *, resolve: bool = True, globals: bool = True) -> Values:
        """Return the flat map for a service. If nothing has changed (ETag), the server does not decrypt again."""
        query = {} if resolve else {"resolve": "false"}
        if not globals:
            query["globals"] = "false"
        wanted = None if names is None else list(names)
        if wanted is not None and _fit_query(wanted):
            query["names"] = ",".join(wanted)
        found = self._caller.read_cached(self._environment, "/values", Values.from_json, query)
        return found if wanted is None or "names" in query else found.only(wanted)

    def variables(self) -> Variables:
        """Return all variables with their attributes, as stored, in order."""
        response = self._send("GET", "/variables")
        data = read_json(response)
        revision = read_number_or_none(read_member(data, "revision"))
        return Variables(read_variables(read_member(data, "variables")), revision, response.headers.get("etag", ""))

    def variable(self, name: str) -> Variable:
        """Return one variable. Raises `NotFound`."""
        if _fits_address(name):
            return read_variable(read_json(self._send("GET", f"/variables/{segment(name)}")))
        for variable in self.variables():
            if variable.name == name:
                return variable
        raise NotFound(f"There is no variable {name} here.")

    def set(self, name: str, value: str, **attributes: Unpack[VariableAttributes]) -> RevisionNumber:
        """Set one value, and those of `type`, `enabled`, `literal` and `description` that are given."""
        change: VariableChange = {"value": value, **attributes}
        return self.patch({name: change})

    def unset(self, name: str) -> RevisionNumber:
        """Remove one variable. Raises `NotFound`."""
        if _fits_address(name):
            return _revision(self._send("DELETE", f"/variables/{segment(name)}"))
        self.variable(name)
        return self.patch({name: None})

    def patch(self, changes: Mapping[str, str | VariableChange | None], *, etag: str | None = None) -> RevisionNumber:
        """Change several variables in one revision: text or attributes set one, None removes one.

        With `etag`, raises `PreconditionFailed` if the set was changed in the meantime.
        """
        headers = {"If-Match": etag} if etag else {}
        return _revision(self._send("PATCH", "/variables", {"variables": dict(changes)}, headers=headers))

    def replace(self, variables: Iterable[Variable], *, etag: str = "") -> RevisionNumber:
        """Replace all variables of the state with this `etag`, or of a set without a revision if there is none.

        Raises `PreconditionFailed` if that is not the current state.
        """
        headers = {"If-Match": etag} if etag else {"If-None-Match": "*"}
        body = {"variables": [variable_as_json(variable) for variable in variables]}
        return _revision(self._send("PUT", "/variables", body, headers=headers))

    def revisions(self, *, at_most: int | None = None) -> list[Revision]:
        """Return the history, newest first, without values."""
        query = {"limit": str(min(at_most or PAGE_SIZE, PAGE_SIZE))}
        items = follow(lambda page: read_json(self._send("GET", "/revisions", query=page)), query)
        return [Revision.from_json(item) for item in islice(items, at_most)]

    def revision(self, number: int) -> Revision:
        """Return one revision with its variables."""
        return Revision.from_json(read_json(self._send("GET", f"/revisions/{number}")))

    def diff(self, number: int, *, against: int | None = None) -> list[Change]:
        """Return what `number` changed since the previous revision, or since `against` (0: since the empty set)."""
        query = {} if against is None else {"against": str(against)}
        data = read_json(self._send("GET", f"/revisions/{number}/diff", query=query))
        return [Change.from_json(item) for item in read_list(read_member(data, "changes"))]

    def rollback(self, number: int) -> RevisionNumber:
        """Make a new revision with the variables of `number`."""
        return _revision(self._send("POST", "/rollback", {"revision": number}))

    def export(self, format: str, *, strict: bool = False) -> Rendered:
        """Return the set's own variables as text, with references as written.

        Variables that the format cannot express are left out with a warning. `strict` raises `FormatError` instead.
        """
        query = {"format": format} | ({"strict": "true"} if strict else {})
        return _read_rendered(self._send("GET", "/export", query=query))

    def render(self, format: str, *, resolve: bool = True, globals: bool = True, strict: bool = False) -> Rendered:
        """Return the `values` as text. `strict` works as in `export`, and also refuses unresolved references."""
        query = {"format": format, "resolve": str(resolve).lower(), "globals": str(globals).lower()}
        return _read_rendered(self._send("GET", "/values", query=query | ({"strict": "true"} if strict else {})))

    def _send(self, method: str, suffix: str, body: Body = None, **options: Unpack[Options]) -> Response:
        return self._caller.send_to(self._environment, method, suffix, body, **options)


def _fit_query(names: list[str]) -> bool:
    """Report whether `?names=A,B` can select these. Otherwise all are fetched and filtered here."""
    # Servers and proxies limit the first line of a request, often to 4 KiB.
    is_short = sum(len(quote(name)) + 3 for name in names) < _NAMES_MAX_CHARACTERS
    return bool(names) and is_short and not any("," in name or not name for name in names)


def _fits_address(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name


def _revision(response: Response) -> RevisionNumber:
    return RevisionNumber(read_number(read_member(read_json(response), "revision")), read_warnings(response))


def _read_rendered(response: Response) -> Rendered:
    from vault.formats import Rendered

    try:
        return Rendered(response.body.decode(), read_warnings(response))
    except ValueError as error:
        raise not_ours() from error

"""The form for a new token: its fields, its errors, and the `TokenRequest` that it makes.

A row of the form is one grant: `on-0` is its kind, `where-0` the place, and each `may-0` a permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from werkzeug.datastructures import MultiDict

from vault.errors import InvalidInput
from vault.model.clock import DAY_SECONDS, HOUR_SECONDS
from vault.model.digits import BIGINT_MOST, whole_number
from vault.model.environment import Environment, normal
from vault.model.grant import Permission
from vault.services.tokens.request import GRANTS_MAX, GrantRequest, TokenRequest

LIVES = {
    str(HOUR_SECONDS): "1 hour",
    str(DAY_SECONDS): "1 day",
    str(7 * DAY_SECONDS): "7 days",
    str(30 * DAY_SECONDS): "30 days",
    str(90 * DAY_SECONDS): "90 days",
    str(365 * DAY_SECONDS): "1 year",
    "": "never",
}
"""The lifetimes to choose from: the form's value and its words."""

USUAL_LIFE = str(90 * DAY_SECONDS)
KINDS = {"environment": "Environment", "path": "Path and all below", "globals": "Globals"}


@dataclass(frozen=True, slots=True)
class Row:
    """One grant as it was filled in."""

    kind: str = "environment"
    where: str = ""
    may: frozenset[str] = frozenset({Permission.LIST, Permission.READ})


@dataclass(frozen=True, slots=True)
class TokenForm:
    """The form as it was filled in."""

    name: str = ""
    rows: tuple[Row, ...] = (Row(),)
    ttl: str = USUAL_LIFE
    networks: str = ""
    uses: str = ""
    may_rotate: str = ""

    @classmethod
    def sent(cls, form: MultiDict[str, str]) -> TokenForm:
        """Return the form that a browser has sent."""
        count = sum(f"on-{number}" in form for number in range(GRANTS_MAX))
        rows = tuple(
            Row(form.get(f"on-{number}", ""), form.get(f"where-{number}", ""), frozenset(form.getlist(f"may-{number}")))
            for number in range(count)
        )
        plain = {field: form.get(field, "") for field in ("name", "ttl", "networks", "uses", "may_rotate")}
        return cls(rows=rows or (Row(),), **plain)

    def with_row(self) -> TokenForm:
        """Return the form with one more empty row."""
        rows = (*self.rows, Row()) if len(self.rows) < GRANTS_MAX else self.rows
        return replace(self, rows=rows)

    def request(self, environments: Iterable[Environment]) -> TokenRequest:
        """Return the request to the services. Raises `InvalidInput`; its path is a field, or `grants.` and the row's
        number.
        """
        if self.ttl not in LIVES:
            raise InvalidInput("Choose one of these.", path="ttl")
        ids = {environment.name: environment.id for environment in environments}
        return TokenRequest(
            self.name.strip(),
            [_grant(row, ids, f"grants.{number}") for number, row in enumerate(self.rows)],
            ttl_seconds=int(self.ttl) if self.ttl else None,
            uses=_uses(self.uses),
            networks=self.networks.replace(",", " ").split(),
            may_rotate=self.may_rotate == "yes",
        )


def _grant(row: Row, ids: dict[str, str], where: str) -> GrantRequest:
    try:
        may = frozenset(map(Permission, row.may))
    except ValueError:
        raise InvalidInput("Choose from these permissions.", path=where) from None
    if not may:
        raise InvalidInput("Choose at least one permission.", path=where)
    named = row.where.strip()
    if row.kind == "globals":
        return GrantRequest(may, globals=True)
    if row.kind == "path":
        return GrantRequest(may, path=named)
    if row.kind != "environment":
        raise InvalidInput("Choose what the token may reach.", path=where)
    found = ids.get(normal(named, path=where))
    if found is None:
        raise InvalidInput("There is no environment with this name.", path=where)
    return GrantRequest(may, environment_id=found)


def _uses(text: str) -> int | None:
    if not text.strip():
        return None
    # The services have a smaller limit.
    uses = whole_number(text.strip(), BIGINT_MOST)
    if uses is None:
        raise InvalidInput("Write a number, or leave this empty.", path="uses")
    return uses

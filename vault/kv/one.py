"""KV version 1 at `kv/…`: the same environments, as maps without versions."""

from __future__ import annotations

from flask import Response, request

from vault.errors import InvalidInput, MethodNotAllowed, NotFound
from vault.http import known_etags, principal, services, transaction
from vault.kv import guard
from vault.kv.address import WRITES, is_list, named
from vault.kv.bodies import body, flag
from vault.kv.data import answer_etag
from vault.kv.envelope import done, envelope, nothing
from vault.kv.metadata import names
from vault.services.vaultkv.versions import Wanted, replaced

blueprint = guard.new_blueprint("one")


@blueprint.route("/kv", methods=["LIST", "GET"], defaults={"path": ""})
@blueprint.route("/kv/<path:path>", methods=["LIST", "GET"])
def read(path: str) -> Response:
    """Return the map, or list the names below a folder."""
    if is_list():
        return names(path)
    if not path:
        raise MethodNotAllowed()
    wanted = Wanted(resolve=flag(request.args.get("resolve", "")))
    found = services().vaultkv.versions.read(principal(), named(path), wanted, known_etags())
    if found.is_gone:
        raise NotFound()
    response = envelope(found.values, warnings=found.warnings) if found.values is not None else Response(status=304)
    return answer_etag(response, found)


@blueprint.route("/kv/<path:path>", methods=WRITES)
def write(path: str) -> Response:
    """Replace the map with exactly these values."""
    name = named(path)
    guard.may_write(name)
    values = body()
    if not values:
        raise InvalidInput("missing data fields")
    transaction(
        lambda unit: services().vaultkv.versions.write(
            unit, principal(), name, lambda current: replaced(current, values), cas=None
        )
    )
    return nothing()


@blueprint.route("/kv/<path:path>", methods=["DELETE"])
def delete(path: str) -> Response:
    """Delete the environment. The API and the pages can restore it for a time."""
    name = named(path)
    return done(transaction(lambda unit: services().vaultkv.metadata.delete(unit, principal(), name)))

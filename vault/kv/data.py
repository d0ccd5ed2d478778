"""KV version 2, `secret/data/…` and related calls: an environment as a map with versions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from flask import Response, request

from vault.errors import InvalidInput
from vault.http import known_etags, principal, quoted, services, transaction
from vault.kv import guard, problems
from vault.kv.address import WRITES, named
from vault.kv.bodies import body, flag, mapping
from vault.kv.envelope import envelope, moment, nothing
from vault.model.digits import BIGINT_MOST, whole_number
from vault.model.json_types import JsonObject
from vault.model.principal import Principal
from vault.model.strict_json import WrittenJson
from vault.services.vaultkv.versions import Edit, Found, Version, Wanted, merged, replaced
from vault.storage import UnitOfWork

blueprint = guard.new_blueprint("data")

MERGE_PATCH = "application/merge-patch+json"
VERSIONS_MOST = 1000

_Act = Callable[[UnitOfWork, Principal, str, Collection[int]], None]
_Values = Mapping[str, WrittenJson]
_Shape = Callable[[_Values | None], _Values]


@blueprint.route("/secret/data/<path:path>", methods=["GET"])
def read(path: str) -> Response:
    """Return the current version, or the one in `?version=`. With `?resolve=true`, references are resolved."""
    found = services().vaultkv.versions.read(principal(), named(path), _wanted(), known_etags())
    return _answer(found, lambda values: {"data": values, "metadata": _version(found.version)})


@blueprint.route("/secret/subkeys/<path:path>", methods=["GET"])
def subkeys(path: str) -> Response:
    """Return the names in a version, also those in nested objects, without values."""
    depth = _number(request.args.get("depth", "0"), "depth")
    found = services().vaultkv.versions.read(principal(), named(path), _wanted(), known_etags())
    return _answer(
        found,
        lambda values: {
            "subkeys": None if values is None else _names(values, depth),
            "metadata": _version(found.version),
        },
    )


@blueprint.route("/secret/data/<path:path>", methods=WRITES)
def write(path: str) -> Response:
    """Write a new version with exactly these values."""
    data, cas = _written(path)
    return _store(path, lambda current: replaced(current, data), cas)


@blueprint.route("/secret/data/<path:path>", methods=["PATCH"])
def patch(path: str) -> Response:
    """Write a new version: the current one, with a JSON merge patch (RFC 7396) applied."""
    if request.mimetype != MERGE_PATCH:
        raise problems.WrongMediaType()
    data, cas = _written(path)
    return _store(path, lambda current: merged(current, data), cas, create=False)


@blueprint.route("/secret/data/<path:path>", methods=["DELETE"])
def delete_current(path: str) -> Response:
    """Hide the current version."""
    name = named(path)
    transaction(lambda unit: services().vaultkv.versions.delete(unit, principal(), name, None))
    return nothing()


@blueprint.route("/secret/delete/<path:path>", methods=WRITES)
def delete(path: str) -> Response:
    """Hide versions."""
    return _change(services().vaultkv.versions.delete, path, _numbers())


@blueprint.route("/secret/undelete/<path:path>", methods=WRITES)
def undelete(path: str) -> Response:
    """Restore hidden versions."""
    return _change(services().vaultkv.versions.undelete, path, _numbers())


@blueprint.route("/secret/destroy/<path:path>", methods=WRITES)
def destroy(path: str) -> Response:
    """Delete the values of versions for good."""
    return _change(services().vaultkv.versions.destroy, path, _numbers())


def _store(path: str, edit: Edit, cas: int | None, *, create: bool = True) -> Response:
    name = named(path)
    written = transaction(
        lambda unit: services().vaultkv.versions.write(unit, principal(), name, edit, cas=cas, create=create)
    )
    return envelope(_version(written))


def _change(act: _Act, path: str, numbers: Collection[int]) -> Response:
    name = named(path)
    transaction(lambda unit: act(unit, principal(), name, numbers))
    return nothing()


def _answer(found: Found, shape: _Shape) -> Response:
    if found.is_gone:
        # A plain 404 would mean that the version never existed. The whole envelope says what happened to it.
        response = envelope(shape(None), status=404)
    elif found.values is None:
        response = Response(status=304)
    else:
        response = envelope(shape(found.values), warnings=found.warnings)
    return answer_etag(response, found)


def answer_etag(response: Response, found: Found) -> Response:
    """Add the version's ETag to an answer."""
    response.headers["ETag"] = quoted(found.etag)
    return response


def _version(version: Version) -> JsonObject:
    return {
        "version": version.number,
        "created_time": moment(version.created_us),
        "deletion_time": moment(version.deletion_us),
        "destroyed": version.destroyed,
        "custom_metadata": version.custom_metadata,
    }


def _names(values: object, depth: int) -> JsonObject | None:
    if not isinstance(values, dict) or not values:
        return None
    if depth == 1:
        return dict.fromkeys(values)
    return {name: _names(value, depth - 1 if depth else 0) for name, value in values.items()}


def _wanted() -> Wanted:
    if not request.args:
        return Wanted()
    version = request.args.get("version", "")
    return Wanted(_number(version, "version") if version else 0, flag(request.args.get("resolve", "")))


def _written(path: str) -> tuple[_Values, int | None]:
    """Return the values and the check-and-set number of a write."""
    guard.may_write(named(path))
    document = body()
    data = document.get("data")
    if not isinstance(data, dict):
        raise InvalidInput("no data provided" if data is None else "data must be a JSON object")
    cas = mapping(document, "options").get("cas")
    return data, None if cas is None else _number(cas, "cas")


def _numbers() -> list[int]:
    given = body().get("versions")
    if not isinstance(given, list) or not given:
        raise InvalidInput("no version number provided")
    if len(given) > VERSIONS_MOST:
        raise InvalidInput(f"Send at most {VERSIONS_MOST} versions at once.", path="versions")
    return [_number(item, "versions") for item in given]


def _number(value: object, path: str) -> int:
    """Return a number that a client may have sent as text. Raises `InvalidInput`."""
    if isinstance(value, str):
        value = whole_number(value, BIGINT_MOST)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= BIGINT_MOST:
        raise InvalidInput("This must be a whole number, 0 or more.", path=path)
    return value

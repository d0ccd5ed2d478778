"""KV version 2, `secret/data/…` and related calls: an environment as a map with versions."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Response, request

from vault.errors import InvalidInput
from vault.http import known_etags, principal, quoted, services, transaction
from vault.kv import calls, problems
from vault.kv.calls import WRITES, body, envelope, mapping, named, nothing
from vault.model.digits import BIGINT_MOST, whole_number
from vault.services.vaultkv.versions import Edit, Found, Version, Wanted, merged, replaced

blueprint = calls.new_blueprint("data")

MERGE_PATCH = "application/merge-patch+json"
VERSIONS_MOST = 1000


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
    return _change("delete", path, None)


@blueprint.route("/secret/<any(delete, undelete, destroy):verb>/<path:path>", methods=WRITES)
def change(verb: str, path: str) -> Response:
    """Hide versions, restore them, or destroy their values for good."""
    return _change(verb, path, _numbers())


def _store(path: str, edit: Edit, cas: int | None, *, create: bool = True) -> Response:
    name = named(path)
    written = transaction(
        lambda unit: services().vaultkv.versions.write(unit, principal(), name, edit, cas=cas, create=create)
    )
    return envelope(_version(written))


def _change(verb: str, path: str, numbers: Collection[int] | None) -> Response:
    name, act = named(path), getattr(services().vaultkv.versions, verb)
    transaction(lambda unit: act(unit, principal(), name, numbers))
    return nothing()


def _answer(found: Found, shape: Any) -> Response:
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


def _version(version: Version) -> dict[str, Any]:
    return {
        "version": version.number,
        "created_time": calls.moment(version.created_us),
        "deletion_time": calls.moment(version.deletion_us),
        "destroyed": version.destroyed,
        "custom_metadata": version.custom_metadata,
    }


def _names(values: Any, depth: int) -> Any:
    if not isinstance(values, dict) or not values:
        return None
    if depth == 1:
        return dict.fromkeys(values)
    return {name: _names(value, depth - 1 if depth else 0) for name, value in values.items()}


def _wanted() -> Wanted:
    if not request.args:
        return Wanted()
    version = request.args.get("version", "")
    return Wanted(_number(version, "version") if version else 0, calls.flag(request.args.get("resolve", "")))


def _written(path: str) -> tuple[dict[str, Any], int | None]:
    """Return the values and the check-and-set number of a write."""
    calls.may_write(named(path))
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


def _number(value: Any, path: str) -> int:
    """Return a number that a client may have sent as text. Raises `InvalidInput`."""
    if isinstance(value, str):
        value = whole_number(value, BIGINT_MOST)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= BIGINT_MOST:
        raise InvalidInput("This must be a whole number, 0 or more.", path=path)
    return value

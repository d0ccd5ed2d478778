"""KV version 2, `secret/metadata/…` and `secret/config`: lists of names, rules, and custom metadata."""

from __future__ import annotations

from flask import Response, request

from vault.errors import InvalidInput, MethodNotAllowed, NotFound
from vault.http import principal, services, transaction
from vault.kv import guard, problems
from vault.kv.address import WRITES, is_list, named
from vault.kv.bodies import body, mapping
from vault.kv.data import MERGE_PATCH
from vault.kv.duration import seconds_of, text_of
from vault.kv.envelope import done, envelope, moment, nothing
from vault.model.digits import whole_number
from vault.model.environment import Revision
from vault.model.json_types import JsonObject
from vault.services.environments.rules import MAX_VERSIONS_MOST
from vault.services.environments.wishes import Wishes
from vault.services.vaultkv.metadata import EnvironmentMetadata

blueprint = guard.new_blueprint("metadata")


@blueprint.route("/secret/metadata", methods=["LIST", "GET"], defaults={"path": ""})
@blueprint.route("/secret/metadata/<path:path>", methods=["LIST", "GET"])
def read(path: str) -> Response:
    """Return everything about an environment but its values, or list the names below a folder."""
    if is_list():
        return names(path)
    if not path:
        raise MethodNotAllowed()
    return envelope(_told(services().vaultkv.metadata.get(principal(), named(path))))


@blueprint.route("/secret/metadata/<path:path>", methods=WRITES)
def write(path: str) -> Response:
    """Set rules and metadata. This works also before the first version is written."""
    name, wishes = named(path), _wishes()
    transaction(lambda unit: services().vaultkv.metadata.set(unit, principal(), name, wishes))
    return nothing()


@blueprint.route("/secret/metadata/<path:path>", methods=["PATCH"])
def patch(path: str) -> Response:
    """Set some rules and metadata. null removes a pair of the custom metadata."""
    if request.mimetype != MERGE_PATCH:
        raise problems.WrongMediaType()
    name, wishes = named(path), _wishes()
    transaction(lambda unit: services().vaultkv.metadata.patch(unit, principal(), name, wishes))
    return nothing()


@blueprint.route("/secret/metadata/<path:path>", methods=["DELETE"])
def erase(path: str) -> Response:
    """Delete an environment for good, with all its versions."""
    name = named(path)
    return done(transaction(lambda unit: services().vaultkv.metadata.erase(unit, principal(), name)))


@blueprint.route("/secret/config", methods=["GET"])
def read_config() -> Response:
    """Return the rules that new paths start with."""
    found = services().vaultkv.metadata.defaults(principal())
    after = text_of(found.delete_version_after_seconds)
    rules: JsonObject = {
        "max_versions": found.max_versions,
        "cas_required": found.cas_required,
        "delete_version_after": after,
    }
    return envelope(rules)


@blueprint.route("/secret/config", methods=WRITES)
def write_config() -> Response:
    """Change the rules that new paths start with."""
    wishes = _wishes()
    wishes.pop("custom_metadata", None)
    transaction(lambda unit: services().vaultkv.metadata.set_defaults(unit, principal(), wishes))
    return nothing()


def names(path: str) -> Response:
    """List the names below a folder, with or without a slash at its end. Raises `NotFound` if there are none."""
    folder = path.removesuffix("/")
    found = services().vaultkv.metadata.names(principal(), named(folder) if folder else "")
    if not found:
        raise NotFound()
    return envelope({"keys": found})


def _told(told: EnvironmentMetadata) -> JsonObject:
    return {
        "versions": {str(revision.number): _facts(revision) for revision in told.revisions},
        "current_version": told.last_number,
        "oldest_version": told.revisions[0].number if told.revisions else 0,
        "created_time": moment(told.created_us),
        "updated_time": moment(told.updated_us),
        "max_versions": told.max_versions,
        "cas_required": told.cas_required,
        "delete_version_after": text_of(told.delete_version_after_seconds),
        "custom_metadata": told.custom_metadata,
    }


def _facts(revision: Revision) -> JsonObject:
    return {
        "created_time": moment(revision.created_us),
        "deletion_time": moment(revision.deletion_us),
        "destroyed": revision.destroyed,
    }


def _wishes() -> Wishes:
    """Return the changes in the body, by the names that services use. A field that is absent or null does not
    change.
    """
    document = body()
    wishes: Wishes = {}
    if document.get("max_versions") is not None:
        wishes["max_versions"] = _whole(document["max_versions"])
    if document.get("cas_required") is not None:
        wishes["cas_required"] = _switch(document["cas_required"])
    if document.get("delete_version_after") is not None:
        # For Vault, a negative time means that versions are not deleted.
        after = seconds_of(document["delete_version_after"], "delete_version_after", may_be_negative=True)
        wishes["delete_version_after_seconds"] = after
    if "custom_metadata" in document:
        wishes["custom_metadata"] = mapping(document, "custom_metadata")
    return wishes


def _whole(value: object) -> int:
    if isinstance(value, str):
        value = whole_number(value, MAX_VERSIONS_MOST)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput("This must be a whole number.", path="max_versions")
    return value


def _switch(value: object) -> bool:
    switches: dict[object, bool] = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in switches:
        raise InvalidInput("This must be true or false.", path="cas_required")
    return switches[value]

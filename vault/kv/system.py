"""`sys/…`: health, seal status and leader, which are public; mounts and capabilities, which need a token."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from vault import __version__
from vault.errors import InvalidInput, NotFound, NotGranted
from vault.http import principal, public, services
from vault.kv import guard
from vault.kv.address import PREFIX, WRITES
from vault.kv.bodies import body, texts
from vault.kv.envelope import envelope, plain
from vault.model.clock import SECOND_US
from vault.model.digits import whole_number
from vault.model.environment import check_environment_name
from vault.model.grant import Permission
from vault.model.json_types import JsonObject
from vault.model.policy import allows, allows_anywhere
from vault.services.vaultkv.metadata import EVERYWHERE

blueprint = guard.new_blueprint("system")

_PATHS_MOST = 100
_PATH_CHARACTERS_MOST = 2048
_CODE_LEAST, _CODE_MOST = 200, 599
_WITHOUT_BODY = frozenset({204, 205, 304})
"""Answers with these statuses have no body (RFC 9110). A client would take one for its next answer."""


@blueprint.route("/sys/health", methods=["GET"])
@public
def health() -> Response:
    """Report whether the vault is open: 200, or 503 while it is locked. The query may ask for other statuses.

    A host that is not ready for another reason answers 429 like a standby, so clients and balancers use another host.
    """
    sealed = services().instance.locked
    standby = not sealed and not services().readiness.now().ready
    facts: JsonObject = {
        "initialized": True,
        "sealed": sealed,
        "standby": standby,
        "performance_standby": False,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": "disabled",
        "server_time_utc": services().clock() // SECOND_US,
        **_identity(),
    }
    if sealed:
        status = _code("sealedcode", 503)
    else:
        status = _code("standbycode", 429) if standby and not _standby_is_fine() else _code("activecode", 200)
    return Response(status=status) if status in _WITHOUT_BODY else plain(facts, status)


@blueprint.route("/sys/seal-status", methods=["GET"])
@public
def seal_status() -> Response:
    """Report whether the vault is open, for `vault status`."""
    shares: JsonObject = {"t": 1, "n": 1, "progress": 0, "nonce": ""}
    facts: JsonObject = {
        "type": "shamir",
        "initialized": True,
        "sealed": services().instance.locked,
        "migration": False,
    }
    kind: JsonObject = {"recovery_seal": False, "storage_type": "strongroom", "build_date": ""}
    return plain({**facts, **shares, **kind, **_identity()})


@blueprint.route("/sys/init", methods=["GET"])
@public
def initialised() -> Response:
    """Report that the vault is initialised. A vault that answers is always initialised."""
    return plain({"initialized": True})


@blueprint.route("/sys/leader", methods=["GET"])
@public
def leader() -> Response:
    """Report a leader. Every worker names itself."""
    addresses = {"leader_address": "", "leader_cluster_address": ""}
    return plain({"ha_enabled": False, "is_self": True, **addresses, "performance_standby": False})


@blueprint.route("/sys/mounts", methods=["GET"])
def mounts() -> Response:
    """List the mounts."""
    return envelope({f"{name}/": _mount(name) for name in _VERSIONS}, twice=True)


@blueprint.route("/sys/mounts/<mount>", methods=["GET"])
def mount(mount: str) -> Response:
    """Describe one mount."""
    if mount not in _VERSIONS:
        raise NotFound()
    return envelope(_mount(mount), twice=True)


@blueprint.route("/sys/internal/ui/mounts", methods=["GET"])
def visible_mounts() -> Response:
    """List the mounts, for the `vault kv` command."""
    return envelope({"secret": {f"{name}/": _mount(name) for name in _VERSIONS}, "auth": {}})


@blueprint.route("/sys/internal/ui/mounts/<path:path>", methods=["GET"])
def mount_of(path: str) -> Response:
    """Describe the mount of a path."""
    name = path.partition("/")[0]
    if name not in _VERSIONS:
        raise NotGranted()
    return envelope({**_mount(name), "path": f"{name}/"})


@blueprint.route("/sys/capabilities-self", methods=WRITES)
def capabilities() -> Response:
    """List what this token may do at some paths."""
    paths = body().get("paths") or body().get("path")
    paths = [paths] if isinstance(paths, str) else paths
    if not isinstance(paths, list) or not paths:
        raise InvalidInput("paths must be supplied")
    paths = texts(paths, "paths", items_most=_PATHS_MOST, characters_most=_PATH_CHARACTERS_MOST)
    found: JsonObject = {path: _capabilities(path) for path in paths}
    return envelope(found | {"capabilities": found[paths[0]]}, twice=True)


_VERSIONS = {"secret": "2", "kv": "1"}

_Words = Mapping[Permission, tuple[str, ...]]

_ALLOW: Mapping[str, _Words] = {
    "secret/data": {
        Permission.CREATE: ("create",),
        Permission.READ: ("read",),
        Permission.UPDATE: ("update", "patch"),
        Permission.DELETE: ("delete",),
    },
    "secret/metadata": {
        Permission.CREATE: ("create",),
        Permission.LIST: ("read", "list"),
        Permission.UPDATE: ("update", "patch"),
        Permission.DELETE: ("delete",),
    },
    "secret/subkeys": {Permission.READ: ("read",)},
    "secret/delete": {Permission.DELETE: ("update",)},
    "secret/undelete": {Permission.UPDATE: ("update",)},
    "secret/destroy": {Permission.DELETE: ("update",)},
    "kv": {
        Permission.CREATE: ("create",),
        Permission.READ: ("read",),
        Permission.LIST: ("list",),
        Permission.UPDATE: ("update",),
        Permission.DELETE: ("delete",),
    },
}
"""Vault's capabilities for each permission, by the part of the path before the environment's name."""

_CONFIG: _Words = {Permission.LIST: ("read",), Permission.UPDATE: ("update",)}
_VERBS = {"GET": "read", "POST": "update", "LIST": "list"}
"""The capability that a method needs, for calls that every token may make."""


def _capabilities(path: str) -> list[str]:
    if path == "secret/config":
        held = frozenset(permission for permission in Permission if allows(principal(), permission, EVERYWHERE))
        found = _words(_CONFIG, held)
    elif path == "auth/token/create":
        found = {"update"} if allows_anywhere(principal(), (Permission.DELEGATE,)) else set()
    else:
        mount = next((prefix for prefix in _ALLOW if path == prefix or path.startswith(prefix + "/")), None)
        found = _of_call(path) if mount is None else _of_name(_ALLOW[mount], path.removeprefix(mount)[1:])
    return sorted(found) or ["deny"]


def _of_name(words: _Words, path: str) -> set[str]:
    """Return what this token may do with an environment, and with the names below a folder. "" is the topmost one."""
    metadata, name = services().vaultkv.metadata, path.removesuffix("/")
    try:
        found = _words(words, metadata.permissions(principal(), check_environment_name(name))) if path else set()
    except InvalidInput:
        return set()
    if "list" in words.get(Permission.LIST, ()) and metadata.may_list_below(principal(), name):
        found.add("list")
    return found


def _of_call(path: str) -> set[str]:
    """Return what every token may do at the address of a call. A path without a route allows nothing."""
    routes = current_app.url_map.bind("")
    return {word for method, word in _VERBS.items() if _has_route(routes, f"{PREFIX}/{path}", method)}


def _has_route(routes: MapAdapter, path: str, method: str) -> bool:
    try:
        routes.match(path, method)
    except HTTPException:
        return False
    return True


def _words(allowed: _Words, held: frozenset[Permission]) -> set[str]:
    return {word for permission in held for word in allowed.get(permission, ())}


def _identity() -> dict[str, str]:
    # Go clients expect a semantic version, and panic on Python's form of an unreleased one, 0.2.0.dev0.
    return {
        "version": __version__.replace(".dev", "-dev."),
        "cluster_name": "strongroom",
        "cluster_id": services().instance.id,
    }


def _mount(name: str) -> JsonObject:
    times = {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": False}
    plugin = {"plugin_version": "", "running_plugin_version": "", "running_sha256": "", "deprecation_status": ""}
    return {
        "type": "kv",
        "description": "environments",
        "accessor": f"kv_{name}",
        "uuid": services().instance.id,
        "config": times,
        # Go clients expect text here, and panic on a number.
        "options": {"version": _VERSIONS[name]},
        "local": False,
        "seal_wrap": False,
        "external_entropy_access": False,
        **plugin,
    }


def _code(name: str, otherwise: int) -> int:
    """Return the status that the query asks for, or ours. Load balancers use this."""
    code = whole_number(request.args.get(name, ""), _CODE_MOST)
    return otherwise if code is None or code < _CODE_LEAST else code


def _standby_is_fine() -> bool:
    """Report whether the query asks for a standby to answer with the active status."""
    return request.args.get("standbyok", "false").lower() in ("", "true", "1")

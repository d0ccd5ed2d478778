"""The values that a service uses: an environment over its bases and the globals, flat and resolved. This is the hot
path.

    layers (one statement) → permission → availability → ETag → open → resolve
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vault.errors import IntegrityError, InvalidInput, NotFound, ResolutionTooLarge, RevisionDeleted
from vault.model import bases as model
from vault.model.action import Action
from vault.model.environment import (
    GLOBALS,
    EnvironmentKind,
    EnvironmentRef,
    Live,
    Sealing,
    Values,
    canonical,
    looks_like_id,
    resolve_live,
)
from vault.model.event import OK, UNCHANGED
from vault.model.grant import Permission
from vault.model.policy import allows, require
from vault.model.principal import Principal
from vault.services.audit import ReadLog
from vault.services.environments.permissions import target_of
from vault.services.environments.sealing import Sealer
from vault.services.own.instance import Instance
from vault.storage import EnvironmentRow, HotReads, Layer, Layers, RevisionRow

_COMPACT = json.JSONEncoder(separators=(",", ":")).encode

LAYER_LEFT_OUT = "An environment beneath this one is left out, because this credential may not read it."
GLOBALS_LEFT_OUT = (
    "The globals are left out, because this credential may not read them. "
    "`strongroom token create --globals` makes a token that may."
)
BASE_GONE = "An environment beneath this one is left out: it is deleted."
TOO_LARGE = "The environments beneath this one are larger than 4 MiB together. Remove a base, or large values from one."
LAYER_EMPTY = (
    "An environment beneath this one, or the globals, is left out, because its current revision is deleted or sealed "
    "by a device."
)


@dataclass(frozen=True, slots=True)
class Question:
    """How to read an environment's values. `names` limits them; None means all."""

    globals: bool = True
    resolve: bool = True
    names: tuple[str, ...] | None = None
    format: str = ""


@dataclass(frozen=True, slots=True)
class ReadValues:
    """The values, the number of the environment's own revision, and the ETag of the whole answer.

    `resolved` is None if the caller already has this answer.
    """

    resolved: Values | None
    revision: int | None
    etag: str


class ValuesReader:
    """Reads values for services."""

    def __init__(self, hot: HotReads, instance: Instance, sealer: Sealer, reads: ReadLog) -> None:
        self._hot = hot
        self._reads = reads
        self._instance = instance
        self._sealer = sealer

    def read(
        self, principal: Principal, reference: EnvironmentRef, question: Question, known_etags: Sequence[str] = ()
    ) -> ReadValues:
        """Return the values of one environment, or of the globals alone.

        Raises `NotGranted`, `NotFound`, `RevisionDeleted`, `ClientSealed`, `ResolutionTooLarge`.
        """
        found = self.layers(principal, reference)
        own = found.own
        require(principal, Permission.READ, target_of(own.environment if own else None, reference))
        if own is None:
            raise NotFound()
        # Check this before the ETag: a revision whose deletion time has come must not be answered with a 304.
        current = current_of(own)
        if current is not None and self._sealer.is_gone(current):
            raise RevisionDeleted()
        layers, warnings = (
            ([own], ()) if reference is GLOBALS else self.usable(principal, found, globals=question.globals)
        )
        etag = self._etag(layers, question, warnings)
        number = current.number if current is not None else None
        if etag in known_etags:
            self.record(principal, Action.VALUES_READ, layers, UNCHANGED, question.names or ())
            return ReadValues(None, number, etag)
        opened = [self._sealer.open_live(layer) for layer in layers]
        resolved = resolve_live(opened, expand=question.resolve)
        if resolved.warned and len(layers) > 1 and layers[0].environment.kind == EnvironmentKind.GLOBALS:
            resolved = replace(resolved, beneath=_only_about_globals(resolved, opened[1:]))
        self.record(principal, Action.VALUES_READ, layers, OK, question.names or ())
        return ReadValues(_chosen(resolved, question.names, warnings), number, etag)

    def layers(self, principal: Principal, reference: EnvironmentRef) -> Layers:
        """Return the environment, its bases and the globals beneath it; or the globals, with nothing beneath."""
        wanted = canonical(reference or "")
        by_id = looks_like_id(wanted)
        found = self._hot.layers(principal.user_id, wanted, principal.newest_change, by_id=by_id)
        return Layers(found.globals, {}, None) if reference is GLOBALS else found

    def usable(
        self, principal: Principal, found: Layers, *, globals: bool = True
    ) -> tuple[list[Layer], tuple[str, ...]]:
        """Return the layers that may be read and can be read, lowest first, with the environment's own as the last, and
        warnings.

        Each layer that is left out gives a warning, which names nothing.
        """
        assert found.own is not None
        beneath: list[Layer] = []
        warnings: list[str] = []
        if globals:
            if found.globals is None:
                # Every person has globals, so somebody has deleted this row.
                raise IntegrityError()
            beneath.append(found.globals)
        if found.own.environment.base_ids:
            bases = self._with_blobs(principal, _in_order(found.own, found.bases))
            if None in bases:
                warnings.append(BASE_GONE)
            beneath += filter(None, bases)
        layers: list[Layer] = []
        for layer in beneath:
            cause = self._cause_against(principal, layer)
            if cause is None:
                layers.append(layer)
            elif cause not in warnings:
                warnings.append(cause)
        return [*layers, found.own], tuple(warnings)

    def _with_blobs(self, principal: Principal, bases: Sequence[Layer | None]) -> Sequence[Layer | None]:
        """Return `bases`, with the blobs that the statement left out because all bases are too large together.

        Only the bases that are used count for this caller, so what the others contain changes nothing for it. Raises
        `ResolutionTooLarge`.
        """
        used = [each for each in bases if each is not None and self._cause_against(principal, each) is None]
        _check_size(used)
        missing = {each.environment.id for each in used if each.revision is not None and each.blob is None}
        if not missing:
            return bases
        again = self._hot.some(principal.user_id, missing)
        read = [
            again.get(each.environment.id) if each is not None and each.environment.id in missing else each
            for each in bases
        ]
        # Somebody may have written to a base since the first statement.
        _check_size([each for each in read if each is not None and each.environment.id in missing])
        return read

    def _cause_against(self, principal: Principal, layer: Layer) -> str | None:
        """Return the warning if a layer must be left out."""
        if not allows(principal, Permission.READ, target_of(layer.environment)):
            return GLOBALS_LEFT_OUT if layer.environment.kind == EnvironmentKind.GLOBALS else LAYER_LEFT_OUT
        current = current_of(layer)
        if current is None or (layer.environment.sealing == Sealing.SERVER and not self._sealer.is_gone(current)):
            return None
        return LAYER_EMPTY

    def record(
        self, principal: Principal, action: Action, layers: Sequence[Layer], result: str, names: Sequence[str] = ()
    ) -> None:
        """Record a read in the audit. The environment's own layer is the last one."""
        (environment, number), *beneath = [
            (layer.environment.id, layer.revision.number if layer.revision else None) for layer in reversed(layers)
        ]
        self._reads.read(principal, action, environment, number, result=result, names=names, layers=beneath)

    def _etag(self, layers: Sequence[Layer], question: Question, warnings: Sequence[str]) -> str:
        """Return a keyed digest of everything that the answer depends on. It reveals nothing about the plaintext."""
        parts = [_identity(layer.environment) for layer in layers]
        asked = [question.resolve, question.names, question.format, *warnings]
        text = _COMPACT([parts, asked])
        return self._instance.digest("values etag", text)[:16].hex()


def _only_about_globals(resolved: Values, above: Iterable[Iterable[Live]]) -> tuple[str, ...]:
    """Return the warnings about variables that no layer above the globals has. A variable above that uses such a global
    has a warning of its own.
    """
    names = {name for layer in above for name, _value, _is_literal in layer}
    told = zip(resolved.warned, resolved.warnings, strict=True)
    return tuple(warning for name, warning in told if name not in names)


def _identity(environment: EnvironmentRow) -> list[str | int | None]:
    return [environment.id, environment.current_revision_id, environment.state_generation]


def current_of(layer: Layer) -> RevisionRow | None:
    """Return the current revision, or None before the first write. Raises `IntegrityError` if its row was deleted."""
    if (layer.revision is None) != (layer.environment.current_revision_id is None):
        raise IntegrityError()
    return layer.revision


def _in_order(own: Layer, bases: Mapping[str, Layer]) -> list[Layer | None]:
    """Return all layers beneath an environment, lowest first. None stands for a deleted one."""
    named = {layer.environment.id: model.split(layer.environment.base_ids) for layer in (own, *bases.values())}
    try:
        ids = model.beneath(own.environment.id, named)
    except InvalidInput as error:
        # No caller can set such bases, so an old row was put back.
        raise IntegrityError() from error
    if len(bases) > model.BENEATH_MOST:
        # The statement reads one environment above the limit. The ones that it left out may be the link to `own`.
        raise IntegrityError()
    return [bases.get(each) for each in ids]


def _check_size(bases: Sequence[Layer]) -> None:
    """Refuse bases that are too large together, before any of them is opened."""
    revisions = [layer.revision for layer in bases if layer.revision is not None]
    if sum(revision.size for revision in revisions) > model.BENEATH_MAX_BYTES:
        raise ResolutionTooLarge(TOO_LARGE)


def _chosen(resolved: Values, names: tuple[str, ...] | None, warnings: Sequence[str]) -> Values:
    if names is None:
        warned = ("",) * len(warnings) + resolved.warned
        beneath = resolved.beneath if resolved.warnings else _unused(warnings)
        return replace(resolved, warnings=(*warnings, *resolved.warnings), warned=warned, beneath=beneath)
    missing = [f"There is no variable {name} in this environment." for name in names if name not in resolved.values]
    chosen = {name: resolved.values[name] for name in names if name in resolved.values}
    told = (*resolved.about(chosen), *missing)
    return Values(chosen, (*warnings, *told), beneath=() if told else _unused(warnings))


def _unused(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return the warning that the globals are left out, for an answer in which no reference needs them."""
    return tuple(warning for warning in warnings if warning == GLOBALS_LEFT_OUT)

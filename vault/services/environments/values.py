"""What a service uses: an environment over its globals, flat, resolved. The hot path: one statement, then the keys.

layers (one statement) → permission → availability → ETag → open → resolve
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vault.crypto import keyed_digest
from vault.errors import IntegrityError, NotFound, RevisionDeleted
from vault.model.action import Action
from vault.model.environment import Sealing, Values, canonical, looks_like_id, resolve_live
from vault.model.event import OK, UNCHANGED
from vault.model.grant import GLOBALS_TARGET, Permission
from vault.model.policy import allows, require
from vault.model.principal import Principal
from vault.services.audit import ReadLog
from vault.services.environments.environments import target_of
from vault.services.environments.sealing import Sealer
from vault.services.own.instance import Instance
from vault.storage import EnvironmentRow, HotReads, Layer, RevisionRow

_COMPACT = json.JSONEncoder(separators=(",", ":")).encode

LAYER_LEFT_OUT = "A layer beneath this environment is left out: it may not be read with this credential."
LAYER_EMPTY = "A layer beneath this environment is empty: its current revision is deleted or sealed by a device."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an environment's values. `names` are those wanted, or None for all."""

    globals: bool = True
    resolve: bool = True
    names: tuple[str, ...] | None = None
    format: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The values, the number of the environment's own revision, and the ETag of the whole answer.

    `values` is None where the caller has this very answer already.
    """

    values: Values | None
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
        self, principal: Principal, reference: str | None, question: Question, known_etags: Sequence[str] = ()
    ) -> Answer:
        """The values of one environment, or of the globals alone.

        Raises `NotGranted`, `NotFound`, `RevisionDeleted`, `ClientSealed`, `ResolutionTooLarge`.
        """
        own, beneath = self.layers(principal, reference)
        require(principal, Permission.READ, target_of(own.environment if own else None, reference))
        if own is None:
            raise NotFound()
        # Availability comes before the ETag: a deletion whose time has come must not hide behind a 304.
        current = current_of(own)
        if current is not None and self._sealer.is_gone(current):
            raise RevisionDeleted()
        warnings: list[str] = []
        layers = [own]
        if question.globals and reference is not None:
            layers = [*self.usable(principal, beneath, warnings), own]
        etag = self._etag(layers, question, warnings)
        number = current.number if current is not None else None
        if etag in known_etags:
            self.record(principal, Action.VALUES_READ, layers, UNCHANGED, question.names or ())
            return Answer(None, number, etag)
        resolved = resolve_live(map(self._sealer.open_live, layers), expand=question.resolve)
        self.record(principal, Action.VALUES_READ, layers, OK, question.names or ())
        return Answer(_chosen(resolved, question.names, warnings), number, etag)

    def layers(self, principal: Principal, reference: str | None) -> tuple[Layer | None, Layer | None]:
        """The environment itself and the globals beneath it."""
        wanted = canonical(reference or "")
        named, beneath = self._hot.layers(principal.user_id, wanted, by_id=looks_like_id(wanted))
        return (beneath, None) if reference is None else (named, beneath)

    def usable(self, principal: Principal, layer: Layer | None, warnings: list[str]) -> list[Layer]:
        """The layer, if it may be read and can be; otherwise nothing, and a warning that names nothing."""
        if layer is None:
            # Everybody has globals: whoever took them out must not pass for somebody who has none.
            raise IntegrityError()
        if not allows(principal, Permission.READ, GLOBALS_TARGET):
            warnings.append(LAYER_LEFT_OUT)
            return []
        sealed = layer.environment.sealing != Sealing.SERVER
        current = current_of(layer)
        if current is not None and (sealed or self._sealer.is_gone(current)):
            warnings.append(LAYER_EMPTY)
            return []
        return [layer]

    def record(
        self, principal: Principal, action: Action, layers: Sequence[Layer], result: str, names: Sequence[str] = ()
    ) -> None:
        """Tell the audit that an answer is made of these layers, the environment's own last."""
        (environment, number), *beneath = [
            (layer.environment.id, layer.revision.number if layer.revision else None) for layer in reversed(layers)
        ]
        self._reads.read(principal, action, environment, number, result=result, names=names, layers=beneath)

    def _etag(self, layers: Sequence[Layer], question: Question, warnings: Sequence[str]) -> str:
        """A keyed digest of all that the answer depends on; it tells nothing of the plaintext."""
        parts = [_identity(layer.environment) for layer in layers]
        asked = [question.resolve, question.names, question.format, *warnings]
        text = _COMPACT([parts, asked])
        return keyed_digest(self._instance.secret("digest"), "values etag", text)[:16].hex()


def _identity(environment: EnvironmentRow) -> list[str | int | None]:
    return [environment.id, environment.current_revision_id, environment.state_generation]


def current_of(layer: Layer) -> RevisionRow | None:
    """Its current revision; None before the first write. Raises `IntegrityError` where somebody took it out."""
    if (layer.revision is None) != (layer.environment.current_revision_id is None):
        raise IntegrityError()
    return layer.revision


def _chosen(resolved: Values, names: tuple[str, ...] | None, warnings: list[str]) -> Values:
    if names is None:
        warned = ("",) * len(warnings) + resolved.warned
        return Values(resolved.values, (*warnings, *resolved.warnings), warned, resolved.referring)
    missing = [f"There is no variable {name} here." for name in names if name not in resolved.values]
    chosen = {name: resolved.values[name] for name in names if name in resolved.values}
    return Values(chosen, (*warnings, *resolved.about(chosen), *missing))

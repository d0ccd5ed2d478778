"""What a service uses: an environment over its globals, flat, resolved. The hot path: one statement, then the keys.

layers (one statement) → permission → availability → ETag → open → resolve
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vault.crypto import keyed_digest
from vault.errors import NotFound, RevisionDeleted
from vault.model.environment import EnvironmentKind, Sealing, Values, Variable, looks_like_id, resolve
from vault.model.grant import GLOBALS_TARGET, Permission
from vault.model.policy import allows, require
from vault.model.principal import Principal
from vault.services.environments import target_of
from vault.services.instance import Instance
from vault.services.sealing import Sealer, is_gone
from vault.storage import Facts, HotReads, Layer

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

    def __init__(self, hot: HotReads, instance: Instance, sealer: Sealer) -> None:
        self._hot = hot
        self._instance = instance
        self._sealer = sealer

    def read(
        self, principal: Principal, reference: str | None, question: Question, known_etags: Sequence[str] = ()
    ) -> Answer:
        """The values of one environment, or of the globals alone.

        Raises `NotGranted`, `NotFound`, `RevisionDeleted`, `ClientSealed`, `ResolutionTooLarge`.
        """
        own, beneath = self._layers(principal, reference)
        require(principal, Permission.READ, target_of(own.environment if own else None, reference))
        if own is None:
            raise NotFound()
        # Availability comes before the ETag: a deletion whose time has come must not hide behind a 304.
        if own.revision is not None and is_gone(own.revision):
            raise RevisionDeleted()
        warnings: list[str] = []
        layers = [own]
        if question.globals and beneath is not None:
            layers = [*_usable(principal, beneath, warnings), own]
        etag = self._etag(layers, question, warnings)
        number = own.revision.number if own.revision is not None else None
        if etag in known_etags:
            return Answer(None, number, etag)
        opened = [self._open(layer) for layer in layers]
        resolved = resolve(opened, expand=question.resolve)
        return Answer(_chosen(resolved, question.names, warnings), number, etag)

    def _layers(self, principal: Principal, reference: str | None) -> tuple[Layer | None, Layer | None]:
        """The environment itself and the globals beneath it."""
        by_id = reference is not None and looks_like_id(reference)
        wanted = (reference or "").lower() if by_id else reference or ""
        found = self._hot.layers(principal.user_id, wanted, by_id=by_id)
        below = next((layer for layer in found if layer.environment.kind == EnvironmentKind.GLOBALS), None)
        if reference is None:
            return below, None
        return next((layer for layer in found if layer.environment.kind != EnvironmentKind.GLOBALS), None), below

    def _open(self, layer: Layer) -> tuple[Variable, ...]:
        if layer.revision is None:
            return ()
        return self._sealer.open_revision(layer.environment, layer.revision, layer.blob, layer.data_key, layer.user_key)

    def _etag(self, layers: Sequence[Layer], question: Question, warnings: Sequence[str]) -> str:
        """A keyed digest of all that the answer depends on; it tells nothing of the plaintext."""
        parts = [_identity(layer.environment) for layer in layers]
        asked = [question.resolve, question.names, question.format, *warnings]
        text = json.dumps([parts, asked], separators=(",", ":"))
        return keyed_digest(self._instance.secret("digest"), "values etag", text)[:16].hex()


def _identity(environment: Facts) -> list[str | int | None]:
    return [environment.id, environment.current_revision_id, environment.state_generation]


def _usable(principal: Principal, layer: Layer, warnings: list[str]) -> list[Layer]:
    """The layer, if it may be read and can be; otherwise nothing, and a warning that names nothing."""
    if not allows(principal, Permission.READ, GLOBALS_TARGET):
        warnings.append(LAYER_LEFT_OUT)
        return []
    sealed = layer.environment.sealing != Sealing.SERVER
    if layer.revision is not None and (sealed or is_gone(layer.revision)):
        warnings.append(LAYER_EMPTY)
        return []
    return [layer]


def _chosen(resolved: Values, names: tuple[str, ...] | None, warnings: list[str]) -> Values:
    if names is None:
        return Values(resolved.values, (*warnings, *resolved.warnings))
    missing = [f"There is no variable {name} here." for name in names if name not in resolved.values]
    chosen = {name: resolved.values[name] for name in names if name in resolved.values}
    about = tuple(text for text in resolved.warnings if any(text.startswith(f"In {name}:") for name in chosen))
    return Values(chosen, (*warnings, *about, *missing))

"""Seals and opens variables with the keys of their environment.

A revision's plaintext is `{"v":1,"variables":[{name, value, type, enabled, literal, description}, …]}`, in order,
padded, never compressed. In version 2 a variable may have more members. A release keeps the ones that it does not know,
and writes version 2 only if there are any. All plaintext is read through `open` or `open_live`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypedDict, cast

from vault.crypto import Key, SealedBlob, context, key_id_of, new_key, open_blob, seal
from vault.errors import BlobError, ClientSealed, IntegrityError, InvalidInput, NewerFormat, RevisionDeleted, TooLarge
from vault.model import strict_json
from vault.model.clock import Clock
from vault.model.environment import (
    ENVIRONMENT_MAX_BYTES,
    VARIABLES_MOST,
    Live,
    Sealing,
    Variable,
    VariableType,
    is_readable,
)
from vault.model.strict_json import WrittenJson
from vault.services.environments.documents import Document, read_document
from vault.services.own.instance import Instance
from vault.storage import DataKey, EnvironmentRow, Layer, RevisionRow, StoredRevision, UnitOfWork, UserKey

_PLAIN, _WITH_OTHERS = 1, 2
"""The versions of a revision's plaintext: only the members in `_MEMBERS`, or more members."""
_TYPES = {str(kind): kind for kind in VariableType}


class _Record(TypedDict):
    """One variable in a plaintext. A newer release may write more members."""

    name: str
    value: WrittenJson
    type: str
    enabled: bool
    literal: bool
    description: str


_MEMBERS = frozenset(_Record.__annotations__)


class _Document(TypedDict):
    v: int
    variables: list[_Record]


class Sealer:
    """Seals and opens revisions and metadata with the keys of their environment."""

    def __init__(self, instance: Instance, clock: Clock) -> None:
        self._instance = instance
        self._clock = clock

    def is_gone(self, revision: RevisionRow) -> bool:
        """Report whether a revision's values may not be read: it is destroyed, or its deletion time has passed."""
        return not is_readable(revision.destroyed, revision.deletion_us, self._clock())

    def add_data_key(self, unit: UnitOfWork, owner_id: str, environment_id: str) -> None:
        """Make and store the first data key of a new environment."""
        user_key = unit.user_keys.active(owner_id)
        data_key = new_key()
        wrapped = self._instance.keyring.wrap_data_key(
            self._instance.user_key(owner_id, user_key), owner_id, environment_id, data_key
        )
        unit.data_keys.add(
            id=data_key.id,
            environment_id=environment_id,
            owner_id=owner_id,
            user_key_id=user_key.id,
            state="active",
            blob=wrapped,
            generation=1,
            created_us=self._clock(),
        )

    def seal_revision(
        self,
        unit: UnitOfWork,
        environment: EnvironmentRow,
        revision_id: str,
        number: int,
        variables: Sequence[Variable],
    ) -> SealedBlob:
        """Seal all variables as one revision under the active data key. Raises `TooLarge` above 1 MiB."""
        if environment.sealing != Sealing.SERVER:
            raise ClientSealed()
        place = context.revision(self._instance.id, environment.id, revision_id, number)
        return seal(self._active_key(unit, environment), place, encode(variables), padded=True)

    def open(self, layer: Layer) -> tuple[Variable, ...]:
        """Return the variables of a layer, or none before the first write.

        Raises `ClientSealed`, `RevisionDeleted`, or `BlobError` if the rows do not belong together.
        """
        return () if layer.revision is None else decode(self._open(layer, layer.revision))

    def open_live(self, layer: Layer) -> list[Live]:
        """Return the enabled variables in the form that `resolve_live` needs. This is faster than `open`."""
        return [] if layer.revision is None else decode_live(self._open(layer, layer.revision))

    def _open(self, layer: Layer, revision: RevisionRow) -> bytes:
        if layer.environment.sealing != Sealing.SERVER:
            raise ClientSealed()
        if self.is_gone(revision):
            raise RevisionDeleted()
        return self._opened(layer, revision)

    def _opened(self, layer: Layer, revision: RevisionRow) -> bytes:
        environment = layer.environment
        if layer.blob is None or layer.data_key is None or layer.user_key is None:
            raise BlobError()
        place = context.revision(self._instance.id, environment.id, revision.id, revision.number)
        key = self._data_key(environment, layer.data_key, layer.user_key)
        return open_blob(key, place, layer.blob)

    def open_stored(
        self, unit: UnitOfWork, environment: EnvironmentRow, revision: StoredRevision
    ) -> tuple[Variable, ...]:
        """Open a revision whose rows were read one by one."""
        return self.open(_stored_layer(unit, environment, revision))

    def require_opens(self, unit: UnitOfWork, environment: EnvironmentRow, revision: StoredRevision) -> None:
        """Open a revision, even a deleted one, and drop its values. Raises the errors of `open_stored`."""
        self.require_layer_opens(_stored_layer(unit, environment, revision), revision)

    def require_layer_opens(self, layer: Layer, revision: RevisionRow) -> None:
        """Do the same for a revision whose keys were read before."""
        decode(self._opened(layer, revision))

    def seal_metadata(
        self, unit: UnitOfWork, environment: EnvironmentRow, generation: int, metadata: Document
    ) -> SealedBlob:
        """Seal the metadata of an environment: its description and custom metadata."""
        place = context.metadata(self._instance.id, environment.id, generation)
        document = json.dumps(metadata, ensure_ascii=False).encode()
        return seal(self._active_key(unit, environment), place, document, padded=True)

    def open_metadata(self, unit: UnitOfWork, environment: EnvironmentRow) -> Document:
        """Return what `seal_metadata` has sealed, or an empty object."""
        if environment.metadata_blob is None:
            return {}
        data_key, user_key = _keys_of(unit, key_id_of(environment.metadata_blob))
        if user_key is None:
            # A rotation may have sealed it under another key between two statements, so read it again.
            environment = unit.environments.by_id(environment.owner_id, environment.id) or environment
            data_key, user_key = _keys_of(unit, key_id_of(environment.metadata_blob or b""))
        if data_key is None or user_key is None or environment.metadata_blob is None:
            raise BlobError()
        place = context.metadata(self._instance.id, environment.id, environment.metadata_generation)
        key = self._data_key(environment, data_key, user_key)
        return read_document(open_blob(key, place, environment.metadata_blob))

    def open_metadata_of(self, unit: UnitOfWork, environments: Sequence[EnvironmentRow]) -> list[Document]:
        """Return the metadata of many environments, with as many statements as for one."""
        key_ids = {row.id: key_id_of(row.metadata_blob) for row in environments if row.metadata_blob is not None}
        data_keys = unit.data_keys.named(key_ids.values())
        user_keys = unit.user_keys.named(key.user_key_id for key in data_keys.values())
        opened = []
        for row in environments:
            data_key = data_keys.get(key_ids.get(row.id, ""))
            user_key = user_keys.get(data_key.user_key_id) if data_key is not None else None
            # If a rotation replaced a key in between, read this environment by itself.
            metadata = self.metadata_under(row, data_key, user_key)
            opened.append(self.open_metadata(unit, row) if metadata is None else metadata)
        return opened

    def metadata_under(
        self, environment: EnvironmentRow, data_key: DataKey | None, user_key: UserKey | None
    ) -> Document | None:
        """Return the metadata with keys that were read before, or None if it is sealed under another key."""
        if environment.metadata_blob is None:
            return {}
        blob = environment.metadata_blob
        if data_key is None or user_key is None or key_id_of(blob) != data_key.id:
            return None
        place = context.metadata(self._instance.id, environment.id, environment.metadata_generation)
        key = self._data_key(environment, data_key, user_key)
        return read_document(open_blob(key, place, blob))

    def _active_key(self, unit: UnitOfWork, environment: EnvironmentRow) -> Key:
        data_key = unit.data_keys.active(environment.id)
        if data_key is None:
            raise IntegrityError()
        user_key = unit.user_keys.by_id(data_key.user_key_id)
        if user_key is None:
            raise BlobError()
        return self._data_key(environment, data_key, user_key)

    def _data_key(self, environment: EnvironmentRow, data_key: DataKey, user_key: UserKey) -> Key:
        # Use the owner and environment that were asked for, never those in the key's row.
        return self._instance.data_key(environment.owner_id, environment.id, data_key, user_key)


def _keys_of(unit: UnitOfWork, data_key_id: str | None) -> tuple[DataKey | None, UserKey | None]:
    data_key = unit.data_keys.by_id(data_key_id) if data_key_id else None
    return data_key, unit.user_keys.by_id(data_key.user_key_id) if data_key else None


def _stored_layer(unit: UnitOfWork, environment: EnvironmentRow, revision: StoredRevision) -> Layer:
    data_key, user_key = _keys_of(unit, revision.data_key_id)
    if user_key is None:
        # A rotation may have sealed it under another key between two statements, so read it again.
        revision = unit.revisions.by_id(revision.id) or revision
        data_key, user_key = _keys_of(unit, revision.data_key_id)
    return Layer(environment, revision, data_key, user_key, revision.blob)


def encode(variables: Sequence[Variable]) -> bytes:
    """Return a revision's plaintext, in the oldest version that can carry it.

    Raises `InvalidInput` for a repeated name, and `TooLarge` above 1 MiB.
    """
    if len(variables) > VARIABLES_MOST:
        raise TooLarge(f"An environment can have at most {VARIABLES_MOST} variables.", path="variables")
    seen: set[str] = set()
    for position, variable in enumerate(variables):
        if variable.name in seen:
            raise InvalidInput("This name is used twice.", path=f"variables.{position}.name")
        seen.add(variable.name)
    records: list[dict[str, WrittenJson]] = [
        {
            "name": variable.name,
            "value": variable.value,
            "type": str(variable.type),
            "enabled": variable.enabled,
            "literal": variable.literal,
            "description": variable.description,
            **dict(variable.others),
        }
        for variable in variables
    ]
    version = _WITH_OTHERS if any(variable.others for variable in variables) else _PLAIN
    document: dict[str, WrittenJson] = {"v": version, "variables": records}
    plaintext = strict_json.dumps(document).encode()
    if len(plaintext) > ENVIRONMENT_MAX_BYTES:
        raise TooLarge("An environment can have at most 1 MiB.", path="variables")
    return plaintext


def decode(plaintext: bytes) -> tuple[Variable, ...]:
    """Parse what `encode` returns. Raises `NewerFormat` for a version that this release does not know."""
    return tuple(
        Variable(
            record["name"],
            record["value"],
            _TYPES[record["type"]],
            record["enabled"],
            record["literal"],
            record["description"],
            _others(record),
        )
        for record in _records(plaintext)
    )


def decode_live(plaintext: bytes) -> list[Live]:
    """Return what `resolve_live` needs of the enabled variables in a plaintext. Raises what `decode` raises."""
    return [(record["name"], record["value"], record["literal"]) for record in _records(plaintext) if record["enabled"]]


def _records(plaintext: bytes) -> list[_Record]:
    document = cast(_Document, strict_json.loads(plaintext.decode()))
    if document["v"] not in (_PLAIN, _WITH_OTHERS):
        raise NewerFormat()
    return document["variables"]


def _others(record: _Record) -> tuple[tuple[str, WrittenJson], ...]:
    # Every record has all of `_MEMBERS`, so its length shows whether there are others.
    if len(record) == len(_MEMBERS):
        return ()
    others = ((name, cast(WrittenJson, value)) for name, value in record.items() if name not in _MEMBERS)
    return tuple(others)

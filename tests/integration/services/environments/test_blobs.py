"""Sealed blobs that were changed or moved: nothing opens, nothing is told, and nothing else is affected."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.vaults import (
    PASSWORD,
    add_environment,
    add_person,
    make_settings,
    make_vault,
    opened_again,
    patch,
    run_sql,
    values,
    write,
)
from vault.app import open_vault, prepare_vault
from vault.errors import BlobError, KeyringError, MacError, NotFound
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.doctor import Sweep
from vault.storage import DataKey, EnvironmentRow, Layer, StoredRevision, UnitOfWork, UserKey

POSITIONS = (0, 3, 4, 5, 6, 7, 8, 23, 24, -1)
"""Magic, format, suite, type, both bytes of flags, the key id's first and last, and the body's."""


Stored = tuple[EnvironmentRow, StoredRevision, DataKey, UserKey]


def current(unit: UnitOfWork, who: Principal, name: str) -> Stored:
    """An environment, its current revision, and the keys that open it."""
    environment = unit.environments.by_name(who.user_id, name)
    assert environment is not None
    assert environment.current_revision_id is not None
    revision = unit.revisions.by_id(environment.current_revision_id)
    assert revision is not None
    assert revision.data_key_id is not None
    data_key = unit.data_keys.by_id(revision.data_key_id)
    assert data_key is not None
    user_key = unit.user_keys.by_id(data_key.user_key_id)
    assert user_key is not None
    return environment, revision, data_key, user_key


def stored_blob(vault: Services, who: Principal, name: str) -> bytes:
    with vault.storage.read() as unit:
        return current(unit, who, name)[1].blob or b""


def write_blob(vault: Services, who: Principal, name: str, blob: bytes) -> None:
    """As a database writer does: the blob is not under the row's MAC."""
    with vault.storage.read() as unit:
        revision = current(unit, who, name)[1]
    run_sql(vault, "UPDATE revisions SET blob = :blob WHERE id = :id", blob=blob, id=revision.id)


def flipped(blob: bytes, position: int) -> bytes:
    return blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]


def unreadable(vault: Services, who: Principal, name: str) -> None:
    """Neither door opens it, with what is cached here nor in a worker that has cached nothing."""
    with opened_again(vault, vault.clock) as other:
        for each in (vault, other):
            for read in (partial(values, each), each.environments.variables.read):
                with pytest.raises(BlobError) as caught:
                    read(who, name)
                assert str(caught.value) == BlobError.sentence


@pytest.fixture
def stocked(vault: Services, ada: Principal, bob: Principal) -> Services:
    """Each has `prod` and `dev`; all was read before, so that keys and MACs are cached."""
    for who in (ada, bob):
        for name in ("prod", "dev"):
            add_environment(vault, who, name, WHOSE=f"{who.username} {name}")
            patch(vault, who, name, SECOND="2")
            values(vault, who, name)
    return vault


def healthy(vault: Services, *but: tuple[Principal, str], of: tuple[Principal, ...]) -> None:
    for who in of:
        for name in ("prod", "dev"):
            if (who, name) not in but:
                assert values(vault, who, name)["WHOSE"] == f"{who.username} {name}"


def test_no_byte_of_a_revision_can_be_flipped(stocked: Services, ada: Principal) -> None:
    with stocked.storage.read() as unit:
        environment, revision, data_key, user_key = current(unit, ada, "prod")
    sealer, blob = stocked.environments.values._sealer, revision.blob
    assert blob is not None
    assert sealer.open(Layer(environment, revision, data_key, user_key, blob))[0].name == "WHOSE"
    for position in range(len(blob)):
        with pytest.raises(BlobError):
            sealer.open(Layer(environment, revision, data_key, user_key, flipped(blob, position)))
    for length in range(0, len(blob), 5):
        with pytest.raises(BlobError):
            sealer.open(Layer(environment, revision, data_key, user_key, blob[:length]))
    with pytest.raises(BlobError):
        sealer.open(Layer(environment, revision, data_key, user_key, blob + b"\0"))


def test_a_changed_blob_in_the_database_is_refused_and_the_rest_goes_on(
    stocked: Services, ada: Principal, bob: Principal
) -> None:
    whole = stored_blob(stocked, ada, "prod")
    for position in POSITIONS:
        write_blob(stocked, ada, "prod", flipped(whole, position % len(whole)))
        for read in (lambda: values(stocked, ada, "prod"), lambda: stocked.environments.variables.read(ada, "prod")):
            with pytest.raises(BlobError):
                read()
        with pytest.raises(BlobError):
            patch(stocked, ada, "prod", A="1")
    unreadable(stocked, ada, "prod")
    healthy(stocked, (ada, "prod"), of=(ada, bob))
    assert stocked.environments.history.get(ada, "prod", 1).number == 1
    write_blob(stocked, ada, "prod", whole)
    healthy(stocked, of=(ada, bob))


def test_a_blob_moved_to_another_environment_or_user_does_not_open(
    stocked: Services, ada: Principal, bob: Principal
) -> None:
    for who, name in ((ada, "dev"), (bob, "prod")):
        write_blob(stocked, ada, "prod", stored_blob(stocked, who, name))
        unreadable(stocked, ada, "prod")
    healthy(stocked, (ada, "prod"), of=(ada, bob))


def test_an_older_blob_of_the_same_environment_does_not_open_in_a_newer_row(stocked: Services, ada: Principal) -> None:
    with stocked.storage.read() as unit:
        environment = current(unit, ada, "prod")[0]
        first = unit.revisions.by_number(environment.id, 1)
    assert first is not None
    write_blob(stocked, ada, "prod", first.blob or b"")
    unreadable(stocked, ada, "prod")


def test_a_revision_without_its_blob_does_not_open(stocked: Services, ada: Principal) -> None:
    with stocked.storage.read() as unit:
        revision = current(unit, ada, "prod")[1]
    run_sql(stocked, "UPDATE revisions SET blob = NULL WHERE id = :id", id=revision.id)
    unreadable(stocked, ada, "prod")


def test_the_key_id_of_another_key_that_exists_is_not_tried(stocked: Services, ada: Principal) -> None:
    blob = stored_blob(stocked, ada, "prod")
    with stocked.storage.read() as unit:
        others = [current(unit, ada, "dev")[2].id, current(unit, ada, "prod")[3].id]
    for other in others:
        write_blob(stocked, ada, "prod", blob[:8] + uuid.UUID(other).bytes + blob[24:])
        unreadable(stocked, ada, "prod")


MOVES: dict[str, str] = {
    "a row's blob": "UPDATE data_keys SET blob = (SELECT blob FROM data_keys WHERE id = :other) WHERE id = :mine",
    "its environment": "UPDATE data_keys SET environment_id = :their_environment WHERE id = :mine",
    "its owner": "UPDATE data_keys SET owner_id = :them WHERE id = :mine",
    "its user key": "UPDATE data_keys SET user_key_id = :their_user_key WHERE id = :mine",
    "a revision's key": "UPDATE revisions SET data_key_id = :other WHERE id = :revision",
    "a revision's number": "UPDATE revisions SET number = 99 WHERE id = :revision",
    "an environment's owner": "UPDATE environments SET owner_id = :them, name = 'stolen' WHERE id = :environment",
    "a current revision": "UPDATE environments SET current_revision_id = :their_revision WHERE id = :environment",
    "a user key's owner": "UPDATE user_keys SET state = 'retired', owner_id = :them WHERE id = :user_key",
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_keys_and_rows_moved_by_sql_open_nothing(stocked: Services, ada: Principal, bob: Principal, move: str) -> None:
    with stocked.storage.read() as unit:
        environment, revision, data_key, user_key = current(unit, ada, "prod")
        their_environment, their_revision, their_key, their_user_key = current(unit, bob, "dev")
    known = {
        "mine": data_key.id,
        "other": their_key.id,
        "them": bob.user_id,
        "environment": environment.id,
        "their_environment": their_environment.id,
        "revision": revision.id,
        "their_revision": their_revision.id,
        "user_key": user_key.id,
        "their_user_key": their_user_key.id,
    }
    run_sql(stocked, move, **{name: value for name, value in known.items() if f":{name}" in move.replace(",", " ")})
    with opened_again(stocked) as cold:
        for each in (stocked, cold):
            told = set()
            for who, name in ((ada, "prod"), (bob, "stolen")):
                with pytest.raises((MacError, NotFound)) as caught:
                    values(each, who, name)
                told.add(type(caught.value))
            assert MacError in told
    healthy(stocked, (bob, "dev"), of=(bob,))


Forge = Callable[[UnitOfWork, Stored, Stored], object]

FORGERIES: dict[str, Forge] = {
    "a data key of another's": lambda unit, mine, theirs: unit.data_keys.change(mine[2], blob=theirs[2].blob),
    "a data key under another's user key": lambda unit, mine, theirs: unit.data_keys.change(
        mine[2], user_key_id=theirs[3].id
    ),
    "a user key of another's": lambda unit, mine, theirs: unit.user_keys.change(mine[3], blob=theirs[3].blob),
    "a revision under another's data key": lambda unit, mine, theirs: unit.revisions.change(
        mine[1], data_key_id=theirs[2].id, blob=theirs[1].blob
    ),
    "a current revision of another's": lambda unit, mine, theirs: unit.environments.change(
        mine[0], current_revision_id=theirs[1].id
    ),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_the_contexts_hold_where_no_mac_would(stocked: Services, ada: Principal, bob: Principal, forge: Forge) -> None:
    """The rows are signed anew, as by somebody who holds the MAC key and no other: still nothing opens."""
    write(stocked, lambda unit: forge(unit, current(unit, ada, "prod"), current(unit, bob, "prod")))
    with opened_again(stocked) as cold:
        for read in (lambda: values(cold, ada, "prod"), lambda: cold.environments.variables.read(ada, "prod")):
            with pytest.raises(BlobError):
                read()
        healthy(cold, of=(bob,))


def test_a_warm_key_cache_does_not_open_a_swapped_row(stocked: Services, ada: Principal, bob: Principal) -> None:
    for who in (ada, bob):
        values(stocked, who, "prod")
    forge = FORGERIES["a data key of another's"]
    write(stocked, lambda unit: forge(unit, current(unit, ada, "prod"), current(unit, bob, "prod")))
    with pytest.raises(BlobError):
        values(stocked, ada, "prod")


def test_a_description_moved_to_another_environment_does_not_open(stocked: Services, ada: Principal) -> None:
    def describe(unit: UnitOfWork) -> None:
        for name in ("prod", "dev"):
            stocked.environments.environments.change(unit, ada, name, {"description": name})

    def move(unit: UnitOfWork) -> None:
        mine, other = current(unit, ada, "prod")[0], current(unit, ada, "dev")[0]
        unit.environments.change(mine, metadata_blob=other.metadata_blob)

    write(stocked, describe)
    write(stocked, move)
    with pytest.raises(BlobError):
        stocked.environments.environments.get(ada, "prod")
    assert stocked.environments.environments.get(ada, "dev").description == "dev"


def test_the_wrong_keyring_is_told_with_what_to_do(tmp_path: Path, database_url: str, fresh_database: Any) -> None:
    vault, other = make_vault(tmp_path, database_url), make_vault(tmp_path, fresh_database("sqlite"))
    add_person(vault)
    for keyring in (other.settings.keyring, tmp_path / "none.json"):
        with pytest.raises(KeyringError, match="STRONGROOM_KEYRING"):
            open_vault(replace(vault.settings, keyring=keyring))
    with pytest.raises(KeyringError):
        open_vault(replace(other.settings, keyring=vault.settings.keyring))
    for each in (vault, other):
        each.storage.close()


@pytest.mark.parametrize("fault", ["readable", "symlink", "folder"])
def test_an_unsafe_keyring_is_refused(tmp_path: Path, fresh_database: Any, fault: str) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"))
    keyring = vault.settings.keyring
    if fault == "readable":
        keyring.chmod(0o644)
    elif fault == "folder":
        keyring.parent.chmod(0o755)
    else:
        keyring.rename(keyring.with_suffix(".real"))
        keyring.symlink_to(keyring.with_suffix(".real"))
    with pytest.raises(KeyringError):
        open_vault(vault.settings)
    vault.storage.close()


def test_a_keyring_is_never_made_over_an_existing_one(tmp_path: Path, fresh_database: Any) -> None:
    vault = make_vault(tmp_path, fresh_database("sqlite"))
    vault.storage.close()
    before = vault.settings.keyring.read_bytes()
    settings = replace(make_settings(tmp_path, fresh_database("sqlite")), keyring=vault.settings.keyring)
    with pytest.raises(KeyringError):
        prepare_vault(settings)
    assert vault.settings.keyring.read_bytes() == before


def test_nothing_opens_for_a_principal_of_another_person(stocked: Services, ada: Principal, bob: Principal) -> None:
    assert values(stocked, ada, "prod")["WHOSE"] == "ada prod"
    assert values(stocked, bob, "prod")["WHOSE"] == "bob prod"
    assert stocked.environments.variables.read(ada, "prod").variables[0] == Variable("WHOSE", "ada prod")
    assert PASSWORD not in repr(stocked.instance)


def test_a_sweep_opens_a_deleted_version_too(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="one")
    patch(vault, ada, "prod", A="two")
    write(vault, lambda unit: vault.vaultkv.versions.delete(unit, ada, "prod", [1, 2]))
    sweep = Sweep(vault.storage, vault.instance)
    assert sweep.blobs().faults == []
    blob = bytearray(stored_blob(vault, ada, "prod"))
    blob[-1] ^= 1
    write_blob(vault, ada, "prod", bytes(blob))
    [fault] = sweep.blobs().faults
    assert fault.startswith("Revision 2 of environment ")

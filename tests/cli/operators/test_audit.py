"""`strongroom audit` and `strongroom doctor --database`, as an operator on the host runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from click.testing import Result

from tests.cli.operators.conftest import Run
from tests.support.vaults import (
    add_environment,
    add_person,
    add_token,
    as_token,
    erase_oneself,
    grant,
    patch,
    run_sql,
    values,
    write,
)
from vault.model.action import Action
from vault.model.principal import Principal
from vault.services import Services
from vault.services.audit import record


@pytest.fixture
def ada(vault: Services) -> Principal:
    """A person with an environment `prod`, which she has read once."""
    person = add_person(vault)
    add_environment(vault, person, "prod", A="1", B="2")
    values(vault, person, "prod")
    vault.audit.reads.drain()
    return person


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_tail_and_search(run: Run, ada: Principal) -> None:
    assert "values.read" in run("audit", "tail").stdout
    assert len(rows(run("audit", "tail", "-n", "3", "--format", "json"))) == 3
    assert "Values read" in run("audit", "tail").stdout
    [read] = rows(run("audit", "search", "--user", "ada", "--action", "values.read", "--format", "json"))
    assert (read["user_id"], read["revision"], read["result"]) == (ada.user_id, 1, "ok")
    assert read["what"] == "Values read"
    found = rows(run("audit", "search", "--variable", "B", "--format", "json"))
    assert [row["action"] for row in found] == ["values.read", "revision.write"]
    assert rows(run("audit", "search", "--since", "2999-01-01", "--format", "json")) == []


def test_a_table_has_names_and_data_have_ids(run: Run, vault: Services, ada: Principal) -> None:
    made = add_token(vault, ada, grant("read", environment="prod"))
    values(vault, as_token(vault, made.secret), "prod")
    patch(vault, ada, None, G="1")
    vault.audit.reads.drain()
    for arguments in (("tail",), ("search", "--user", "ada")):
        lines = run("audit", *arguments).stdout.splitlines()
        words = [set(line.split()) for line in lines if "values.read" in line or "revision.write" in line]
        assert [{"ada", "globals"} <= each for each in words].count(True) == 1
        assert [{"ada", "prod"} <= each for each in words].count(True) == 2
        assert [{"token", made.name, f"({made.id})", "prod"} <= each for each in words].count(True) == 1
        assert not any("session:" in line for line in lines)
    actors = {row["actor"] for row in rows(run("audit", "search", "--user", "ada", "--format", "json"))}
    assert {f"token:{made.id}", ada.label} <= actors


def test_what_is_gone_keeps_its_id(run: Run, vault: Services, ada: Principal) -> None:
    made = add_token(vault, ada, grant("read", environment="prod"))
    (read,) = rows(run("audit", "search", "--action", "values.read", "--format", "json"))
    values(vault, as_token(vault, made.secret), "prod")
    vault.audit.reads.drain()
    erase_oneself(vault, ada)
    text = run("audit", "search").stdout
    assert all(each in text for each in (f"token {made.id} ", ada.label, str(read["environment_id"])))
    assert made.name not in text.split()


def test_a_forged_row_gives_no_name_and_hides_no_event(run: Run, vault: Services, ada: Principal) -> None:
    run_sql(vault, "UPDATE users SET name = 'eve' WHERE name = 'ada'")
    text = run("audit", "tail").stdout
    assert "eve" not in text
    assert ada.label in text
    assert "prod" in text


@pytest.mark.parametrize("name", ["base.add", "refused.twice", "values"])
def test_an_event_of_a_newer_release_is_printed_by_its_name(
    run: Run, vault: Services, ada: Principal, name: str
) -> None:
    write(vault, lambda unit: record(unit, ada, cast(Action, name)))
    assert name in run("audit", "tail").stdout
    [found] = rows(run("audit", "search", "--action", name, "--format", "json"))
    assert (found["action"], found["what"]) == (name, name)


def test_a_checkpoint_is_kept_and_verifies(run: Run, ada: Principal, tmp_path: Path) -> None:
    kept = tmp_path / "checkpoint"
    assert run("audit", "checkpoint", "-o", str(kept)).exit_code == 0
    assert kept.read_text().startswith("strongroom/")
    assert kept.stat().st_mode & 0o777 == 0o600
    again = run("audit", "checkpoint", "-o", str(kept))
    assert (again.exit_code, "already exists" in again.stderr) == (1, True)
    verified = run("audit", "verify", "--checkpoint", str(kept))
    assert verified.exit_code == 0, verified.output
    assert "The audit is whole." in verified.stderr
    assert run("audit", "checkpoint", "--key").stdout.startswith("strongroom/")


def test_verify_names_the_fault_and_exits_1(run: Run, ada: Principal, vault: Services) -> None:
    assert run("audit", "verify").exit_code == 0
    run_sql(vault, "UPDATE audit_events SET result = 'refused' WHERE action = 'values.read'")
    broken = run("audit", "verify")
    assert broken.exit_code == 1
    assert broken.stdout.startswith("Event ")
    assert "is not as it was written" in broken.stdout


def test_a_file_that_is_no_checkpoint_is_refused(run: Run, ada: Principal, tmp_path: Path) -> None:
    trail, token, short, binary = (tmp_path / name for name in ("trail.jsonl", "token", "short", "binary"))
    assert run("audit", "export", "-o", str(trail)).exit_code == 0
    token.write_text("strongroom_st_abc\n")
    short.write_text("strongroom\n1\nAAAA\n\n— strongroom AAAA\n")
    for file in (trail, token, short):
        refused = run("audit", "verify", "--checkpoint", str(file))
        told = "This file is not a checkpoint, so nothing was compared with it. `strongroom audit checkpoint -o FILE`"
        assert (refused.exit_code, told in refused.stderr, "(at" in refused.stderr) == (1, True, False)
    binary.write_bytes(b"\xff\xfe")
    refused = run("audit", "verify", "--checkpoint", str(binary))
    assert (refused.exit_code, "is not UTF-8 text" in refused.stderr) == (1, True)


def test_a_checkpoint_of_another_vault_is_refused(run: Run, ada: Principal, tmp_path: Path) -> None:
    (tmp_path / "note").write_text(f"strongroom/other\n1\n{'A' * 43}=\n\n— strongroom/other AAAA\n")
    refused = run("audit", "verify", "--checkpoint", str(tmp_path / "note"))
    assert (refused.exit_code, "This vault has not signed this checkpoint." in refused.stderr) == (1, True)
    assert "is not a checkpoint" not in refused.stderr


def test_export_is_json_lines_from_which_the_root_follows(run: Run, ada: Principal, tmp_path: Path) -> None:
    import base64
    import hashlib

    from vault.crypto.merkle import Frontier, leaf_hash

    target = tmp_path / "audit.jsonl"
    assert run("audit", "export", "-o", str(target)).exit_code == 0
    *lines, last = map(json.loads, target.read_text().splitlines())
    frontier = Frontier()
    for line in lines:
        texts = [line[name] for name in ("id", "at_us", "user_id", "actor_id", "actor", "action", "result")]
        texts += [line[name] for name in ("environment_id", "revision", "blob_sha256", "request_id")]
        texts += [line["details_text"], line["rows"], line["commitment"]]
        fields = "".join(f"{len(text)}:{text}" for text in ("" if item is None else str(item) for item in texts))
        frontier.add(leaf_hash(b"SRM1 audit event" + fields.encode()))
        about = f"{len(line['address'])}:{line['address']}{len(line['names'])}:{line['names']}".encode()
        assert hashlib.sha256(bytes.fromhex(line["salt"]) + about).hexdigest() == line["commitment"]
    root_hash = base64.b64decode(last["checkpoint"].split("\n")[2])
    # The export itself is in the trail, and the checkpoint is as new as what was written before it.
    assert frontier.root() == root_hash


def test_prune_keeps_what_is_young(run: Run, ada: Principal) -> None:
    pruned = run("audit", "prune", "--older-than", "1")
    assert (pruned.exit_code, "0 events were pruned" in pruned.stderr) == (0, True)
    assert run("audit", "verify").exit_code == 0


def test_what_a_dead_worker_has_left_behind_is_brought_in(run: Run, vault: Services, ada: Principal) -> None:
    values(vault, ada, "prod")
    vault.audit.reads._spool.close()
    found = rows(run("audit", "search", "--action", "values.read", "--format", "json"))
    assert len(found) == 2


# -- doctor --database --


def findings(result: Result) -> dict[str, tuple[str, str]]:
    return {found["check"]: (found["verdict"], found["sentence"]) for found in json.loads(result.stdout)}


def test_a_vault_that_is_well(run: Run, ada: Principal) -> None:
    result = run("doctor", "--database", "--format", "json")
    found = findings(result)
    assert [found[check][0] for check in ("macs", "references", "blobs", "audit")] == ["ok"] * 4, found
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("damage", "check", "words"),
    [
        ("UPDATE revisions SET blob = CAST(substr(blob, 2) AS BLOB)", "blobs", "Revision 1 of environment"),
        ("UPDATE revisions SET blob = CAST(x'ff' AS TEXT)", "blobs", "A row that belongs to environment"),
        ("UPDATE users SET role = 'operator' WHERE name = 'ada'", "macs", "of users was not written by this vault"),
        ("UPDATE data_keys SET blob = (SELECT blob FROM user_keys LIMIT 1)", "blobs", "The data key"),
        ("UPDATE credentials SET blob = zeroblob(90)", "blobs", "The password of user"),
        ("DELETE FROM revisions", "references", "The current revision of environment"),
        ("DELETE FROM environments WHERE kind = 'globals'", "references", "has no globals"),
        ("UPDATE audit_events SET result = 'x' WHERE sequence = 0", "audit", "Event 0 ("),
        ("UPDATE audit_events SET actor = x'00' WHERE sequence = 0", "audit", "Event 0 ("),
    ],
)
def test_what_is_broken_is_named(
    damage: str, check: str, words: str, run: Run, vault: Services, ada: Principal
) -> None:
    with vault.storage.reading.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql(damage)
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
    result = run("doctor", "--database", "--format", "json")
    verdict, sentence = findings(result)[check]
    assert (verdict, result.exit_code) == ("bad", 1)
    assert words in sentence


def test_a_deleted_revision_that_can_be_brought_back_must_open_too(run: Run, vault: Services, ada: Principal) -> None:
    patch(vault, ada, "prod", A="2")
    run_sql(vault, "UPDATE revisions SET deletion_us = 1 WHERE number = 1")
    found = findings(run("doctor", "--database", "--format", "json"))
    assert "Revision 1" in found["blobs"][1] or found["macs"][0] == "bad"

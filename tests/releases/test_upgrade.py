"""The databases of every earlier release are upgraded with a stop, and all that was in them is there and works."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyotp
import pytest
from click.testing import CliRunner

from tests.conftest import KINDS, FreshDatabase, Kind
from tests.releases.conftest import Upgraded
from tests.releases.kept import Asker, Kept
from tests.releases.running import Release
from tests.support.backups import no_phases
from tests.support.vaults import HOST, run_sql
from vault.app import open_vault, restorer
from vault.cli import root
from vault.cli.context import Cli
from vault.cli.operators import host
from vault.errors import BadLogin, BadSecondFactor
from vault.jobs.drain import drain
from vault.jobs.expire import expire
from vault.keys import backup as backup_key
from vault.model.clock import SECOND_US
from vault.services import Services
from vault.services.backup import Archive, Opener, places_at
from vault.services.doctor import Sweep
from vault.services.people.factors import Challenge
from vault.services.people.logins import Proof
from vault.services.people.sessions import NewSession
from vault.services.people.visit import Visit
from vault.storage.database.schema import SCHEMA

VISIT = Visit("api", "127.0.0.1", "test", "request")


def test_everything_opens_and_verifies(upgraded: Upgraded) -> None:
    sweep = Sweep(upgraded.vault.storage, upgraded.vault.instance)
    parts = [sweep.macs(), sweep.references(), sweep.blobs()]
    assert [part.faults for part in parts] == [[], [], []]
    assert all(part.count > 5 for part in parts)
    # The checkpoint that the release signed: its tree is the beginning of this one.
    note = (upgraded.kept.folder / "checkpoint.txt").read_text()
    report = upgraded.vault.audit.verifier.verify(note)
    assert report.faults == []
    assert report.size > 50


def test_the_commands_of_a_host_say_that_all_is_well(upgraded: Upgraded) -> None:
    checkpoint = str(upgraded.kept.folder / "checkpoint.txt")
    runner = CliRunner(env=upgraded.kept.env)
    for words in (["db", "status"], ["doctor", "--database"], ["audit", "verify", "--checkpoint", checkpoint]):
        done = runner.invoke(root, words, obj=Cli(is_interactive=False))
        assert done.exit_code == 0, (words, done.output)


def test_the_upgrade_is_in_the_audit(upgraded: Upgraded) -> None:
    rows = run_sql(upgraded.vault, "SELECT actor, details FROM audit_events WHERE action = 'schema.upgrade'")
    before = upgraded.kept.facts["schema"]
    if before == SCHEMA:
        assert rows == []
        return
    [(actor, details)] = rows
    assert (actor, json.loads(details)) == (host.operator().label, {"from": before, "to": SCHEMA})


def test_an_upgrade_on_a_host_without_the_keyring_is_done_and_says_that_the_audit_lacks_it(
    tmp_path: Path, this_release: Release
) -> None:
    kept = Kept.unpacked("0.1.1", "sqlite", tmp_path, str)
    done = this_release.run(kept.env | {"STRONGROOM_KEYRING": str(tmp_path / "none.json")}, "db", "upgrade")
    assert done.returncode == 0, done.stderr
    assert "Warning: the upgrade is not in the audit, because the vault cannot be opened here: " in done.stderr
    assert f"The schema was upgraded from 0002 to {SCHEMA}." in done.stderr
    vault = open_vault(kept.settings, kept.clock)
    assert run_sql(vault, "SELECT id FROM audit_events WHERE action = 'schema.upgrade'") == []
    vault.storage.close()


def test_a_server_that_upgrades_its_embedded_database_records_it(tmp_path: Path, this_release: Release) -> None:
    kept = Kept.unpacked("0.1.1", "sqlite", tmp_path, str)
    with this_release.serve(tmp_path, kept.env):
        pass
    vault = open_vault(kept.settings, kept.clock)
    [(details,)] = run_sql(vault, "SELECT details FROM audit_events WHERE action = 'schema.upgrade'")
    vault.storage.close()
    assert json.loads(details) == {"from": "0002", "to": SCHEMA}


def test_every_read_is_answered_as_by_the_release_itself(upgraded: Upgraded) -> None:
    assert upgraded.ask.wrong_reads() == []


def test_every_token_may_do_what_it_could_and_no_more(upgraded: Upgraded) -> None:
    facts = upgraded.kept.facts["tokens"]["counted"]
    for left in range(facts["uses_left"]):
        assert upgraded.ask.call(facts["secret"], "GET", facts["path"]).status == 200, left
    assert upgraded.ask.wrong_tokens() == ["counted: 401"]


def test_environments_stand_on_their_bases(upgraded: Upgraded) -> None:
    if upgraded.kept.facts["schema"] < "0003":
        assert "bases" not in upgraded.kept.facts
        return
    facts = upgraded.kept.facts["bases"]
    everything = upgraded.kept.token("everything")
    for name, bases in facts["lists"].items():
        assert upgraded.ask.call(everything, "GET", f"/environments/{name}").json["bases"] == bases
    # "some layers" may not read the middle layer and the globals.
    for name, values in facts["values"].items():
        told = upgraded.ask.call(upgraded.kept.token(name), "GET", "/environments/shop-eu/values").json
        assert (told["values"], len(told["warnings"])) == (values, {"everything": 1, "some layers": 3}[name])


def test_people_log_in_as_before(upgraded: Upgraded) -> None:
    people, logins = upgraded.kept.facts["people"], upgraded.vault.people.logins
    bob = logins.begin("bob", people["bob"]["password"], VISIT)
    assert isinstance(bob, NewSession)
    assert bob.user.role == "user"
    refused = [("bob", people["bob"]["former_password"]), ("carol", people["carol"]["password"])]
    for name, password in [*refused, *((name, "whatever it was") for name in upgraded.kept.facts["erased_people"])]:
        with pytest.raises(BadLogin):
            logins.begin(name, password, VISIT)


def test_second_factors_are_asked_for_and_taken(upgraded: Upgraded) -> None:
    ada, logins = upgraded.kept.facts["people"]["ada"], upgraded.vault.people.logins

    def asked() -> str:
        begun = logins.begin("ada", ada["password"], VISIT)
        assert isinstance(begun, Challenge)
        return begun.id

    code = pyotp.TOTP(ada["totp_secret"]).at(upgraded.clock() // SECOND_US)
    # A login that the release began, and that this one completes.
    begun = logins.complete(ada["open_challenge"], Proof(code=code), VISIT)
    assert (begun.user.role, begun.session.factors) == ("operator", ("password", "totp"))
    with pytest.raises(BadSecondFactor):
        logins.complete(asked(), Proof(recovery_code=ada["used_recovery_code"]), VISIT)
    done = logins.complete(asked(), Proof(recovery_code=ada["recovery_codes"][0]), VISIT)
    assert done.recovery_codes_left == len(ada["recovery_codes"]) - 1


def test_answers_that_were_kept_are_given_once_more(upgraded: Upgraded) -> None:
    facts = upgraded.kept.facts["idempotency"]
    secret = upgraded.kept.token(facts["as"])
    answer = upgraded.ask.call(secret, facts["method"], facts["path"], facts["body"], Idempotency_Key=facts["key"])
    assert (answer.json, answer.etag, answer.headers["idempotency-replayed"]) == (facts["json"], facts["etag"], "true")


def test_an_answer_that_was_wrapped_is_unwrapped_once(upgraded: Upgraded) -> None:
    facts = upgraded.kept.facts["wrapped"]
    path = "/v1/sys/wrapping/unwrap"
    assert upgraded.ask.call("", "POST", path, {"token": facts["token"]}).json["data"]["data"] == facts["data"]
    assert upgraded.ask.call("", "POST", path, {"token": facts["token"]}).status == 400


def test_reads_that_a_killed_worker_left_in_its_spool_are_brought_in_once(upgraded: Upgraded) -> None:
    for _ in range(2):
        drain(upgraded.vault)
    rows = run_sql(upgraded.vault, "SELECT request_id FROM audit_events WHERE action = 'values.read'")
    found = [row.request_id for row in rows]
    assert [found.count(request_id) for request_id in upgraded.kept.facts["spooled"]] == [1] * len(
        upgraded.kept.facts["spooled"]
    )
    assert upgraded.vault.audit.verifier.verify().faults == []


def test_a_release_that_is_too_old_for_the_schema_says_so(
    upgraded: Upgraded, unpacked_releases: dict[str, Release]
) -> None:
    if upgraded.kept.release != "0.1.0":
        return
    done = unpacked_releases["0.1.0"].run(upgraded.kept.env, "serve")
    assert done.returncode == 1
    assert "newer release of Strongroom" in done.stderr


# -- Archives --


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_restored_into_either_database(
    upgraded: Upgraded, kind: Kind, fresh_database: FreshDatabase
) -> None:
    kept = upgraded.kept
    found = replace(kept.settings, database_url=fresh_database(kind, migrated=False))
    done = restorer(found, upgraded.clock).restore(HOST, _archive(kept), places_at(found.backup_to), no_phases)
    assert (done.proof.faults, done.warnings, done.is_locked) == ([], [], False)
    again = open_vault(found, upgraded.clock)
    try:
        ask = Asker(kept, again)
        assert ask.wrong_reads(sessions=False) == []
        assert ask.wrong_tokens() == []
        assert again.audit.verifier.verify((kept.folder / "checkpoint.txt").read_text()).faults == []
        [(locked,)] = run_sql(again, "SELECT locked FROM lock_flag")
        assert not locked
        assert _is_followed(again)
        _set_bases(again, ask, kept)
    finally:
        again.audit.reads.close()
        again.storage.close()


def _set_bases(vault: Services, ask: Asker, kept: Kept) -> None:
    """Environments of any release become bases, and a base that was deleted comes back."""
    everything = kept.token("everything")
    vault.keys.upgrading.open(HOST)

    def values(name: str) -> dict[str, str]:
        answer = ask.call(everything, "GET", f"/environments/{name}/values")
        assert answer.status == 200, answer.body
        return dict(answer.json["values"])

    for wish in ({"name": "on-prod", "bases": ["prod"]}, {"name": "on-both", "bases": ["on-prod", "copy-of-prod"]}):
        assert ask.call(everything, "POST", "/environments", wish).status == 201
    assert values("on-prod") == values("prod")
    assert values("on-both") == values("copy-of-prod")
    assert ask.call(everything, "PATCH", "/environments/on-both", {"bases": ["copy-of-prod", "prod"]}).status == 200
    assert values("on-both") == {**values("copy-of-prod"), **values("prod")}
    if "bases" in kept.facts:
        facts = kept.facts["bases"]
        assert ask.call(everything, "POST", f"/environments/{facts['gone']}/undelete", {}).status == 200
        assert values("shop-eu") == {**facts["values"]["everything"], **facts["from_gone"]}


def _is_followed(vault: Services) -> bool:
    """Report whether the feed has an epoch, and everybody a mark."""
    marks, people = (len(run_sql(vault, f"SELECT 1 FROM {table}")) for table in ("read_marks", "users"))
    return len(run_sql(vault, "SELECT epoch FROM feed")) == 1 and marks == people > 0


def test_an_upgraded_vault_gets_its_feed_from_its_first_worker(upgraded: Upgraded) -> None:
    assert not _is_followed(upgraded.vault)
    expire(upgraded.vault, "first")
    assert _is_followed(upgraded.vault)
    expire(upgraded.vault, "first")
    assert _is_followed(upgraded.vault)


def test_an_archive_opens_in_a_drill(upgraded: Upgraded) -> None:
    contents, proof = restorer(upgraded.kept.settings).drill(HOST, _archive(upgraded.kept), no_phases)
    assert (contents.head.release, contents.head.schema) == (upgraded.kept.release, upgraded.kept.facts["schema"])
    assert (proof.faults, proof.rows > 50, proof.blobs > 20) == ([], True, True)


def _archive(kept: Kept) -> Archive:
    return Archive(Path(kept.archive), Opener(backup_key.read(kept.folder / "keys" / "backup.txt")))

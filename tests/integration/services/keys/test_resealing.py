"""Reseal: after it, no key of before opens or signs anything, and nothing that people stored is lost."""

from __future__ import annotations

import dataclasses
import random
import threading
from functools import partial
from typing import Any

import pytest

from tests.support.crowds import add_crowd
from tests.support.factors import WEB, add_passkey, add_totp, asked, with_code
from tests.support.patience import HANG_SECONDS
from tests.support.rotating import kill_somewhere, open_everything, start_command, worker
from tests.support.vaults import (
    ADDRESS,
    HOST,
    PASSWORD,
    FakeClock,
    add_environment,
    add_token,
    as_session,
    as_token,
    grant,
    log_in,
    opened_again,
    patch,
    put,
    run_sql,
    values,
    wrap,
    write,
)
from vault.crypto import key_id_of, parse
from vault.errors import BadSecondFactor, Conflict, InvalidInput, MacError, NotAuthenticated, StrongroomError
from vault.model.clock import now_us
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.idempotency import Call, Claim, KeptAnswer
from vault.services.own.keys import OwnKeys
from vault.services.pace import Pace
from vault.services.people.logins import Proof
from vault.storage import NoCache, RowSigner, UnitOfWork

PURPOSES = ("mac", "token", "digest", "checkpoint")
HOURS = 3600


class TickingClock(FakeClock):
    """A reseal tells what was made before it by its time: here each look at the clock is a little later."""

    def __call__(self) -> int:
        self.us += 1
        return self.us


@pytest.fixture
def clock() -> FakeClock:
    # Ahead of the real one, which the vault itself was made by.
    return TickingClock(now_us() + 30_000_000)


def fill(vault: Services, ada: Principal, bob: Principal) -> None:
    for person, name in ((ada, "prod"), (bob, "stage")):
        add_environment(vault, person, name, A="1")
        for number in range(20):
            patch(vault, person, name, A=str(number))
        change = partial(vault.environments.environments.change, wishes={"description": f"of {name}"})
        write(vault, partial(change, principal=person, reference=name))
        patch(vault, person, None, G="g")


def ids(vault: Services, sql: str) -> set[Any]:
    return {row[0] for row in run_sql(vault, sql)}


def old_and_new(vault: Services) -> tuple[OwnKeys, OwnKeys]:
    before = vault.instance.own_keys
    assert vault.keys.reseal.run(HOST)
    return before, vault.instance.own_keys


def test_every_key_is_new_and_everything_opens(vault: Services, ada: Principal, bob: Principal) -> None:
    fill(vault, ada, bob)
    keys = ids(vault, "SELECT id FROM user_keys") | ids(vault, "SELECT id FROM data_keys")
    blobs = ids(vault, "SELECT blob FROM revisions") | ids(vault, "SELECT blob FROM credentials")
    before, after = old_and_new(vault)
    for purpose in PURPOSES:
        assert before.active_secrets[purpose] != after.active_secrets[purpose]
    assert before.system_key != after.system_key
    # The old system key stays for two days, for what a host holds in its spool; nothing stored needs it.
    left = ids(vault, "SELECT id FROM user_keys") | ids(vault, "SELECT id FROM data_keys")
    assert left & keys == {before.system_key.id}
    assert not blobs & (ids(vault, "SELECT blob FROM revisions") | ids(vault, "SELECT blob FROM credentials"))
    with opened_again(vault) as again:
        assert open_everything(again) == 44
        assert values(again, ada, "prod") == {"A": "19", "G": "g"}
        assert again.environments.environments.get(bob, "stage").description == "of stage"
        assert again.people.accounts.authenticate("ada", PASSWORD, ADDRESS).id == ada.user_id
        patch(again, bob, "stage", A="new")


def test_a_row_that_the_leaked_key_signs_is_refused(vault: Services, ada: Principal, bob: Principal) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    leaked: RowSigner = vault.instance.own_keys.signer
    vault.keys.reseal.run(HOST)
    with vault.storage.read() as unit:
        row = unit.users.by_id(ada.user_id)
        assert row is not None
        forged = leaked.sign(type(unit.users).signed, {**row.values(), "role": "operator"})
    run_sql(
        vault,
        "UPDATE users SET role = 'operator', mac = :mac, mac_key_id = :key WHERE id = :id",
        mac=forged["mac"],
        key=forged["mac_key_id"],
        id=ada.user_id,
    )
    for attempt in (lambda: as_token(vault, token.secret), lambda: log_in(vault, "ada")):
        with pytest.raises(MacError):
            attempt()
    # And where a foreign key can say it, such a row is not even stored.
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        run_sql(vault, "UPDATE tokens SET mac_key_id = :key", key=forged["mac_key_id"])


def test_a_key_of_before_opens_nothing_any_more(vault: Services, ada: Principal, bob: Principal) -> None:
    fill(vault, ada, bob)
    leaked = ids(vault, "SELECT id FROM user_keys WHERE owner_id IS NOT NULL") | ids(vault, "SELECT id FROM data_keys")
    vault.keys.reseal.run(HOST)
    with opened_again(vault) as again, again.storage.read() as unit:
        for old in leaked:
            assert unit.data_keys.by_id(old) is None
            assert unit.user_keys.by_id(old) is None
        assert not leaked & ids(again, "SELECT data_key_id FROM revisions")
        assert not leaked & ids(again, "SELECT user_key_id FROM data_keys")
        for (blob,) in run_sql(again, "SELECT blob FROM revisions UNION ALL SELECT metadata_blob FROM environments"):
            assert blob is None or key_id_of(blob) not in leaked


def test_sessions_end_and_tokens_go_on_until_the_grace_has_passed(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "prod", A="1")
    used, unused = (add_token(vault, ada, grant("read", path="*")) for _ in range(2))
    session = log_in(vault, "ada").secret
    before, _ = old_and_new(vault)
    with pytest.raises(NotAuthenticated):
        as_session(vault, session)
    assert as_session(vault, log_in(vault, "ada").secret).user_id == ada.user_id
    assert vault.keys.reseal.status(HOST).tokens_left == 2
    assert values(vault, as_token(vault, used.secret), "prod") == {"A": "1"}
    vault.touches.flush()
    assert vault.keys.reseal.status(HOST).tokens_left == 1
    clock.advance(24 * HOURS + 1)
    assert vault.keys.secrets.drop_overdue(HOST) == 2
    with opened_again(vault, clock) as again:
        assert values(again, as_token(again, used.secret), "prod") == {"A": "1"}
        with pytest.raises(NotAuthenticated):
            as_token(again, unused.secret)
    assert vault.instance.secret_by_id("token", before.active_secrets["token"].id) is not None
    vault.instance.learn()
    assert vault.instance.secret_by_id("token", before.active_secrets["token"].id) is None


def test_the_replaced_secret_of_a_token_does_not_become_its_secret_again(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    token = add_token(vault, ada, grant("read", path="*"))
    renewed = write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, token.id, 60))
    vault.keys.reseal.run(HOST)
    as_token(vault, token.secret)
    vault.touches.flush()
    clock.advance(61)
    with pytest.raises(NotAuthenticated):
        as_token(vault, token.secret)
    assert as_token(vault, renewed.secret).user_id == ada.user_id


def test_a_kept_answer_is_still_given_for_the_same_call(vault: Services, ada: Principal) -> None:
    call, answer = Call("POST", "/x", "key-1", b"body"), KeptAnswer(201, {}, '{"secret": 1}')

    def claim(unit: UnitOfWork) -> Claim | KeptAnswer:
        return vault.idempotency.claim(unit, ada, call)

    def first(unit: UnitOfWork) -> None:
        claimed = claim(unit)
        assert isinstance(claimed, Claim)
        vault.idempotency.keep(unit, ada, claimed, answer)

    write(vault, first)
    vault.keys.reseal.run(HOST)
    assert write(vault, claim) == answer
    assert ids(vault, "SELECT user_key_id FROM idempotency") == {vault.instance.system_key_id}
    with pytest.raises(Conflict):
        write(vault, lambda unit: vault.idempotency.claim(unit, ada, dataclasses.replace(call, body=b"other")))


def test_a_wrapped_answer_can_still_be_fetched_once(vault: Services, ada: Principal) -> None:
    token = wrap(vault, ada, "secret", "secret/data/prod", 600)
    vault.keys.reseal.run(HOST)
    assert write(vault, lambda unit: vault.vaultkv.wrapping.unwrap(unit, token, ADDRESS, "r")) == "secret"
    with pytest.raises(StrongroomError):
        write(vault, lambda unit: vault.vaultkv.wrapping.unwrap(unit, token, ADDRESS, "r"))


def test_destroyed_and_deleted_revisions_and_environments_come_through(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    add_environment(vault, ada, "gone", A="1")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "gone"))
    add_environment(vault, ada, "large")
    put(vault, ada, "large", Variable("A", "x" * 900_000))
    row = add_environment(vault, ada, "old", A="1")
    patch(vault, ada, "old", A="2")
    with vault.storage.write() as unit:
        first = unit.revisions.by_number(row.id, 1)
        assert first is not None
        unit.revisions.change(first, blob=None, destroyed=True)
    vault.keys.reseal.run(HOST)
    write(vault, lambda unit: vault.environments.environments.undelete(unit, ada, "gone", None))
    with opened_again(vault) as again:
        assert values(again, ada, "gone") == {"A": "1"}
        assert len(values(again, ada, "large")["A"]) == 900_000
        assert values(again, ada, "old") == {"A": "2"}


def test_every_worker_goes_on_reading_and_writing_while_it_runs(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    fill(vault, ada, bob)
    # More than are written meanwhile, or the revision that is read would be dropped for its age.
    with vault.storage.write() as unit:
        vault.environments.environments.change(unit, ada, "prod", {"max_versions": 1000})
    ends, failures, written, reads = threading.Event(), [], [0], [0]
    with worker(vault, clock) as other:

        def work() -> None:
            while not ends.is_set():
                other.learn()
                try:
                    patch(other.services, ada, "prod", A=f"w{written[0] + 1}")
                    written[0] += 1
                    reads[0] += values(other.services, ada, "prod")["G"] == "g"
                    other.services.environments.history.get(ada, "prod", 3)
                    other.services.environments.environments.get(bob, "stage")
                except Exception as error:
                    failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            assert vault.keys.reseal.run(HOST)
        finally:
            ends.set()
            thread.join()
        assert failures == []
        assert min(written[0], reads[0]) > 0
    with opened_again(vault) as again:
        assert values(again, ada, "prod")["A"] == f"w{written[0]}"
        open_everything(again)


# On the other database, and more often: tests/soak/test_rotation.py.
@pytest.mark.parametrize("vault", ["postgresql"], indirect=True)
def test_killed_at_random_moments_it_resumes_and_loses_nothing(vault: Services, ada: Principal, bob: Principal) -> None:
    with opened_again(vault) as real:
        # By the clock that the killed processes have, too.
        _kill_and_resume(real, ada, bob)


def _kill_and_resume(vault: Services, ada: Principal, bob: Principal) -> None:
    fill(vault, ada, bob)
    add_crowd(vault, 100)
    before = vault.instance.own_keys

    def progress() -> int:
        return int(run_sql(vault, "SELECT COUNT(*) FROM audit_events")[0][0])

    words = ("keys", "reseal", "--yes", "--max-per-second", "100")
    assert kill_somewhere(vault, words, progress, times=3, chance=random.Random(11)) >= 1
    began = ids(vault, "SELECT reseal_from_us FROM vault_state")
    assert began != {None}
    process = start_command(vault, "keys", "reseal")
    told = process.communicate(timeout=HANG_SECONDS)[1].decode()
    assert "sealed and signed with new keys" in told, told
    assert ids(vault, "SELECT reseal_from_us FROM vault_state") == {None}
    with opened_again(vault) as again:
        assert open_everything(again) == 44
        after = again.instance.own_keys
        assert all(before.active_secrets[purpose] != after.active_secrets[purpose] for purpose in PURPOSES)
        # Whatever the number of attempts, each key was replaced once: all in all one reseal.
        assert len(after.system_keys) == 2


def test_in_slices_it_comes_to_its_end(vault: Services, ada: Principal, bob: Principal) -> None:
    fill(vault, ada, bob)
    slices = 1
    while not vault.keys.reseal.run(HOST, Pace(seconds=0.05)):
        slices += 1
    assert 1 < slices < 200
    open_everything(vault)


def test_the_audit_stays_whole(vault: Services, ada: Principal, bob: Principal) -> None:
    fill(vault, ada, bob)
    vault.keys.reseal.run(HOST)
    with opened_again(vault) as again:
        found = again.audit.verifier.verify()
    assert found.faults == []
    assert found.rows > 0


def test_an_entry_of_the_cache_under_the_leaked_system_key_is_no_session(vault: Services, ada: Principal) -> None:
    class Forged(NoCache):
        blob: bytes | None = None

        def get(self, key: str) -> bytes | None:
            return self.blob

        def fill(self, key: str, blob: bytes) -> None:
            self.blob = blob

    cache = Forged()
    vault.people.sessions._cache = cache
    session = log_in(vault, "ada").secret
    as_session(vault, session)
    assert cache.blob is not None
    assert vault.people.sessions._cached(parse(session).id) is not None
    vault.keys.reseal.run(HOST)
    # The old key opens it still; it is not taken all the same.
    assert vault.people.sessions._cached(parse(session).id) is None
    with pytest.raises(NotAuthenticated):
        as_session(vault, session)


def test_second_factors_come_through_and_are_found_by_the_new_key_alone(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    app = add_totp(vault, "ada")
    clock.advance(30)
    device = add_passkey(vault, "ada", by=with_code(vault, "ada", app))
    begun = asked(vault, "ada")
    old_and_new(vault)
    # Half a login ends with the sessions.
    assert ids(vault, "SELECT id FROM challenges") == set()
    with pytest.raises(BadSecondFactor):
        vault.people.logins.complete(begun.id, Proof(recovery_code=app.recovery_codes[0]), WEB)
    clock.advance(vault.settings.reseal_grace_hours * 3600 + 60)
    assert vault.keys.secrets.drop_overdue(HOST) > 0
    with opened_again(vault, clock) as again:
        challenge = again.people.logins.begin_passkey(WEB)
        assert challenge.passkey is not None
        again.people.logins.complete(challenge.id, Proof(passkey=device.get(challenge.passkey)), WEB)
        with_code(again, "ada", app)
        recovery = Proof(recovery_code=app.recovery_codes[0])
        again.people.logins.complete(asked(again, "ada").id, recovery, WEB)


def in_order(vault: Services) -> str:
    """Give every event its place; the newest checkpoint."""
    vault.audit.reads.drain()
    with vault.storage.write() as unit:
        vault.audit.tree.sequence(unit)
        return vault.audit.tree.checkpoint(unit)


def test_a_pruned_trail_is_signed_anew_and_verifies(
    vault: Services, ada: Principal, bob: Principal, clock: FakeClock
) -> None:
    fill(vault, ada, bob)
    for _ in range(20):
        values(vault, ada, "prod")
    in_order(vault)
    clock.advance(3 * 24 * HOURS)
    assert vault.audit.trail.prune(HOST, clock() - 24 * HOURS * 1_000_000) > 10
    before, after = old_and_new(vault)
    assert ids(vault, "SELECT mac_key_id FROM audit_pruned") == {after.active_secrets["mac"].id}
    assert before.active_secrets["mac"].id not in ids(vault, "SELECT id FROM system_secrets")
    in_order(vault)
    with opened_again(vault, clock) as again:
        report = again.audit.verifier.verify()
        assert (report.faults, report.pruned > 10) == ([], True)
        for _ in range(20):
            values(again, ada, "prod")
        in_order(again)
        clock.advance(3 * 24 * HOURS)
        assert again.audit.trail.prune(HOST, clock() - 24 * HOURS * 1_000_000) > 10
        assert again.audit.verifier.verify().faults == []


def test_a_checkpoint_of_before_a_reseal_says_what_to_do(vault: Services, ada: Principal, bob: Principal) -> None:
    fill(vault, ada, bob)
    kept = in_order(vault)
    vault.keys.reseal.run(HOST)
    newer = in_order(vault)
    assert vault.audit.verifier.verify(newer).faults == []
    with pytest.raises(InvalidInput, match=r"before a reseal.*--trust-file.*strongroom audit checkpoint"):
        vault.audit.verifier.verify(kept)
    assert vault.audit.verifier.verify(kept, is_trusted=True).faults == []
    size, root = kept.splitlines()[1:3]
    other_root = kept.replace(root, "A" * 43 + "=")
    assert "not as it was written" in vault.audit.verifier.verify(other_root, is_trusted=True).faults[0]
    longer = kept.replace(f"\n{size}\n", f"\n{int(size) + 10_000}\n")
    assert "the end of the trail was cut" in vault.audit.verifier.verify(longer, is_trusted=True).faults[0]
    with pytest.raises(InvalidInput, match="This vault has not signed this checkpoint"):
        vault.audit.verifier.verify(kept.replace(vault.instance.id, bob.user_id), is_trusted=True)
    for other in ("", "no checkpoint", kept.partition("\n\n")[0]):
        with pytest.raises(InvalidInput, match="This file is not a checkpoint"):
            vault.audit.verifier.verify(other, is_trusted=True)

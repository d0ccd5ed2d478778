"""What a security review found, kept: no permission is reached by way of another one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.vaults import (
    FakeClock,
    add_environment,
    add_token,
    as_token,
    grant,
    patch,
    run_sql,
    values,
    write,
)
from vault.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound, NotGranted, PreconditionRequired
from vault.formats import ParsedFile
from vault.model.environment import Variable
from vault.model.principal import Principal
from vault.services import Services
from vault.services.environments.editing import Attributes, RowEdit
from vault.services.environments.files import Imported, parse_file
from vault.services.environments.variables import Written
from vault.services.environments.wishes import Wishes
from vault.services.tokens.request import GrantRequest, TokenRequest
from vault.services.tokens.tokens import LOGINS_MOST
from vault.storage import UnitOfWork


def token(vault: Services, owner: Principal, *grants: GrantRequest) -> Principal:
    return as_token(vault, add_token(vault, owner, *grants).secret)


def import_file(
    vault: Services, principal: Principal, parsed: ParsedFile, *, replace_all: bool = False, dry_run: bool = False
) -> Imported:
    return write(
        vault,
        lambda unit: vault.environments.files.import_file(
            unit, principal, "prod", parsed, replace_all=replace_all, dry_run=dry_run
        ),
    )


@pytest.mark.parametrize("missing", ["read", "history", "delete"])
def test_a_rename_needs_all_that_moving_is_made_of(vault: Services, ada: Principal, missing: str) -> None:
    add_environment(vault, ada, "prod", PASSWORD="hunter2")
    held = ",".join({"list", "read", "update", "history", "delete"} - {missing})
    mover = token(vault, ada, grant(held, path="prod"), grant("create,read", path="dev"))
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.environments.change(unit, mover, "prod", {"name": "dev/stolen"}))
    assert values(vault, ada, "prod") == {"PASSWORD": "hunter2"}


def test_an_undelete_under_a_new_name_needs_the_same(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", PASSWORD="hunter2")
    write(vault, lambda unit: vault.environments.environments.delete(unit, ada, "prod"))
    mover = token(vault, ada, grant("list,update", path="prod"), grant("create,read", path="dev"))
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.environments.undelete(unit, mover, "prod", "dev/stolen"))


def test_whoever_holds_all_of_it_moves(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    mover = token(vault, ada, grant("update,read,history,delete", path="prod"), grant("create,read", path="dev"))
    write(vault, lambda unit: vault.environments.environments.change(unit, mover, "prod", {"name": "dev/moved"}))
    assert values(vault, mover, "dev/moved") == {"A": "1"}


@pytest.mark.parametrize("mode", ["replace_all", "dry_run"])
def test_an_import_whose_plan_tells_what_is_there_needs_read(vault: Services, ada: Principal, mode: str) -> None:
    add_environment(vault, ada, "prod", PASSWORD="hunter2")
    writer = token(vault, ada, grant("update", path="prod"))
    with pytest.raises(NotGranted):
        import_file(vault, writer, parse_file("dotenv", "PASSWORD=guess\n"), **{mode: True})
    assert values(vault, ada, "prod") == {"PASSWORD": "hunter2"}


def test_names_and_edits_of_rows_need_read(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", PASSWORD="hunter2")
    writer = token(vault, ada, grant("list,update,history,delete", path="prod"))
    with pytest.raises(NotGranted):
        vault.environments.variables.list(writer, "prod")
    edits = [RowEdit("PASSWORD", {"name": "TAKEN"})]
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.variables.edit(unit, writer, "prod", edits))
    reader = token(vault, ada, grant("read", path="prod"))
    assert [item.name for item in vault.environments.variables.list(reader, "prod").outlines] == ["PASSWORD"]
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.variables.edit(unit, reader, "prod", edits))
    assert values(vault, ada, "prod") == {"PASSWORD": "hunter2"}


def test_the_plan_of_a_merge_is_empty_without_read(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", PASSWORD="hunter2")
    writer = token(vault, ada, grant("update", path="prod"))
    plan = import_file(vault, writer, parse_file("dotenv", "PASSWORD=hunter2\nNEW=1\n")).plan
    assert (plan.added, plan.changed, plan.removed, plan.unchanged) == ((), (), (), ())
    assert values(vault, ada, "prod") == {"PASSWORD": "hunter2", "NEW": "1"}


def _answers(vault: Services, act: Callable[[UnitOfWork], Written]) -> tuple[bool, int | None]:
    written = write(vault, act)
    return written.changed, written.revision


@pytest.mark.parametrize("guess", [{"A": "1"}, {"A": "2"}, {"NEW": "1"}, {"A": None}, {"NEW": None}])
def test_a_writer_that_may_not_read_cannot_test_a_guess(
    vault: Services, ada: Principal, guess: dict[str, str | None]
) -> None:
    add_environment(vault, ada, "prod", A="1", B="2")
    writer = token(vault, ada, grant("list,update", path="prod"))
    changes: dict[str, Attributes | None] = {
        name: None if value is None else {"value": value} for name, value in guess.items()
    }
    patched = _answers(vault, lambda unit: vault.environments.variables.patch(unit, writer, "prod", changes))
    assert patched == (True, 2)


@pytest.mark.parametrize("variable", [Variable("A", "1"), Variable("A", "2"), Variable("NEW", "1")])
def test_a_whole_variable_that_is_put_tells_nothing(vault: Services, ada: Principal, variable: Variable) -> None:
    add_environment(vault, ada, "prod", A="1")
    writer = token(vault, ada, grant("update", path="prod"))
    put = _answers(vault, lambda unit: vault.environments.variables.put_one(unit, writer, "prod", variable))
    assert put == (True, 2)


@pytest.mark.parametrize("name", ["A", "NEVER", "a"])
def test_a_deletion_tells_nothing_to_a_writer_that_may_not_read(vault: Services, ada: Principal, name: str) -> None:
    add_environment(vault, ada, "prod", A="1")
    writer = token(vault, ada, grant("update", path="prod"))
    done = _answers(vault, lambda unit: vault.environments.variables.delete_one(unit, writer, "prod", name))
    assert done == (True, 2)


@pytest.mark.parametrize("name", ["A", "NEVER"])
@pytest.mark.parametrize("attributes", [{"enabled": False}, {"description": "d"}, {}])
def test_a_change_without_a_value_is_refused_to_a_writer_that_may_not_read(
    vault: Services, ada: Principal, name: str, attributes: Attributes
) -> None:
    add_environment(vault, ada, "prod", A="1")
    writer = token(vault, ada, grant("list,update,history,delete", path="prod"))
    with pytest.raises(InvalidInput, match="Send the value too") as refused:
        write(vault, lambda unit: vault.environments.variables.patch(unit, writer, "prod", {name: attributes}))
    assert refused.value.path == f"variables.{name}.value"


def test_a_writer_that_may_read_still_learns_that_nothing_changed(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    writer = token(vault, ada, grant("update,read", path="prod"))
    same: dict[str, Attributes | None] = {"A": {"value": "1"}}
    assert _answers(vault, lambda unit: vault.environments.variables.patch(unit, writer, "prod", same)) == (
        False,
        1,
    )
    with pytest.raises(NotFound):
        write(vault, lambda unit: vault.environments.variables.delete_one(unit, writer, "prod", "NEVER"))


def test_history_alone_reads_older_revisions_and_never_the_current_one(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="old")
    patch(vault, ada, "prod", A="new")
    reader = token(vault, ada, grant("history", path="prod"))
    older = vault.environments.history.get(reader, "prod", 1).variables
    assert older is not None
    assert older[0].value == "old"
    for look in (
        lambda: vault.environments.history.get(reader, "prod", 2),
        lambda: vault.environments.history.diff(reader, "prod", 2, 0),
        lambda: vault.environments.history.diff(reader, "prod", 1, 2),
    ):
        with pytest.raises(NotGranted):
            look()


@pytest.mark.parametrize("wish", [{"max_versions": 1}, {"delete_version_after_seconds": 1}])
def test_a_rule_that_lets_go_of_revisions_needs_delete(vault: Services, ada: Principal, wish: Wishes) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")
    writer = token(vault, ada, grant("update", path="prod"))
    with pytest.raises(NotGranted):
        write(vault, lambda unit: vault.environments.environments.change(unit, writer, "prod", wish))
    assert len(vault.environments.history.revisions(ada, "prod", None, 10)) == 2


def test_where_a_precondition_is_asked_for_an_import_and_a_rollback_need_one_too(
    vault: Services, ada: Principal
) -> None:
    add_environment(vault, ada, "prod", A="1")
    write(vault, lambda unit: vault.environments.environments.change(unit, ada, "prod", {"cas_required": True}))
    with pytest.raises(PreconditionRequired):
        import_file(vault, ada, parse_file("dotenv", "A=2\n"))
    with pytest.raises(PreconditionRequired):
        write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "prod", 1))


def test_a_rollback_opens_the_old_revision_under_the_lock(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    patch(vault, ada, "prod", A="2")

    def destroyed_meanwhile(unit: object) -> None:
        raise NotFound

    with pytest.MonkeyPatch.context() as patched:
        find = vault.environments.environments.find

        def find_then_destroy(*arguments: object) -> object:
            row = find(*arguments)  # type: ignore[arg-type]  # handed on as they came
            # What another transaction does between the look-up and the lock.
            patched.setattr(vault.environments.history, "_numbered", destroyed_meanwhile_at_open)
            return row

        def destroyed_meanwhile_at_open(*_: object) -> None:
            destroyed_meanwhile(_)

        patched.setattr(vault.environments.environments, "find", find_then_destroy)
        with pytest.raises(NotFound):
            write(vault, lambda unit: vault.environments.history.rollback(unit, ada, "prod", 1))
    assert values(vault, ada, "prod") == {"A": "2"}


def test_a_replaced_secret_reads_on_and_makes_nothing(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    made = add_token(vault, ada, grant("read,delegate", path="prod"), renewable=True, ttl_seconds=3600)
    write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, made.id, 3600))
    thief = as_token(vault, made.secret)
    assert values(vault, thief, "prod") == {"A": "1"}
    request = TokenRequest("child", [grant("read", path="prod")])
    for act in (
        lambda unit: vault.tokens.tokens.rotate(unit, thief, made.id, 0),
        lambda unit: vault.tokens.tokens.create(unit, thief, request),
        lambda unit: vault.tokens.tokens.log_in(unit, thief),
        lambda unit: vault.tokens.tokens.renew(unit, thief, made.id, None),
    ):
        with pytest.raises(Forbidden, match="replaced"):
            write(vault, act)


def test_a_rotation_without_overlap_ends_what_the_token_has_made(vault: Services, ada: Principal) -> None:
    add_environment(vault, ada, "prod", A="1")
    made = add_token(vault, ada, grant("read", path="prod"))
    stolen = write(vault, lambda unit: vault.tokens.tokens.log_in(unit, as_token(vault, made.secret)))
    write(vault, lambda unit: vault.tokens.tokens.rotate(unit, ada, made.id, 0))
    with pytest.raises(NotAuthenticated):
        as_token(vault, stolen.secret)


def test_a_role_that_logs_in_again_and_again_leaves_its_owners_quota_alone(
    vault: Services, ada: Principal, clock: FakeClock
) -> None:
    made = add_token(vault, ada, grant("read", path="*"))
    role = as_token(vault, made.secret)
    first = write(vault, lambda unit: vault.tokens.tokens.log_in(unit, role))
    for _ in range(LOGINS_MOST):
        clock.us += 1
        write(vault, lambda unit: vault.tokens.tokens.log_in(unit, role))
    with pytest.raises(NotAuthenticated):
        as_token(vault, first.secret)
    living = run_sql(vault, "SELECT count(*) FROM tokens WHERE parent_id IS NOT NULL AND revoked_us IS NULL")
    assert living[0][0] == LOGINS_MOST

"""`strongroom user`: accounts, for the operator on the host."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vault.cli.asking import read_new_password
from vault.cli.context import Cli
from vault.cli.erasure import print_erasure
from vault.cli.operators import host
from vault.cli.options import format_option, pass_cli
from vault.cli.render import print_rows
from vault.cli.words import CliError, say, warn
from vault.model.clock import as_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vault import client
    from vault.services import Services
    from vault.services.people.erasure import ErasureReport
    from vault.storage import UnitOfWork

_CALIBRATION_SECONDS = 0.5

password_option = click.option(
    "--password",
    "password_source",
    metavar="-|@FILE",
    help="Read the password from standard input (-) or from a file; by default it is asked for.",
)
generate_option = click.option("--generate", is_flag=True, help="Generate a password and print it.")


@click.group()
def user() -> None:
    """Look after accounts."""


@user.command()
@click.argument("name")
@click.option("--operator", "is_operator", is_flag=True, help="Give the account the role operator.")
@password_option
@generate_option
@pass_cli
def add(cli: Cli, name: str, is_operator: bool, password_source: str | None, generate: bool) -> None:
    """Make an account. An operator must change this password before any other call."""
    from vault.model.principal import Role

    password = _password(cli, password_source, name, generate=generate)
    role = Role.OPERATOR if is_operator else Role.USER
    _set_password(lambda vault, unit: vault.people.accounts.add(unit, host.operator(), name, password, role))
    say(f"The account {name} was created.")
    if generate:
        click.echo(password)


@user.command("list")
@format_option
@pass_cli
def list_users(cli: Cli) -> None:
    """List all accounts."""
    with host.opened_vault() as vault:
        rows = vault.people.accounts.list(host.operator())
    accounts = [{"username": row.name, "role": row.role, "state": row.state, "id": row.id} for row in rows]
    print_rows(cli, accounts, ["username", "role", "state", "id"])


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Disable an account and end its sessions; its tokens stop too, and nothing is lost."""
    with host.opened_vault() as vault, _last_operator_told(vault):
        vault.storage.transaction(
            lambda unit: vault.people.accounts.set_state(unit, host.operator(), name, active=False)
        )
        say(f"The account {name} is disabled.")


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Enable an account again."""
    _change(lambda vault, unit: vault.people.accounts.set_state(unit, host.operator(), name, active=True))
    say(f"The account {name} is enabled.")


@user.command("end-sessions")
@click.argument("name")
@click.option("--tokens", "end_tokens", is_flag=True, help="End the tokens that its sessions have made, too.")
def end_sessions(name: str, end_tokens: bool) -> None:
    """End all sessions of an account, and say which tokens they made. These keep working without --tokens."""
    with host.opened_vault() as vault:
        ended = vault.storage.transaction(
            lambda unit: vault.people.ending.of_person(unit, host.operator(), name, end_tokens=end_tokens)
        )
    say(f"{ended.sessions} active sessions of {name} have ended.")
    if ended.tokens:
        say(f"Its sessions of the last day made these tokens, which {'have ended' if end_tokens else 'still work'}:")
        for token in ended.tokens:
            say(f"  {token.id}")
    if ended.tokens and not end_tokens:
        say("To end them too, give this command again with --tokens.")


@user.command()
@click.argument("name")
@password_option
@generate_option
@pass_cli
def passwd(cli: Cli, name: str, password_source: str | None, generate: bool) -> None:
    """Give an account a new password, and end its sessions. An operator must change it before any other call."""
    password = _password(cli, password_source, name, generate=generate)
    _set_password(lambda vault, unit: vault.people.accounts.set_password(unit, host.operator(), name, password))
    say(f"The account {name} has a new password. Its tokens still work: see strongroom user end-sessions --tokens.")
    if generate:
        click.echo(password)


@user.command("reset-factors")
@click.argument("name")
def reset_factors(name: str) -> None:
    """Take all second factors off an account whose person has lost them, and end its sessions."""
    _change(lambda vault, unit: vault.people.factors.reset(unit, host.operator(), name))
    say(f"The account {name} now needs only its password.")


@user.command()
@click.argument("name")
@click.argument("role", type=click.Choice(["user", "operator"]))
def role(name: str, role: str) -> None:
    """Say what an account may do, and end its sessions."""
    from vault.model.principal import Role

    with host.opened_vault() as vault, _last_operator_told(vault):
        vault.storage.transaction(lambda unit: vault.people.accounts.set_role(unit, host.operator(), name, Role(role)))
        say(f"The account {name} has the role {role}.")


@user.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for the name again.")
@format_option
@pass_cli
def erase(cli: Cli, name: str, yes: bool) -> None:
    """Erase a person for good: keys, environments, sessions and tokens. Nothing brings them back.

    The report says in numbers what went, and where copies remain until when.
    """
    with host.opened_vault() as vault, _last_operator_told(vault):
        found = vault.people.accounts.get(host.operator(), name)
        confirmed = found.name if yes else _typed_again(cli, found.name)
        report = vault.storage.transaction(
            lambda unit: vault.people.erasure.person(unit, host.operator(), found.id, confirmed)
        )
        say(f"The account {found.name} was erased.")
        report, reports = vault.backups.after_erasure(host.operator(), report)
        print_erasure(cli, _with_times(report))
        for each in reports:
            warn(each.warnings)
            if each.error:
                say(f"Warning: {each.place} gets its new list of erased keys only at the next backup: {each.error}")


@user.command()
@click.option(
    "--seconds",
    type=click.FloatRange(0.05, 5),
    default=_CALIBRATION_SECONDS,
    help="The longest time for one password check.",
)
def calibrate(seconds: float) -> None:
    """Find the Argon2id cost that takes about that long on this machine, and print its settings."""
    from vault.crypto import PasswordParameters, hash_password

    memory_kib, passes = host.settings().argon2_memory_kib, 2
    while passes < 16:
        start = time.perf_counter()
        hash_password("a password of usual length", PasswordParameters(memory_kib, passes, 1))
        taken = time.perf_counter() - start
        say(f"{memory_kib // 1024} MiB, {passes} passes: {taken:.2f} s")
        if taken * (passes + 1) / passes > seconds:
            break
        passes += 1
    click.echo(f"STRONGROOM_ARGON2_MEMORY_KIB={memory_kib}")
    click.echo(f"STRONGROOM_ARGON2_PASSES={passes}")


def _typed_again(cli: Cli, name: str) -> str:
    if not cli.can_ask():
        raise CliError("An erasure asks for the name again. There is no terminal to ask: give --yes.")
    say(f"All data of {name} will be shredded. A backup restored by this vault does not bring it back.")
    typed = str(click.prompt("Type the name again", err=True, default="", show_default=False))
    if typed != name:
        raise CliError("The two names differ. Nothing was erased.")
    return typed


@contextmanager
def _last_operator_told(vault: Services) -> Iterator[None]:
    """Warn if the block takes the last active operator away: then only a shell on this host can rotate keys and manage
    accounts.
    """
    had_one = vault.people.accounts.has_operator(host.operator())
    yield
    if had_one and not vault.people.accounts.has_operator(host.operator()):
        say("Warning: there is now no active operator. `strongroom user role NAME operator` makes one.")


def _password(cli: Cli, source: str | None, name: str, *, generate: bool) -> str:
    from vault.crypto import check_new_password

    if generate:
        # 20 random bytes cannot be guessed, and are short enough to type once.
        return secrets.token_urlsafe(20)
    return read_new_password(cli, source, "the new password", lambda given: check_new_password(given, name))


def _change(work: Callable[[Services, UnitOfWork], object]) -> None:
    with host.opened_vault() as vault:
        vault.storage.transaction(lambda unit: work(vault, unit))


def _set_password(work: Callable[[Services, UnitOfWork], object]) -> None:
    with host.opened_vault() as vault:
        if vault.keys.upgrading.has_closed():
            # That a password must be changed can only be stored in the newest row format. A new vault has it closed
            # until its first worker starts.
            vault.keys.upgrading.open(host.operator())
        vault.storage.transaction(lambda unit: work(vault, unit))


def _with_times(report: ErasureReport) -> client.ErasureReport:
    """Return the service's report as the SDK has it."""
    from vault import client

    remains = tuple(
        client.Remains(each.place, None if each.until_us is None else as_datetime(each.until_us), each.sentence)
        for each in report.remains
    )
    return client.ErasureReport(
        user_id=report.user_id,
        erased_at=as_datetime(report.erased_us),
        environments=report.environments,
        revisions=report.revisions,
        user_keys=report.user_keys,
        data_keys=report.data_keys,
        sessions=report.sessions,
        tokens=report.tokens,
        audit_events=report.audit_events,
        remains=remains,
    )

"""`strongroom keys`: the vault's keys, for the operator on the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from vault.cli.context import Cli
from vault.cli.operators import host
from vault.cli.options import format_option, not_empty, pass_cli
from vault.cli.progress import Counted, progress_bar
from vault.cli.render import print_data, print_rows
from vault.cli.words import FAULTS_NAMED, CliError, say
from vault.model.clock import as_datetime, now_us

if TYPE_CHECKING:
    from vault.services.keys.master import KeyStatus
    from vault.services.pace import Progress

_COLUMNS = ["version", "provider", "state", "age_days", "user_keys", "workers", "note"]

pace_option = click.option(
    "--max-per-second",
    type=click.IntRange(1),
    metavar="N",
    help="Process at most N keys or rows per second, so that other work is not delayed.",
)


@click.group()
def keys() -> None:
    """Look after the master key and the keys beneath it."""


@keys.command()
@format_option
@pass_cli
def status(cli: Cli) -> None:
    """Show each version: its provider, state and age, how many user keys it wraps, and which workers know it."""
    with host.opened_vault() as vault:
        found = vault.keys.master.status(host.operator())
    if cli.settings.format == "table":
        print_rows(cli, list(_rows(found)), _COLUMNS)
        for worker in found.workers:
            knows = "is locked" if worker.is_locked else f"knows version {worker.knows_version}"
            say(f"Worker {worker.pid} on {worker.host} {knows}.")
    else:
        print_data(cli, {"versions": list(_rows(found)), "workers": found.workers})


@keys.command()
@click.option(
    "--provider",
    metavar="NAME",
    callback=not_empty,
    help="Make the new version with this provider, and use that provider from now on.",
)
@click.option(
    "--user",
    "username",
    metavar="NAME",
    callback=not_empty,
    help="Rotate this person's key instead of the master key.",
)
@click.option("--system", "is_system", is_flag=True, help="Rotate the system key instead of the master key.")
def rotate(provider: str | None, username: str | None, is_system: bool) -> None:
    """Make a new key the active one: the master key's, a person's, or the vault's own."""
    if sum(map(bool, (provider, username, is_system))) > 1:
        raise click.UsageError("--provider, --user and --system cannot be used together.")
    if username or is_system:
        _rotate_beneath(username)
        return
    with host.opened_vault() as vault:
        if provider:
            # Refuse an unknown provider, or one without settings, before anybody is told to wait.
            vault.instance.keyring.provider(provider)
        say("Waiting until every worker can use the new version.")
        version = vault.keys.master.rotate(host.operator(), provider)
        left = vault.keys.rewrapping.left(host.operator())
    say(f"Version {version} of the master key is active.")
    if left:
        say(f"{left:,} keys still use older versions. `strongroom keys rewrap` moves them now; workers do it slowly.")


@keys.command()
@pace_option
def rewrap(max_per_second: int | None) -> None:
    """Move every user key under the active version; it may be stopped and started again at any time."""
    from vault.services.pace import Pace

    with host.opened_vault() as vault, counted_progress("Rewrapping") as progress:
        done = vault.keys.rewrapping.run(host.operator(), Pace(max_per_second), progress)
        found = vault.keys.master.status(host.operator())
    active = next(each for each in found.versions if each.state == "active")
    older = sum(each.user_keys for each in found.versions) - active.user_keys
    say(f"This command rewrapped {done.done:,} keys. Workers may have rewrapped others at the same time.")
    say(f"{active.user_keys:,} keys are under version {active.version}, which is active, {older:,} under older ones.")
    if done.broken:
        raise CliError(
            f"{len(done.broken)} keys cannot be opened and were not moved: {', '.join(done.broken[:FAULTS_NAMED])}."
        )


@keys.command()
@click.argument("version", type=click.IntRange(1))
@click.option("--undo", is_flag=True, help="Enable a retired version again. A restore of an old backup may need it.")
def retire(version: int, undo: bool) -> None:
    """Disable a version that nothing refers to any more; its provider refuses it from then on."""
    with host.opened_vault() as vault:
        if undo:
            vault.keys.master.restore(host.operator(), version)
        else:
            vault.keys.master.retire(host.operator(), version)
    say(f"Version {version} is {'enabled again' if undo else 'disabled'}.")


@keys.command()
@click.argument("version", type=click.IntRange(1))
@click.option("--now", "at_once", is_flag=True, help="Skip the waiting time (STRONGROOM_KEY_DESTROY_WAIT_DAYS).")
@pass_cli
def destroy(cli: Cli, version: int, at_once: bool) -> None:
    """Destroy a version for good; refused while anything refers to it. Backups that need it are lost with it."""
    if at_once:
        _ask_twice(cli, version)
    with host.opened_vault() as vault:
        vault.keys.master.destroy(host.operator(), version, now=at_once)
    say(f"Version {version} was destroyed.")


@keys.command()
@pace_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_cli
def reseal(cli: Cli, max_per_second: int | None, yes: bool) -> None:
    """Seal everything under new keys, the vault's own too: the answer to a leaked master key.

    Rotate first, so that the new keys lie under a new version. Every session ends at once; a service token goes on
    when it is used within STRONGROOM_RESEAL_GRACE_HOURS, and is refused for good when it is not.
    """
    from vault.services.pace import Pace

    with host.opened_vault() as vault:
        before = vault.keys.reseal.status(host.operator())
        if before.began_us is None and not yes:
            if not cli.can_ask():
                raise CliError("A reseal ends every session. There is no terminal to confirm this: give --yes.")
            click.confirm("Every session will end, and everything will be sealed again. Begin", abort=True, err=True)
        with counted_progress("Resealing") as progress:
            vault.keys.reseal.run(host.operator(), Pace(max_per_second), progress)
        after = vault.keys.reseal.status(host.operator())
    say("Everything is sealed and signed with new keys. The old keys are refused.")
    if after.tokens_left and after.refused_us is not None:
        until = f"{as_datetime(after.refused_us):%Y-%m-%d %H:%M}Z"
        say(f"{after.tokens_left:,} service tokens have not been used since. They are refused from {until}.")
    say("Values that the old keys opened may be known to others. Tell people to change them.")


def _rotate_beneath(username: str | None) -> None:
    with host.opened_vault() as vault:
        if username:
            vault.keys.people.rotate(host.operator(), username)
        else:
            vault.keys.system.rotate(host.operator())
    say(f"{username} has a new key." if username else "The vault has a new system key.")


@contextmanager
def counted_progress(what: str) -> Iterator[Progress]:
    """Show a progress bar. After Ctrl-C, print how much is done."""
    counted = Counted()
    try:
        with progress_bar(what) as counted.report:
            yield counted
    except KeyboardInterrupt:
        say(f"{counted.done:,} are done. Run the same command again to do the rest.")
        raise


def _ask_twice(cli: Cli, version: int) -> None:
    if not cli.can_ask():
        raise CliError("--now needs two confirmations, and there is no terminal to ask for them.")
    click.confirm(f"Backups that need version {version} can never be opened again. Destroy it", abort=True, err=True)
    again = click.prompt("Type the number of the version again", type=int, err=True)
    if again != version:
        raise CliError("The two numbers differ. Nothing was destroyed.")


def _rows(found: KeyStatus) -> Iterator[dict[str, object]]:
    now = as_datetime(now_us())
    for each in found.versions:
        created = as_datetime(each.created_us)
        note = ""
        if each.destroyable_us is not None:
            note = f"may be destroyed from {as_datetime(each.destroyable_us):%Y-%m-%d %H:%M}Z"
        yield {
            "version": each.version,
            "provider": each.provider,
            "state": each.state,
            "created_at": created,
            "age_days": (now - created).days,
            "user_keys": each.user_keys,
            "workers": f"{each.workers} of {len(found.workers)}",
            "note": note,
        }

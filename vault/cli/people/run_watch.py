"""`strongroom run --watch`: its options, and the parts that it is made of."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypedDict, TypeVar

import click

from vault.cli.options import not_empty
from vault.cli.words import tell

if TYPE_CHECKING:
    from vault.cli.people.merging import Merging
    from vault.cli.people.source import Source
    from vault.cli.people.supervising import Plan

P = ParamSpec("P")
R = TypeVar("R")

DEBOUNCE_SECONDS = 2.0
GRACE_SECONDS = 10.0
_SECONDS = click.FloatRange(0, 3600)

_SIGNALS = {
    each.name: each
    for each in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGINT, signal.SIGTERM)
}


class WatchOptions(TypedDict):
    """The options of `--watch`; None for one that is not given."""

    watch: bool
    debounce: float | None
    grace: float | None
    restart_jitter: float | None
    signal_: signal.Signals | None
    on_change: str | None


def _as_signal(_context: click.Context, _parameter: click.Parameter, text: str | None) -> signal.Signals | None:
    if text is None:
        return None
    name = "SIG" + text.upper().removeprefix("SIG")
    if name not in _SIGNALS:
        known = ", ".join(each.removeprefix("SIG") for each in _SIGNALS)
        raise click.BadParameter(f"{text!r} is not one of {known}.")
    return _SIGNALS[name]


def watch_options(function: Callable[P, R]) -> Callable[P, R]:
    """`--watch` and what goes with it."""
    options = (
        click.option("--watch", is_flag=True, help="Start COMMAND again whenever its values change."),
        click.option(
            "--debounce",
            type=_SECONDS,
            metavar="SECONDS",
            help=f"With --watch: wait until nothing has changed for this long.  [default: {DEBOUNCE_SECONDS:g}]",
        ),
        click.option(
            "--grace",
            type=_SECONDS,
            metavar="SECONDS",
            help=f"With --watch: the time from SIGTERM to SIGKILL at a restart.  [default: {GRACE_SECONDS:g}]",
        ),
        click.option(
            "--restart-jitter",
            type=_SECONDS,
            metavar="SECONDS",
            help="With --watch: wait for a random time up to this, so that not all machines restart at once.",
        ),
        click.option(
            "--signal",
            "signal_",
            metavar="NAME",
            callback=_as_signal,
            help="With --watch: send this signal, such as HUP, instead of a restart.",
        ),
        click.option(
            "--on-change",
            metavar="SCRIPT",
            callback=not_empty,
            help="With --watch: run SCRIPT in /bin/sh with the new values, instead of a restart.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def plan_from(command: tuple[str, ...], options: WatchOptions) -> Plan | None:
    """Return what to do after a change, or None without `--watch`. Raises `UsageError`."""
    given = [f"--{name.strip('_').replace('_', '-')}" for name, value in options.items() if value not in (None, False)]
    if not options["watch"]:
        if given:
            raise click.UsageError(f"{given[0]} needs --watch.")
        return None
    if options["signal_"] is not None and options["on_change"] is not None:
        raise click.UsageError("--signal and --on-change cannot be used together.")
    from vault.cli.people.supervising import Plan

    return Plan(
        command,
        DEBOUNCE_SECONDS if options["debounce"] is None else options["debounce"],
        GRACE_SECONDS if options["grace"] is None else options["grace"],
        options["restart_jitter"] or 0.0,
        options["signal_"],
        options["on_change"],
    )


def run_watched(plan: Plan, source: Source, merging: Merging, environment: Mapping[bytes, bytes]) -> NoReturn:
    """Run the program with `environment` first, and follow its values second. Ends this process as the program ends."""
    from vault.cli.people.following import Feed
    from vault.cli.people.programs import NotStarted
    from vault.cli.people.signals import Signals
    from vault.cli.people.supervising import Supervisor, end_as

    with Signals() as signals:
        feed = Feed(source.watch, wake=signals.wake, refused=source.refused)
        supervisor = Supervisor(plan, signals, feed, merging.environment_of)
        try:
            supervisor.begin(environment)
            feed.start()
            source.keep_up()
            status = supervisor.wait()
        except NotStarted as error:
            tell(error.message)
            status = error.exit_code << 8
        end_as(status)

"""`run --watch`: what the program gets when its values change. Real processes, and a feed that a test writes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.support.patience import eventually, slowness
from tests.support.watched import DIARY, PATIENT, WatchedRun

STUBBORN = DIARY + "signal.signal(signal.SIGTERM, lambda *_: note('asked'))\n" + PATIENT
"""It ignores SIGTERM."""


def test_a_change_starts_the_program_again_with_the_new_values(home: Path) -> None:
    with WatchedRun(home, PATIENT) as run:
        run.until("start 1")
        run.tell({"A": "1"}, {"A": "2"})
        run.until("start 2")
        assert len({line.split()[-1] for line in run.diary}) == 2
        assert run.said == "strongroom: The values have changed. The program is started again.\n"
        # No zombie: the kernel lists every child that has not been waited for.
        children = Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()
        assert children == [run.diary[-1].split()[-1]]


def test_fifty_changes_in_a_row_are_one_restart(home: Path) -> None:
    # The feed tells one each 5 ms. On a busy machine it may pause for longer.
    with WatchedRun(home, PATIENT, f"--debounce={max(1.0, slowness()):g}") as run:
        run.until("start 1")
        run.tell(*({"A": str(number)} for number in range(2, 52)))
        run.until("start 51")
        assert run.starts() == ["1", "51"]
        # A program that is ended at once writes no diary.
        assert run.said.count("started again") == 1


def test_a_name_that_is_left_out_is_no_difference(home: Path) -> None:
    with WatchedRun(home, PATIENT, "--allow-name=NODE_OPTIONS") as run:
        run.until("start 1")
        run.tell({"A": "1", "LD_PRELOAD": "/evil.so"}, {"A": "1", "LD_PRELOAD": "/evil2.so", "PATH": "/evil"})
        run.until_said("PATH is left out")
        assert run.said.count("LD_PRELOAD is left out") == 1
        run.tell({"A": "1", "LD_PRELOAD": "/evil.so", "NODE_OPTIONS": "-r /x.js"})
        assert eventually(lambda: len(run.starts()) == 2)
        assert run.said.count("started again") == 1
        assert "evil" not in run.said
        assert all(line.startswith("strongroom: ") for line in run.said.splitlines())


@pytest.mark.parametrize("error", ["Unreachable", "VaultLocked"])
def test_the_program_goes_on_while_the_vault_is_away(error: str, home: Path) -> None:
    with WatchedRun(home, PATIENT) as run:
        run.until("start 1")
        run.tell({"interruption": error})
        run.until_said("strongroom: Warning: Changes are not followed at the moment: ")
        assert run.said.count("not followed") == 1
        assert "The program goes on with the values that it has." in run.said
        run.tell({"A": "2"})
        run.until("start 2")
        assert "strongroom: Changes are followed again.\n" in run.said


def test_a_feed_that_breaks_is_begun_again(home: Path) -> None:
    with WatchedRun(home, PATIENT) as run:
        run.until("start 1")
        run.tell({"error": "Unreachable"}, {"error": "Unreachable"}, {"A": "2"})
        run.until("start 2")
        assert run.said.count("not followed") == 1


@pytest.mark.parametrize("error", ["NotAuthenticated", "Forbidden"])
def test_the_program_goes_on_when_the_vault_refuses(error: str, home: Path) -> None:
    with WatchedRun(home, DIARY + PATIENT) as run:
        run.until("start 1")
        run.tell({"error": error}, {"A": "2"})
        run.until_said("strongroom: Warning: Changes are not followed any more: ")
        assert run.process.poll() is None
        os.kill(run.process.pid, signal.SIGTERM)
        assert run.ended() == -signal.SIGTERM
        assert run.starts() == ["1"]


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(home: Path) -> None:
    with WatchedRun(home, STUBBORN, "--grace=0.3") as run:
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("start 2")
        assert [line.split()[0] for line in run.diary] == ["start", "asked", "start"]
        assert "The program did not end within 0.3 s, so it is killed." in run.said


def test_what_the_program_has_started_ends_too(home: Path) -> None:
    # The program ends at once, and its child ignores SIGTERM: it may have a port that the new program needs.
    child = "import signal, time; signal.signal(15, signal.SIG_IGN); note('child'); time.sleep(600)"
    code = DIARY + f"if not os.fork():\n    {child}\n" + PATIENT
    with WatchedRun(home, code, "--grace=0.3") as run:
        run.until("child")
        run.until("start 1")
        group = int(run.diary[[line[:5] for line in run.diary].index("start")].split()[-1])
        run.tell({"A": "2"})
        run.until("start 2")
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)


@pytest.mark.parametrize(("end", "code"), [("sys.exit(7)", 7), ("os.kill(os.getpid(), 9)", -9)])
def test_its_end_is_the_programs(end: str, code: int, home: Path) -> None:
    with WatchedRun(home, DIARY + end) as run:
        assert run.ended() == code
        assert "Traceback" not in run.said


def test_a_program_that_ends_while_a_change_waits_is_not_started_again(home: Path) -> None:
    code = DIARY + "note('start', 1, os.getpid())\nwhile not os.path.exists('go'): time.sleep(0.01)\nsys.exit(7)"
    with WatchedRun(home, code, "--debounce=600") as run:
        run.until("start 1")
        run.tell({"A": "2"})
        assert eventually(lambda: (home / "PLACE").exists())
        (home / "go").touch()
        assert run.ended() == 7
        assert len(run.starts()) == 1


def test_a_program_that_fails_after_a_restart_is_not_started_again(home: Path) -> None:
    code = PATIENT.replace("while True", "sys.exit(3) if os.environ['A'] == '2' else None\nwhile True")
    with WatchedRun(home, code) as run:
        run.until("start 1")
        run.tell({"A": "2"}, {"A": "2"})
        assert run.ended() == 3
        assert run.starts() == ["1", "2"]


def test_signals_are_passed_on_once_each(home: Path) -> None:
    numbers = [getattr(signal, f"SIG{name}") for name in "USR1 USR2 HUP QUIT INT WINCH TERM".split()]
    code = DIARY + f"for each in {list(map(int, numbers))}: signal.signal(each, lambda n, _: note('got', n))\n"
    with WatchedRun(home, code + PATIENT) as run:
        run.until("start 1")
        for number in numbers:
            os.kill(run.process.pid, number)
            run.until(f"got {int(number)}")
        assert len(run.diary) == 1 + len(numbers)


def test_it_dies_of_the_signal_that_ends_the_program(home: Path) -> None:
    with WatchedRun(home, PATIENT) as run:
        run.until("start 1")
        os.kill(run.process.pid, signal.SIGTERM)
        assert run.ended() == -signal.SIGTERM


def test_no_restart_follows_a_sigterm(home: Path) -> None:
    # It takes its time to end, and meanwhile its values change.
    code = DIARY + "signal.signal(15, lambda *_: (note('asked'), time.sleep(1), sys.exit(5)))\n" + PATIENT
    with WatchedRun(home, code, "--debounce=0") as run:
        run.until("start 1")
        os.kill(run.process.pid, signal.SIGTERM)
        run.until("asked")
        run.tell({"A": "2"})
        assert run.ended() == 5
        assert run.starts() == ["1"]


def test_a_sigterm_during_a_restart_ends_it(home: Path) -> None:
    with WatchedRun(home, STUBBORN, "--grace=1") as run:
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("asked")
        os.kill(run.process.pid, signal.SIGTERM)
        assert run.ended() == -signal.SIGKILL
        assert run.starts() == ["1"]


def test_ctrl_c_during_a_restart_ends_it(home: Path) -> None:
    # A terminal sends SIGINT to the program, and nothing to the run.
    with WatchedRun(home, STUBBORN.replace(PATIENT, "signal.signal(2, 0)\n" + PATIENT), "--grace=600") as run:
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("asked")
        os.kill(int(run.diary[0].split()[-1]), signal.SIGINT)
        assert run.ended() == -signal.SIGINT
        assert run.starts() == ["1"]


def test_nohup_stays(home: Path) -> None:
    with WatchedRun(home, PATIENT) as first:
        command = first.command
    code = "import os, signal, sys; signal.signal(1, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    show = DIARY + "note(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    environment = os.environ | {"STRONGROOM_NO_KEYCHAIN": "1"}
    subprocess.run(
        [command[0], "-c", code, *command[:-1], show],
        cwd=home,
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3])},
        check=True,
    )
    assert "True" in first.diary


def test_a_signal_instead_of_a_restart(home: Path) -> None:
    code = DIARY + "signal.signal(1, lambda *_: note('reload', os.environ['A']))\n" + PATIENT
    with WatchedRun(home, code, "--signal=sighup") as run:
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("reload 1")
        run.tell({"A": "1"}, {"A": "2"}, {"A": "3"})
        assert eventually(lambda: run.diary.count("reload 1") == 2)
        assert run.starts() == ["1"]


def test_a_command_instead_of_a_restart(home: Path) -> None:
    script = 'echo "hook $A" >> diary; echo out; exit 4'
    with WatchedRun(home, PATIENT, f"--on-change={script}") as run:
        run.until("start 1")
        run.tell({"A": "2 3"})
        run.until("hook 2 3")
        run.until_said("ended with exit code 4. It runs again at the next change.")
        run.tell({"A": "4"})
        run.until("hook 4")
        assert run.starts() == ["1"]
        # Standard output has the data of the program alone.
        assert (home / "out").read_text() == ""


def test_new_values_that_no_program_takes_leave_the_old_ones(home: Path) -> None:
    with WatchedRun(home, PATIENT) as run:
        run.until("start 1")
        run.tell({"A": "canary" * 50_000})
        assert eventually(lambda: run.starts() == ["1", "1"]), run.said
        assert "Too large: A (300,003 bytes). The program is started again with the values that it had." in run.said
        run.tell({"A": "canary\0"})
        run.until_said("The new values are not used. The value of A contains a NUL character")
        assert "canary" not in run.said


def test_a_wanted_value_that_goes_leaves_the_old_ones(home: Path) -> None:
    with WatchedRun(home, PATIENT, "--only=A") as run:
        run.until("start 1")
        run.tell({"B": "2"})
        run.until_said("The new values are not used. There is no value for A here.")
        run.tell({"A": "2"})
        run.until("start 2")
        assert run.starts() == ["1", "2"]


def test_a_restart_may_wait_for_a_random_time(home: Path) -> None:
    with WatchedRun(home, PATIENT, "--restart-jitter=0.3") as run:
        run.until("start 1")
        run.tell({"A": "2"})
        run.until("start 2")


def test_a_reader_that_leaves_ends_the_pipe(home: Path) -> None:
    read, write = os.pipe()
    with WatchedRun(home, "while True: print('y')", stdout=write) as run, os.fdopen(read, "rb") as reader:
        os.close(write)
        assert reader.readline() == b"y\n"
        reader.close()
        assert run.ended() == 1
    with WatchedRun(home, "import signal\nsignal.signal(13, 0)\nwhile True: print('y')", stdout=subprocess.PIPE) as run:
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.ended() == -signal.SIGPIPE


def test_nobody_reads_what_it_says(home: Path) -> None:
    read, write = os.pipe()
    with WatchedRun(home, PATIENT, stderr=write) as run:
        os.close(write)
        os.close(read)
        run.until("start 1")
        run.tell({"interruption": "Unreachable"}, {"A": "2"})
        run.until("start 2")


def test_a_program_that_cannot_be_executed_is_told(home: Path) -> None:
    with WatchedRun(home, PATIENT) as run:
        pass
    command = [*run.command[: run.command.index("--") + 1], "no-such-program"]
    found = subprocess.run(
        command, cwd=home, env={"PATH": "/usr/bin", "PYTHONPATH": str(Path(__file__).parents[3])}, capture_output=True
    )
    assert (found.returncode, found.stderr) == (127, b"strongroom: The program no-such-program was not found.\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--debounce=1"], "--debounce needs --watch."),
        (["--restart-jitter=1"], "--restart-jitter needs --watch."),
        (["--signal=HUP"], "--signal needs --watch."),
        (["--on-change=x"], "--on-change needs --watch."),
        (["--watch", "--signal=HUP", "--on-change=x"], "cannot be used together"),
        (["--watch", "--signal=KILL"], "is not one of HUP"),
        (["--watch", "--on-change="], "It is empty"),
        (["--watch", "--grace=-1"], "not in the range"),
        (["--offline-for=0"], "from 1s to 30d"),
        (["--offline-for=31d"], "from 1s to 30d"),
        (["--offline-for=soon"], "not a duration"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: list[str], sentence: str, strongroom: Strongroom) -> None:
    result = strongroom("run", "-e", "prod", *options, "--", "echo", "ran")
    assert result.exit_code == 1
    assert sentence in result.stderr

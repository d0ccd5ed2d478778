"""The timers and services of backups: nothing that systemd complains of, the server's own shelter, known settings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.patience import HANG_SECONDS
from vault import settings

FOLDER = Path(__file__).parents[2] / "deploy/systemd"
SERVER = (FOLDER / "strongroom.service").read_text()
KINDS = ("strongroom-backup", "strongroom-backup-recent")
SHELTER = re.compile(
    r"^((?:Protect|Private|Restrict|SystemCall|Memory(?!Max)|Lock|NoNew|Capab|Ambient|LimitCORE|ProcSub|RemoveIPC)\w*=.*)$",
    re.MULTILINE,
)


def unit(name: str) -> str:
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_systemd_finds_nothing_wrong(kind: str, tmp_path: Path) -> None:
    assert re.findall(r"^ExecStart=(.*)$", unit(f"{kind}.service"), re.MULTILINE)
    program = shutil.which("systemd-analyze")
    if program is None:
        # Not every system is systemd's; the facts below hold all the same.
        return
    for suffix in ("service", "timer"):
        text = unit(f"{kind}.{suffix}").replace("/opt/strongroom/bin/strongroom", sys.executable)
        (tmp_path / f"{kind}.{suffix}").write_text(text)
    paths = [str(tmp_path / f"{kind}.{suffix}") for suffix in ("service", "timer")]
    verified = subprocess.run([program, "verify", *paths], capture_output=True, text=True, timeout=HANG_SECONDS)
    # It exits 0 on keys that it does not know, so what it prints is what counts.
    assert [line for line in (verified.stdout + verified.stderr).splitlines() if "strongroom" in line] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_is_sheltered_as_the_server_is(kind: str) -> None:
    shelter = SHELTER.findall(SERVER)
    assert len(shelter) > 25
    assert SHELTER.findall(unit(f"{kind}.service")) == shelter


@pytest.mark.parametrize("kind", KINDS)
def test_its_settings_are_known_and_its_directories_its_own(kind: str, tmp_path: Path) -> None:
    text = unit(f"{kind}.service")
    for name in re.findall(r"^LoadCredential=(\S+?):", text, re.MULTILINE):
        (tmp_path / name).write_text("postgresql://db/strongroom\n")
    environ = dict(re.findall(r"^Environment=(STRONGROOM_\w+)=(.*)$", text, re.MULTILINE))
    loaded = settings.load({name: value.replace("%d", str(tmp_path)) for name, value in environ.items()})
    directories = {str(loaded.data_dir), str(loaded.keyring.parent), loaded.backup_to.removeprefix("dir:")}
    stated = re.findall(r"^StateDirectory=(.*)$", text, re.MULTILINE)[0].split()
    assert directories == {f"/var/lib/{name}" for name in stated}


def test_the_timers_say_when() -> None:
    assert "\nOnCalendar=daily\n" in unit("strongroom-backup.timer")
    assert "\nPersistent=yes\n" in unit("strongroom-backup.timer")
    assert "\nOnCalendar=*:0/5\n" in unit("strongroom-backup-recent.timer")
    assert "backup create --if-changed\n" in unit("strongroom-backup-recent.service")

"""The keyring file: made once, read only when it is nobody else's, replaced in one step."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vault.errors import BlobError, KeyProviderError, KeyringError
from vault.keys import PROVIDERS, FileProvider
from vault.settings import load

INSTANCE, OTHER_INSTANCE = (str(uuid.uuid4()) for _ in range(2))
SECRET = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring" / "master.json"


@pytest.fixture
def provider(path: Path) -> FileProvider:
    return FileProvider.create(path, INSTANCE)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_with_modes_0700_and_0600_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        FileProvider.create(path, INSTANCE).create_version()
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert {file.name: mode(file) for file in path.parent.iterdir()} == {
        "master.json": 0o600,
        "master.json.lock": 0o600,
    }


def test_an_existing_keyring_is_never_replaced(provider: FileProvider, path: Path) -> None:
    provider.create_version()
    before = path.read_bytes()
    for instance_id in (INSTANCE, OTHER_INSTANCE):
        with pytest.raises(KeyringError, match="never replaces"):
            FileProvider.create(path, instance_id)
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*"))


def test_not_even_a_dangling_link_is_replaced(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.symlink_to("nowhere")
    with pytest.raises(KeyringError, match="never replaces"):
        FileProvider.create(path, INSTANCE)
    assert path.is_symlink()


def test_what_it_wraps_is_unwrapped_by_another_process_that_opens_it_later(provider: FileProvider, path: Path) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, b"place")
    program = (
        "import sys; from vault.keys import FileProvider; "
        "print(FileProvider(sys.argv[1], sys.argv[2]).unwrap(sys.argv[3], bytes.fromhex(sys.argv[4]), b'place').hex())"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(path), INSTANCE, ref, wrapped.hex()],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert found.stdout.strip() == SECRET.hex()


def test_a_version_that_another_process_made_is_seen_at_once(provider: FileProvider, path: Path) -> None:
    provider.probe()
    other = FileProvider(path, INSTANCE)
    ref = other.create_version()
    assert provider.unwrap(ref, other.wrap(ref, SECRET, b""), b"") == SECRET
    other.disable(ref)
    with pytest.raises(KeyProviderError, match="disabled"):
        provider.wrap(ref, SECRET, b"")


def test_the_file_is_parsed_again_only_when_it_changed(provider: FileProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = provider.create_version()
    provider.probe()
    monkeypatch.setattr("vault.keys.safefile.read", lambda *_: pytest.fail("the file was read"))
    provider.wrap(ref, SECRET, b"")


def test_versions_made_at_once_are_all_kept(provider: FileProvider, path: Path) -> None:
    def make(_: int) -> str:
        return FileProvider(path, INSTANCE).create_version()

    with ThreadPoolExecutor(6) as pool:
        refs = list(pool.map(make, range(24)))
    assert {version["ref"] for version in json.loads(path.read_bytes())["versions"]} == set(refs)


def test_a_destroyed_key_is_no_longer_in_the_file(provider: FileProvider, path: Path) -> None:
    ref, kept = provider.create_version(), provider.create_version()
    keys = {version["ref"]: version["key"] for version in json.loads(path.read_bytes())["versions"]}
    provider.destroy(ref)
    text = path.read_text(encoding="utf-8")
    assert keys[ref] not in text
    assert keys[kept] in text
    assert ref in text


def test_destroying_what_never_was_is_nothing(provider: FileProvider) -> None:
    provider.destroy(str(uuid.uuid4()))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    provider: FileProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = provider.create_version()
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(f"vault.keys.safefile.os.{step}", full)
            with pytest.raises(KeyringError, match="No space left"):
                provider.create_version()
        assert path.read_bytes() == before
        assert not list(path.parent.glob(".*"))
    assert provider.wrap(ref, SECRET, b"")


def test_everything_is_on_the_disk_before_the_old_file_goes(
    provider: FileProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("fsync directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def noted_replace(*arguments: Any, **named: Any) -> None:
        steps.append("rename")
        replace(*arguments, **named)

    monkeypatch.setattr("vault.keys.safefile.os.fsync", noted_fsync)
    monkeypatch.setattr("vault.keys.safefile.os.replace", noted_replace)
    provider.create_version()
    assert steps == ["fsync file", "rename", "fsync directory"]


def test_what_a_killed_process_left_is_swept_away(provider: FileProvider, path: Path) -> None:
    left = path.parent / ".master.json.0123456789abcdef.tmp"
    left.write_text("half a keyring", encoding="utf-8")
    provider.create_version()
    assert not left.exists()


def chmod(path: Path, mode: int) -> None:
    path.chmod(mode)


def as_symlink(path: Path) -> None:
    path.rename(path.with_name("elsewhere.json"))
    path.symlink_to("elsewhere.json")


def directory_as_symlink(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to("elsewhere")


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


TRAPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "file readable by the group": (lambda path: chmod(path, 0o640), r"mode 0640.*chmod 0600"),
    "file readable by all": (lambda path: chmod(path, 0o644), r"mode 0644.*chmod 0600"),
    "directory readable by all": (lambda path: chmod(path.parent, 0o755), r"mode 0755.*chmod 0700"),
    "directory writable by the group": (lambda path: chmod(path.parent, 0o720), r"mode 0720.*chmod 0700"),
    "symlink": (as_symlink, r"symbolic link.*STRONGROOM_KEYRING"),
    "directory is a symlink": (directory_as_symlink, r"symbolic link.*STRONGROOM_KEYRING"),
    "missing": (lambda path: path.unlink(), r"file .* is missing.*[Rr]estore.*STRONGROOM_KEYRING"),
    "directory missing": (lambda path: path.parent.rename(path.parent.with_name("x")), r"directory .* is missing"),
    "fifo": (as_fifo, "not a regular file"),
    "a directory": (as_directory, "not a regular file"),
    "huge": (lambda path: path.write_bytes(b" " * 2_000_000), "or is too large"),
    "empty": (lambda path: path.write_bytes(b""), "damaged.*backup"),
    "not JSON": (lambda path: path.write_bytes(b"{"), "damaged.*backup"),
    "not text": (lambda path: path.write_bytes(b"\xff\xfe"), "damaged.*backup"),
    "deep JSON": (lambda path: path.write_bytes(b"[" * 100_000), "damaged.*backup"),
    "a list": (lambda path: path.write_bytes(b"[]"), "damaged.*backup"),
    "no versions": (lambda path: path.write_bytes(b'{"format":1,"instance":"x"}'), "damaged.*backup"),
    "another format": (lambda path: path.write_bytes(b'{"format":2,"instance":"x","versions":[]}'), "format 2"),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_attack_11_a_keyring_that_is_not_safe_is_refused_with_what_to_do(
    provider: FileProvider, path: Path, trap: str
) -> None:
    ref = provider.create_version()
    spring, sentence = TRAPS[trap]
    spring(path)
    with pytest.raises(KeyringError, match=sentence):
        FileProvider(path, INSTANCE)
    with pytest.raises(KeyringError, match=sentence):
        provider.wrap(ref, SECRET, b"")


def test_attack_11_another_vaults_keyring_is_refused_by_name(provider: FileProvider, path: Path) -> None:
    provider.create_version()
    with pytest.raises(KeyringError, match=f"another vault.*{INSTANCE}.*{OTHER_INSTANCE}.*STRONGROOM_KEYRING"):
        FileProvider(path, OTHER_INSTANCE)


@pytest.mark.parametrize("which", ["file", "directory"])
def test_attack_11_another_users_keyring_is_refused(
    provider: FileProvider, path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fstat

    def foreign(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if stat.S_ISDIR(found.st_mode) != (which == "directory"):
            return found
        fields = list(found)
        fields[4] = os.geteuid() + 1
        return os.stat_result(fields)

    monkeypatch.setattr("vault.keys.safefile.os.fstat", foreign)
    with pytest.raises(KeyringError, match=f"{which} .* belongs to the user.*chown"):
        FileProvider(path, INSTANCE)


def change(path: Path, **changes: Any) -> None:
    document = json.loads(path.read_bytes())
    document["versions"][0].update(changes)
    path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": ""},
        {"key": "AAAA"},
        {"key": "not base64!"},
        {"key": None},
        {"ref": "1"},
        {"ref": None},
        {"state": "open"},
        {"state": "destroyed"},
    ],
    ids=str,
)
def test_a_damaged_version_is_refused_without_its_key_in_the_traceback(
    provider: FileProvider, path: Path, changes: dict[str, Any]
) -> None:
    provider.create_version()
    change(path, **changes)
    with pytest.raises(KeyringError, match="damaged") as caught:
        FileProvider(path, INSTANCE)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_version_under_another_key_does_not_unwrap(provider: FileProvider, path: Path) -> None:
    ref = provider.create_version()
    wrapped = provider.wrap(ref, SECRET, b"")
    change(path, key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    with pytest.raises(BlobError):
        provider.unwrap(ref, wrapped, b"")


def test_making_it_where_nobody_may_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(KeyringError, match="cannot be created"):
        FileProvider.create(tmp_path / "taken" / "keyring" / "master.json", INSTANCE)


def test_making_it_in_a_directory_that_is_open_to_others_is_refused(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    with pytest.raises(KeyringError, match="chmod 0700"):
        FileProvider.create(path, INSTANCE)
    assert list(path.parent.iterdir()) == []


def test_a_keyring_says_whose_it_is(provider: FileProvider, path: Path) -> None:
    assert json.loads(path.read_bytes())["instance"] == INSTANCE


def test_the_registered_factory_opens_the_keyring_of_the_settings(provider: FileProvider, path: Path) -> None:
    settings = load({"STRONGROOM_KEYRING": str(path)})
    assert PROVIDERS["file"].load().from_settings(settings, INSTANCE).name == "file"

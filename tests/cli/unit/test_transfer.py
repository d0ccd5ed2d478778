"""`export` and `import`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport, answer, text

PLAN = {"plan": {"added": ["A"], "changed": [], "removed": ["B"], "unchanged": []}, "revision": 4, "warnings": ["w"]}


@pytest.fixture
def exporting(server: FakeTransport) -> FakeTransport:
    for name in ("dotenv", "json", "yaml", "shell"):
        server.on("GET", f"/environments/prod/export?format={name}", text(f"{name} canary\n", '["X is left out."]'))
    return server


def test_an_export_is_data_on_stdout_and_words_on_stderr(strongroom: Strongroom, exporting: FakeTransport) -> None:
    result = strongroom("export", "-e", "prod")
    assert (result.stdout, result.stderr) == ("dotenv canary\n", "Warning: X is left out.\n")


def test_an_export_as_services_get_it(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/values?format=shell&resolve=true&globals=true", text("export A='1'\n"))
    assert strongroom("export", "-e", "prod", "--resolve", "--format", "shell").stdout == "export A='1'\n"


@pytest.mark.parametrize(
    ("file", "name"),
    [("x.json", "json"), (".env.prod", "dotenv"), ("x.yml", "yaml"), ("x.sh", "shell"), ("x", "dotenv")],
)
def test_a_file_is_written_for_its_owner_alone(
    file: str, name: str, strongroom: Strongroom, exporting: FakeTransport
) -> None:
    result = strongroom("export", "-e", "prod", "-o", file)
    assert (result.exit_code, result.stdout) == (0, "")
    assert Path(file).read_text() == f"{name} canary\n"
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600


def test_a_file_is_replaced_only_by_force(strongroom: Strongroom, exporting: FakeTransport) -> None:
    path = Path("x.json")
    path.write_text("mine")
    path.chmod(0o644)
    result = strongroom("export", "-e", "prod", "-o", "x.json")
    assert (result.exit_code, path.read_text()) == (1, "mine")
    assert "--force" in result.stderr
    assert strongroom("export", "-e", "prod", "-o", "x.json", "--force").exit_code == 0
    assert path.read_text() == "json canary\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in Path().iterdir()] == ["x.json"]


def test_a_link_is_not_written_through(strongroom: Strongroom, exporting: FakeTransport, tmp_path: Path) -> None:
    target = tmp_path / "target"
    Path("x.json").symlink_to(target)
    assert strongroom("export", "-e", "prod", "-o", "x.json").exit_code == 1
    assert not target.exists()
    assert strongroom("export", "-e", "prod", "-o", "x.json", "--force").exit_code == 0
    assert not target.exists()


def test_a_folder_that_is_not_there_is_told(strongroom: Strongroom, exporting: FakeTransport) -> None:
    result = strongroom("export", "-e", "prod", "-o", "no/such/x.json")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_an_import_sends_the_text_as_it_is(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/import", answer(PLAN))
    Path("x.env").write_bytes(b"A='1\r\n2'\n")
    result = strongroom("import", "-e", "prod", "x.env", "--replace")
    assert server.sent == {
        "environment": "prod",
        "format": "dotenv",
        "text": "A='1\r\n2'\n",
        "mode": "replace",
        "dry_run": False,
    }
    assert result.stdout == "added\tA\nremoved\tB\n"
    assert "Warning: w" in result.stderr
    assert "revision 4" in result.stderr


@pytest.mark.parametrize("file", ["x.txt", "prod.properties", "x.toml.age", "prod.conf"])
def test_an_export_to_an_unknown_ending_is_refused(strongroom: Strongroom, exporting: FakeTransport, file: str) -> None:
    result = strongroom("export", "-e", "prod", "-o", file)
    assert (result.exit_code, Path(file).exists()) == (1, False)
    assert f"The end of {file} names no format. Give one with --format: dotenv, json" in result.stderr
    assert strongroom("export", "-e", "prod", "-o", file, "--format", "json").exit_code == 0


def test_an_import_keeps_references_as_text(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/import", answer(PLAN))
    Path("x.env").write_text("A={{B}}")
    strongroom("import", "-e", "prod", "x.env", "--literal")
    assert server.sent["literal"] is True


def test_an_import_expands_variables(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/import", answer(PLAN))
    Path("x.env").write_text("A=1\nB=$A")
    strongroom("import", "-e", "prod", "x.env")
    assert "expand" not in server.sent
    strongroom("import", "-e", "prod", "x.env", "--expand")
    assert server.sent["expand"] is True


def test_an_import_picks_one_environment_of_the_file(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/import", answer(PLAN))
    Path("x.postman_environment.json").write_text("{}")
    strongroom("import", "-e", "prod", "x.postman_environment.json", "--pick", "two")
    assert (server.sent["format"], server.sent["pick"]) == ("postman", "two")


def test_an_import_from_stdin_into_the_globals(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("POST", "/import", answer({**PLAN, "revision": None}))
    result = strongroom("--format", "json", "import", "--globals", "--format", "json", "--dry-run", "-", stdin="{}")
    assert (server.sent["environment"], server.sent["format"], server.sent["dry_run"]) == (None, "json", True)
    assert json.loads(result.stdout)["added"] == ["A"]
    assert "Nothing was written" in result.stderr

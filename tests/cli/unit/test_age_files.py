"""`export` and `import` of age files and of files in UTF-16: what happens on this side of the wire."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

import pytest

from tests.cli.unit.conftest import Strongroom
from tests.unit.client.fake_transport import FakeTransport, answer, text
from vault.crypto import age
from vault.crypto.age import Passphrase
from vault.formats import FORMATS

# Made by age-keygen for these tests alone.
SECRET = "AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ"
PUBLIC = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"
PLAN = {"plan": {"added": ["A"], "changed": [], "removed": [], "unchanged": []}, "revision": 1, "warnings": []}
CANARY = "A=canary-5c1\n"


@pytest.fixture(autouse=True)
def _cheap_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command writes costs next to nothing here; `tests/unit/crypto/test_age.py` has the real cost."""
    monkeypatch.setattr(Passphrase.__init__, "__defaults__", (10,))


@pytest.fixture
def exporting(server: FakeTransport) -> FakeTransport:
    return server.on("GET", "/environments/prod/export?format=dotenv", text(CANARY))


@pytest.fixture
def importing(server: FakeTransport) -> FakeTransport:
    return server.on("POST", "/import", answer(PLAN))


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_offers_every_format(strongroom: Strongroom, name: str) -> None:
    assert name in strongroom("export", "--help").output
    assert (name in strongroom("import", "--help").output) == FORMATS[name].can_parse


def test_an_export_for_a_recipient_is_an_age_file_that_its_key_opens(
    strongroom: Strongroom, exporting: FakeTransport
) -> None:
    result = strongroom("export", "-e", "prod", "-r", PUBLIC)
    assert result.stdout.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert age.decrypt(result.stdout_bytes, [age.X25519Identity.from_text(SECRET)]) == CANARY.encode()


def test_an_export_under_a_passphrase_asks_for_it_twice(strongroom: Strongroom, exporting: FakeTransport) -> None:
    result = strongroom("export", "-e", "prod", "--passphrase", "-o", "prod.env.age", answers="words\nwords\n")
    assert result.exit_code == 0, result.stderr
    assert stat.S_IMODE(Path("prod.env.age").stat().st_mode) == 0o600
    assert age.decrypt(Path("prod.env.age").read_bytes(), [age.Passphrase("words")]) == CANARY.encode()


def test_a_server_sees_neither_passphrase_nor_recipient(strongroom: Strongroom, exporting: FakeTransport) -> None:
    Path("words").write_text("passphrase-5c1\n")
    assert strongroom("export", "-e", "prod", "--passphrase-file", "words").exit_code == 0
    assert strongroom("export", "-e", "prod", "-r", PUBLIC).exit_code == 0
    assert exporting.calls == ["GET /environments/prod/export?format=dotenv"] * 2
    assert "passphrase-5c1" not in str([request.headers for request in exporting.requests])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-r", PUBLIC, "--passphrase"], "not both"),
        (["-r", "age1mistyped"], "not a recipient"),
        (["-r", "AGE-SECRET-KEY-1X"], "not a recipient"),
        (["--passphrase"], "no terminal to ask for the file's passphrase. Instead, give --passphrase-file FILE"),
    ],
)
def test_a_mistake_costs_no_call(
    strongroom: Strongroom, server: FakeTransport, arguments: list[str], sentence: str
) -> None:
    result = strongroom("export", "-e", "prod", *arguments)
    assert (result.exit_code, result.stdout, server.calls) == (1, "", [])
    assert sentence in result.stderr


def test_two_passphrases_that_differ_are_refused(strongroom: Strongroom, server: FakeTransport) -> None:
    result = strongroom("export", "-e", "prod", "--passphrase", answers="words\nother\n")
    assert (result.exit_code, server.calls) == (1, [])


def test_a_strict_export_is_asked_of_the_server(strongroom: Strongroom, server: FakeTransport) -> None:
    server.on("GET", "/environments/prod/export?format=docker&strict=true", text("A=1\n"))
    server.on("GET", "/globals/values?format=docker&resolve=true&globals=true&strict=true", text("A=2\n"))
    assert strongroom("export", "-e", "prod", "--format", "docker", "--strict").stdout == "A=1\n"
    assert strongroom("export", "--globals", "--format", "docker", "--strict", "--resolve").stdout == "A=2\n"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("x.postman_environment.json", "postman"),
        ("x.postman_globals.json", "postman"),
        ("x.json.age", "json"),
        ("prod.env.age", "dotenv"),
        (".env.age", "dotenv"),
        (".env.example", "template"),
        ("x.secret.yaml", "kubernetes"),
        ("x.docker.env", "docker"),
        ("x.age", "dotenv"),
    ],
)
def test_a_files_name_tells_its_format(strongroom: Strongroom, server: FakeTransport, file: str, name: str) -> None:
    server.on("GET", f"/environments/prod/export?format={name}", text("x"))
    assert strongroom("export", "-e", "prod", "-o", file).exit_code == 0


def test_a_template_is_not_imported(strongroom: Strongroom, server: FakeTransport) -> None:
    Path(".env.example").write_text("A=\n")
    result = strongroom("import", "-e", "prod", ".env.example")
    assert (result.exit_code, server.calls) == (1, [])
    assert "only be written" in result.stderr


def test_an_age_file_is_opened_with_its_identity(strongroom: Strongroom, importing: FakeTransport) -> None:
    Path("x.env.age").write_bytes(age.encrypt(CANARY.encode(), [age.X25519Recipient.from_text(PUBLIC)]))
    Path("key").write_text(f"# public key: {PUBLIC}\n{SECRET}\n")
    assert strongroom("import", "-e", "prod", "x.env.age", "-i", "key").exit_code == 0
    assert (importing.sent["text"], importing.sent["format"]) == (CANARY, "dotenv")


def test_an_age_file_is_opened_with_its_passphrase(strongroom: Strongroom, importing: FakeTransport) -> None:
    Path("x.env.age").write_bytes(age.encrypt(CANARY.encode(), [Passphrase("words", 10)]))
    Path("words").write_text("words\n")
    assert strongroom("import", "-e", "prod", "x.env.age", answers="words\n").exit_code == 0
    assert importing.sent["text"] == CANARY
    assert strongroom("import", "-e", "prod", "x.env.age", "--passphrase-file", "words").exit_code == 0
    result = strongroom("import", "-e", "prod", "x.env.age", answers="wrong\n")
    assert (result.exit_code, len(importing.calls)) == (1, 2)
    assert "the passphrase is wrong" in result.stderr


def test_an_age_file_for_a_key_asks_for_the_key(strongroom: Strongroom, server: FakeTransport) -> None:
    Path("x.age").write_bytes(age.encrypt(b"", [age.X25519Recipient.from_text(PUBLIC)]))
    result = strongroom("import", "-e", "prod", "x.age")
    assert (result.exit_code, server.calls) == (1, [])
    assert "--identity" in result.stderr


def test_an_age_file_that_asks_for_too_much_work_is_refused(strongroom: Strongroom, server: FakeTransport) -> None:
    sealed = age.armor.dearmored(age.encrypt(b"", [Passphrase("words", 10)]))
    Path("x.age").write_bytes(sealed.replace(b" 10\n", b" 30\n", 1))
    result = strongroom("import", "-e", "prod", "x.age", answers="words\n")
    assert (result.exit_code, server.calls) == (1, [])
    assert "2^20" in result.stderr


@pytest.mark.parametrize(
    "data",
    [
        CANARY.encode(),
        codecs.BOM_UTF16_LE + CANARY.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + CANARY.encode("utf-16-be"),
        CANARY.encode("utf-16-le"),
        CANARY.encode("utf-16-be"),
    ],
)
def test_utf_16_is_read_too(strongroom: Strongroom, importing: FakeTransport, data: bytes) -> None:
    assert strongroom("import", "-e", "prod", "-", stdin=data).exit_code == 0
    assert importing.sent["text"] == CANARY


def test_a_byte_order_mark_of_utf_8_is_left_to_the_format(strongroom: Strongroom, importing: FakeTransport) -> None:
    assert strongroom("import", "-e", "prod", "-", stdin=codecs.BOM_UTF8 + CANARY.encode()).exit_code == 0
    assert importing.sent["text"] == "\ufeff" + CANARY


@pytest.mark.parametrize("data", [b"\xff", codecs.BOM_UTF16_LE + b"a"])
def test_what_is_no_text_is_told(strongroom: Strongroom, server: FakeTransport, data: bytes) -> None:
    result = strongroom("import", "-e", "prod", "-", stdin=data)
    assert (result.exit_code, server.calls) == (1, [])
    assert "stdin is not UTF-" in result.stderr


def test_a_huge_file_is_refused_here(strongroom: Strongroom, server: FakeTransport) -> None:
    with Path("x.env").open("wb") as file:
        file.truncate(16 * 2**20 + 1)
    result = strongroom("import", "-e", "prod", "x.env")
    assert (result.exit_code, server.calls) == (1, [])
    assert "larger than 16 MiB" in result.stderr

"""Files in and out."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from tests.api.conftest import Vault
from tests.web.conftest import ORIGIN, SAME_ORIGIN, Visitor, words
from vault.app import takes_password
from vault.crypto import age
from vault.formats import FORMATS

SECRET = "AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ"
PUBLIC = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"
"""Of nobody: a pair that was made for tests."""


@pytest.fixture
def place(ada: Visitor) -> str:
    return ada.make("prod", A="canary-1", B="2")


def chosen(data: bytes, name: str = "prod.env") -> dict[str, Any]:
    return {"file": (io.BytesIO(data), name)}


def plan_of(answer: Any) -> dict[str, str]:
    """The fields of the form that applies a plan."""
    return dict(
        re.findall(
            r'<input type="hidden" name="(packed|format|mode|pick|literal|expand|etag)" value="([^"]*)"', answer.text
        )
    )


def test_a_plan_is_shown_before_anything_is_written(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/import", {"text": "A=canary-2\r\nC=3\r\nB=2\r\n", "mode": "merge"})
    shown = words(answer)
    for told in ("1 added C", "1 changed A", "1 unchanged B"):
        assert told in shown, told
    assert "canary" not in answer.text
    assert ada.stored(place) == {"A": "canary-1", "B": "2"}
    applied = ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"})
    assert applied.headers["Location"] == f"{place}?said=imported"
    assert ada.stored(place) == {"A": "canary-2", "B": "2", "C": "3"}


def test_replacing_removes_what_the_file_does_not_name(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/import", {"text": "C=3", "mode": "replace"})
    assert "2 removed A B" in words(answer)
    ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"})
    assert ada.stored(place) == {"C": "3"}


def test_one_environment_of_a_dump_is_picked_and_a_dump_of_none_removes_nothing(ada: Visitor, place: str) -> None:
    sets = [{"name": name, "values": [{"key": "A", "value": name}]} for name in ("one", "two")]
    dump = {"text": json.dumps({"environments": sets, "globals": []}), "format": "postman", "mode": "replace"}
    refused = ada.post(f"{place}/import", dump)
    assert (refused.status_code, "2 environments: one, two." in words(refused)) == (422, True)
    answer = ada.post(f"{place}/import", dump | {"pick": "two"})
    ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"})
    assert ada.stored(place) == {"A": "two"}
    nothing = ada.post(f"{place}/import", {"text": "{}", "format": "json", "mode": "replace"})
    assert (nothing.status_code, "this file has no variables" in words(nothing)) == (422, True)
    assert ada.stored(place) == {"A": "two"}


def test_variables_of_a_dotenv_file_are_expanded_if_that_is_chosen(ada: Visitor, place: str) -> None:
    text = {"text": "HOST=db\nURL=x://${HOST}", "mode": "replace"}
    assert "To replace them with values, import with expand (--expand)." in words(ada.post(f"{place}/import", text))
    answer = ada.post(f"{place}/import", text | {"expand": "yes"})
    assert "In URL, $HOST is replaced by its value." in words(answer)
    ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"})
    assert ada.stored(place) == {"HOST": "db", "URL": "x://db"}


def test_a_plan_is_not_applied_over_what_was_saved_since(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/import", {"text": "C=3", "mode": "replace"})
    other = ada.post(f"{place}/import", {"text": "D=4"})
    ada.post(f"{place}/import", plan_of(other) | {"apply": "yes"})
    assert ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"}).status_code == 409
    assert "D" in ada.stored(place)


@pytest.mark.parametrize("name", [name for name, item in FORMATS.items() if item.can_parse])
def test_every_format_that_can_be_read_goes_out_and_in(ada: Visitor, place: str, name: str) -> None:
    file = ada.post(f"{place}/export", {"format": name, "anyway": "yes"})
    assert file.status_code == 200
    other = ada.make(f"from {name}")
    answer = ada.post(f"{other}/import", chosen(file.data, "file") | {"format": name})
    assert "2 added" in words(answer)
    ada.post(f"{other}/import", plan_of(answer) | {"apply": "yes"})
    assert ada.stored(other) == {"A": "canary-1", "B": "2"}


def test_a_files_own_line_ends_survive_the_plan(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/import", chosen(json.dumps({"PEM": "a\r\nb"}).encode(), "x.json"))
    ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"})
    assert ada.stored(place)["PEM"] == "a\r\nb"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_files_of_windows_are_read(ada: Visitor, place: str, encoding: str) -> None:
    answer = ada.post(f"{place}/import", chosen("C=größe\r\n".encode(encoding)))
    ada.post(f"{place}/import", plan_of(answer) | {"apply": "yes"})
    assert ada.stored(place)["C"] == "größe"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({}, "Choose a file, or paste its text into the field."),
        ({"text": "A='canary-9"}, "Line 1"),
        ({"text": "{", "format": "json"}, "Line 1, column 2: this is not JSON."),
        ({"text": "A=1", "format": "shell"}, "There is no such format"),
        ({"data": b"\xff\xff\xfe"}, "is not UTF-8 text"),
        ({"data": age.encrypt(b"A=1", [age.Passphrase("x", work_factor=1)])}, "is encrypted with age"),
        ({"packed": "%%%"}, "This form is damaged"),
        ({"packed": "/////w=="}, "This form is damaged"),
    ],
)
def test_what_cannot_be_read_is_told_beside_the_field(
    ada: Visitor, place: str, sent: dict[str, Any], sentence: str
) -> None:
    file = chosen(sent["data"]) if "data" in sent else sent
    answer = ada.post(f"{place}/import", file)
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert ada.stored(place) == {"A": "canary-1", "B": "2"}


def test_what_is_too_large_is_refused_and_nothing_lies_on_the_disk(
    ada: Visitor, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("A secret would lie on the disk.")

    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", refuse)
    file = FileStorage(io.BytesIO(b"C=" + b"x" * 900_000), filename="prod.env", name="file")
    # Made by hand, because the client would do it on the disk.
    boundary, body = encode_multipart({"csrf_token": ada.token, "file": file})
    kind = f"multipart/form-data; boundary={boundary}"
    fits = ada.client.post(f"{place}/import", base_url=ORIGIN, data=body, headers=SAME_ORIGIN, content_type=kind)
    assert "1 added C" in words(fits)
    assert ada.post(f"{place}/import", plan_of(fits) | {"apply": "yes"}).status_code == 303
    assert ada.post(f"{place}/import", {"text": "C=" + "x" * 1_100_000}).status_code == 413
    assert ada.post(f"{place}/import", {"text": "C=" + "x" * 2_200_000}).status_code == 413


def test_an_export_is_a_download_that_nobody_keeps(ada: Visitor, place: str) -> None:
    answer = ada.post(f"{place}/export", {"format": "dotenv"})
    assert answer.text == "A=canary-1\nB=2\n"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=prod.env;")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "format_name", "file_name"),
    [
        ("shop/prod", "json", "shop-prod.json"),
        ('a"b\\c', "yaml", "a-b-c.yaml"),
        ("größe", "dotenv", "gr%C3%B6%C3%9Fe.env"),
        ("prod", "postman", "prod.postman_environment.json"),
    ],
)
def test_a_file_has_a_name_that_every_disk_takes(ada: Visitor, name: str, format_name: str, file_name: str) -> None:
    answer = ada.post(f"{ada.make(name, A='1')}/export", {"format": format_name})
    assert answer.headers["Content-Disposition"].endswith(f"filename*=UTF-8''{file_name}")


def test_the_globals_go_out_as_postmans_globals(ada: Visitor) -> None:
    answer = ada.post("/globals/export", {"format": "postman"})
    assert answer.headers["Content-Disposition"].endswith("UTF-8''Globals.postman_globals.json")


def test_what_a_format_cannot_carry_is_told_before_it_is_left_out(ada: Visitor) -> None:
    place = ada.make("prod", **{"A": "canary-1", "not a name": "2"})
    answer = ada.post(f"{place}/export", {"format": "dotenv"})
    assert "not a name is left out" in words(answer)
    assert "canary-1" not in answer.text
    assert ada.post(f"{place}/export", {"format": "dotenv", "anyway": "yes"}).text == "A=canary-1\n"


def test_an_export_for_a_key_opens_with_that_key(ada: Visitor, place: str) -> None:
    identity = age.X25519Identity.from_text(SECRET)
    sent = {"format": "json", "sealed": "yes", "recipients": f"{PUBLIC}\n"}
    answer = ada.post(f"{place}/export", sent)
    assert b"canary-1" not in answer.data
    assert answer.headers["Content-Disposition"].endswith("UTF-8''prod.json.age")
    assert json.loads(age.decrypt(answer.data, [identity])) == {"A": "canary-1", "B": "2"}


def test_an_export_is_for_no_more_keys_than_can_be_read_again(
    ada: Visitor, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    known = age.X25519Recipient.from_text(PUBLIC)

    def from_text(text: str) -> age.X25519Recipient:
        read.append(text)
        return known

    monkeypatch.setattr(age.X25519Recipient, "from_text", from_text)
    for count, status in ((age.RECIPIENTS_MOST, 200), (age.RECIPIENTS_MOST + 1, 422)):
        read.clear()
        sent = {"format": "json", "sealed": "yes", "recipients": f"{PUBLIC} " * count}
        answer = ada.post(f"{place}/export", sent)
        assert (answer.status_code, len(read)) == (status, count if status == 200 else 0)


def test_an_export_with_a_passphrase_opens_with_it(ada: Visitor, place: str) -> None:
    sent = {"environment": place.rpartition("/")[2], "format": "dotenv", "passphrase": "lantern", "again": "lantern"}
    answer = ada.post("/export/passphrase", sent)
    assert age.decrypt(answer.data, [age.Passphrase("lantern")]) == b"A=canary-1\nB=2\n"
    of_globals = ada.post("/export/passphrase", sent | {"environment": ""})
    assert "Globals.env.age" in of_globals.headers["Content-Disposition"]


def test_an_export_of_what_no_database_can_look_up_is_refused(ada: Visitor) -> None:
    sent = {"format": "dotenv", "passphrase": "lantern", "again": "lantern", "environment": "a\0b"}
    assert ada.post("/export/passphrase", sent).status_code == 404


def test_exports_with_a_passphrase_come_one_at_a_time_and_take_no_logins_place(
    vault: Vault, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not takes_password(vault.app)("POST", "/export/passphrase")
    sent = {"format": "dotenv", "passphrase": "lantern", "again": "lantern"}
    meanwhile: list[int] = []
    wrap = age.Passphrase.wrap

    def slow_wrap(self: age.Passphrase, file_key: bytes) -> Any:
        meanwhile.append(ada.post("/export/passphrase", sent).status_code)
        return wrap(self, file_key)

    monkeypatch.setattr(age.Passphrase, "wrap", slow_wrap)
    assert ada.post("/export/passphrase", sent).status_code == 200
    assert meanwhile == [503]


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"sealed": "yes", "recipients": ""}, "Give at least one key"),
        ({"sealed": "yes", "recipients": "age1nonsense"}, "age1"),
        ({"format": "nonsense"}, "There is no such format"),
    ],
)
def test_an_export_that_cannot_be_is_told_beside_its_field(
    ada: Visitor, place: str, sent: dict[str, str], sentence: str
) -> None:
    answer = ada.post(f"{place}/export", {"format": "dotenv"} | sent)
    assert answer.status_code == 422
    assert sentence in words(answer)
    assert "canary-1" not in answer.text


@pytest.mark.parametrize(("passphrase", "again"), [("one", "two"), ("", "")])
def test_a_passphrase_is_given_twice(ada: Visitor, place: str, passphrase: str, again: str) -> None:
    sent = {"environment": place.rpartition("/")[2], "format": "dotenv", "passphrase": passphrase, "again": again}
    answer = ada.post("/export/passphrase", sent)
    assert answer.status_code == 422
    assert 'id="fault"' in answer.text

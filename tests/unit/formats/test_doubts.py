"""What the author of a file may not have meant: warned of, or refused with what to do."""

from __future__ import annotations

import json

import pytest

from vault.errors import FormatError
from vault.formats import FORMATS
from vault.formats.files import text_of
from vault.services.environments.files import parse_file


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("ENC[AES256_GCM,data:canary,iv:x,tag:y,type:str]", "SOPS has encrypted the value of A"),
        ("encrypted:BCcanary", "dotenvx has encrypted the value of A"),
        ("$ANSIBLE_VAULT;1.1;AES256\n62canary", "Ansible Vault has encrypted the value of A"),
        ("vault:v1:canary", "Vault's transit engine has encrypted the value of A"),
        ("{cipher}canary", "Spring Cloud Config has encrypted the value of A"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\ncanary", "age has encrypted the value of A"),
        ("-----BEGIN PGP MESSAGE-----\ncanary", "PGP has encrypted the value of A"),
        ("op://canary/item/password", "1Password holds the value of A"),
        ("ENC[PKCS7,canary]", "hiera-eyaml has encrypted the value of A"),
        ("ENC[GPG,canary]", "hiera-eyaml has encrypted the value of A"),
        ("EJ[1:canary]", "ejson has encrypted the value of A"),
        ("ref+vault://canary#/x", "Another store holds the value of A"),
        ("vault:secret/data/canary#A", "Vault holds the value of A"),
        (">>vault:secret/data/canary#A", "Vault holds the value of A"),
    ],
)
def test_a_value_that_a_tool_has_encrypted_is_warned_of(value: str, told: str) -> None:
    for name in ("json", "yaml"):
        parsed = FORMATS[name].parse(json.dumps({"A": value}))
        (warning,) = parsed.warnings
        assert told in warning
        assert warning.endswith("first.")
        assert "canary" not in warning
        assert parsed.variables[0].text == value


@pytest.mark.parametrize(
    "value", ["encrypted: no", "an ENC[AES256_GCM,x]", "vault:5", "x op://y", "ENC[x]", "EJ[2]", "ref+x", "vault:a b#c"]
)
def test_a_value_that_only_looks_alike_is_not_warned_of(value: str) -> None:
    assert FORMATS["json"].parse(json.dumps({"A": value})).warnings == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "$ANSIBLE_VAULT;1.1;AES256\n6238",
            "Ansible Vault has encrypted this file. Decrypt it with ansible-vault first.",
        ),
        ("-----BEGIN PGP MESSAGE-----\n\nhQ", "PGP has encrypted this file."),
        ("\n-----BEGIN AGE ENCRYPTED FILE-----\n", "age has encrypted this file."),
    ],
)
@pytest.mark.parametrize("name", ["dotenv", "json", "yaml"])
def test_a_file_that_a_tool_has_encrypted_is_refused(text: str, told: str, name: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_file(name, text)
    assert told in caught.value.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("json", '{"A": "ENC[AES256_GCM,data:x]", "sops": {"version": "3.9"}}'),
        ("yaml", "A: ENC[AES256_GCM,data:x]\nsops:\n  version: 3.9\n"),
        ("yaml", "sops: {mac: x}\nA: 1\n"),
        ("yaml", "db:\n  A: ENC[AES256_GCM,data:x]\nsops:\n  age: []\n"),
        ("kubernetes", "kind: Secret\ndata:\n  A: ENC[AES256_GCM,data:x]\nsops:\n  version: 3.9\n"),
    ],
)
def test_a_file_that_sops_has_encrypted_is_refused_in_every_format_it_writes(name: str, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_file(name, text)
    assert caught.value.message == "SOPS has encrypted this file. Decrypt it with sops first."


@pytest.mark.parametrize("text", ["sops: x", "sops: ~\nA: b", "SOPS: x"])
def test_a_variable_called_sops_is_a_variable(text: str) -> None:
    assert parse_file("yaml", text).stated


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("x\u200b", "U+200B"),
        ("\ufeffx", "U+FEFF"),
        ("x\u202e", "U+202E"),
        ("\u00a0x", "U+00A0"),
        ("x\u2028", "U+2028"),
        ("x\u3164", "U+3164"),
    ],
)
def test_an_invisible_character_at_the_end_of_a_value_is_warned_of(value: str, code: str) -> None:
    parsed = FORMATS["dotenv"].parse(f"A='{value}'")
    assert parsed.warnings == (f"The value of A begins or ends with the invisible character {code}.",)
    assert parsed.variables[0].text == value
    assert FORMATS["dotenv"].parse("A='x\u200by\n'").warnings == ()


@pytest.mark.parametrize("name", ["API\u200bKEY", "\ufeffA", "A\u202eB", "A\u2028B", "A\u2066B", "A\u00adB"])
def test_a_name_with_an_invisible_character_is_refused_with_its_code(name: str) -> None:
    code = next(f"U+{ord(sign):04X}" for sign in name if not sign.isascii())
    for text, format_name in ((f"B=1\n{name}=canary", "docker"), (f'{{"B": "1",\n"{name}": "canary"}}', "json")):
        with pytest.raises(FormatError) as caught:
            FORMATS[format_name].parse(text)
        assert caught.value.message == f"Line 2: A name must not contain the invisible character {code}."


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PK\x03\x04\x14", "a ZIP archive, as 1Password exports it (.1pux)"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"\x03\xd9\xa2\x9a\x67", "a database of KeePass"),
        (b"\0GITCRYPT\0x", "encrypted by git-crypt"),
    ],
)
def test_a_file_that_is_no_text_is_named(data: bytes, told: str) -> None:
    with pytest.raises(FormatError) as caught:
        text_of(data)
    assert told in caught.value.message


@pytest.mark.parametrize("line", ["A=postgres://${HOST}:5432", 'A="$HOST"', "A=x$HOST", 'A="${HOST:-x}"'])
def test_a_variable_inside_a_value_is_told(line: str) -> None:
    told = "A contains $ and a name. Some programs replace them with a variable. Here they stay as they are. "
    told += "To replace them with values, import with expand (--expand)."
    assert FORMATS["dotenv"].parse(line).warnings == (told,)


@pytest.mark.parametrize("line", ["A='${HOST}'", "A=`$HOST`", "A=5$", 'A="$5"', "A=$(id)"])
def test_a_dollar_that_no_reader_takes_for_a_name_is_not_told(line: str) -> None:
    assert FORMATS["dotenv"].parse(line).warnings == ()

"""age files: the C2SP's vectors, Debian's `age`, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.patience import HANG_SECONDS
from vault.crypto import age
from vault.crypto.age import Passphrase, X25519Identity, X25519Recipient, header, stream
from vault.errors import FormatError

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "age.json").read_text())["vectors"]

# How each kind of failure is told here. A bad armor may not be recognised as armor at all.
SENTENCES = {
    "no match": "is not for this identity",
    "HMAC failure": "was changed after it was written",
    "header failure": "header of|not an age file of version 1|one passphrase or some recipients",
    "payload failure": "payload of this age file",
    "armor failure": "armor of this age file|not an age file of version 1",
}

# Made by age-keygen for this test alone.
SECRET = "AGE-SECRET-KEY-1P3H69H598NMCZNXJK4MHGPPU0PRLZRUUA7YUGHMJ9THNHY7CGUASUFEKCZ"
PUBLIC = "age12p4af6qdpk6fzzacvfkwhuu59q3kpau9mqxsqk8hja9696ml6d6q7mvkjy"
LIGHT = 10


def open_vector(vector: dict[str, str]) -> bytes:
    data = base64.b64decode(vector["file"])
    identities: list[age.Identity] = []
    if "identity" in vector:
        identities.append(X25519Identity.from_text(vector["identity"]))
    if "passphrase" in vector:
        identities.append(Passphrase(vector["passphrase"]))
    return age.decrypt(zlib.decompress(data) if "compressed" in vector else data, identities)


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_opens_what_the_vectors_say_opens_and_nothing_else(name: str) -> None:
    vector = VECTORS[name]
    if vector["expect"] == "success":
        assert hashlib.sha256(open_vector(vector)).hexdigest() == vector["payload"]
    else:
        with pytest.raises(FormatError, match=SENTENCES[vector["expect"]]):
            open_vector(vector)


def run_age(*arguments: str, data: bytes, folder: Path) -> bytes:
    found = subprocess.run(["age", *arguments], input=data, capture_output=True, cwd=folder)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("plaintext", [b"", b"A='1'\n", b"x" * 200_000], ids=len)
def test_debians_age_opens_ours_and_we_open_its(plaintext: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    ours = age.encrypt(plaintext, [X25519Recipient.from_text(PUBLIC)])
    assert run_age("-d", "-i", "key", data=ours, folder=tmp_path) == plaintext
    for armor in ([], ["-a"]):
        theirs = run_age("-r", PUBLIC, *armor, data=plaintext, folder=tmp_path)
        assert age.is_age(theirs)
        assert age.decrypt(theirs, [X25519Identity.from_text(SECRET)]) == plaintext


def test_debians_age_opens_our_passphrase_file(tmp_path: Path) -> None:
    (tmp_path / "x.age").write_bytes(age.encrypt(b"canary", [Passphrase("correct horse", 14)]))
    # age asks a terminal and nothing else, so it gets one.
    subprocess.run(
        ["script", "-qec", "age -d -o x x.age", "/dev/null"],
        input=b"correct horse\n", cwd=tmp_path, capture_output=True, check=True, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert (tmp_path / "x").read_bytes() == b"canary"


def test_a_file_for_several_opens_for_each_of_them(tmp_path: Path) -> None:
    other = subprocess.run(["age-keygen"], capture_output=True, text=True)
    (identity,) = age.identities_from(other.stdout)
    public = X25519Recipient.from_text(other.stderr.split()[-1])
    sealed = age.encrypt(b"canary", [X25519Recipient.from_text(PUBLIC), public])
    assert age.decrypt(sealed, [identity]) == age.decrypt(sealed, [X25519Identity.from_text(SECRET)]) == b"canary"


@settings(deadline=None, max_examples=50)
@given(plaintext=st.binary(max_size=300), words=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_a_passphrase_closes_it_opens(plaintext: bytes, words: str) -> None:
    sealed = age.encrypt(plaintext, [Passphrase(words, LIGHT)])
    assert age.takes_passphrase(sealed)
    assert age.decrypt(sealed, [Passphrase(words)]) == plaintext
    with pytest.raises(FormatError, match="the passphrase is wrong"):
        age.decrypt(sealed, [Passphrase(words + "x")])


def test_a_passphrase_costs_what_age_itself_asks() -> None:
    (stanza,) = age.header.parse(age.armor.dearmored(age.encrypt(b"", [Passphrase("words")]))).stanzas
    assert (stanza.kind, stanza.arguments[1]) == ("scrypt", "18")


@pytest.mark.parametrize("work_factor", ["21", "30", "99", "9" * 1_000_000])
def test_too_much_work_is_refused_before_anything_is_computed(
    work_factor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = age.armor.dearmored(age.encrypt(b"x", [Passphrase("words", LIGHT)]))

    def compute(*_: object, **__: object) -> None:
        raise AssertionError("scrypt was called")

    monkeypatch.setattr("vault.crypto.age.passphrase.Scrypt", compute)
    with pytest.raises(FormatError, match=r"more than 2\^20"):
        age.decrypt(sealed.replace(b" 10\n", f" {work_factor}\n".encode(), 1), [Passphrase("words")])


def test_every_flipped_byte_is_noticed() -> None:
    sealed = age.armor.dearmored(age.encrypt(b"canary", [X25519Recipient.from_text(PUBLIC)]))
    identity = X25519Identity.from_text(SECRET)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(FormatError):
            age.decrypt(bytes(changed), [identity])


def test_a_passphrase_stands_alone() -> None:
    with pytest.raises(FormatError, match="not both"):
        age.encrypt(b"x", [Passphrase("words", LIGHT), X25519Recipient.from_text(PUBLIC)])
    with pytest.raises(FormatError, match="needs a recipient"):
        age.encrypt(b"x", [])


@pytest.mark.parametrize("words", ["", "\ud800"])
def test_what_is_no_passphrase_is_refused(words: str) -> None:
    with pytest.raises(FormatError):
        Passphrase(words)


def test_more_than_a_hundred_recipients_are_refused() -> None:
    recipient, file_key = X25519Recipient.from_text(PUBLIC), bytes(16)
    crowded = header.build(file_key, [recipient.wrap(file_key)] * 101) + b"".join(stream.seal(file_key, [b"x"]))
    with pytest.raises(FormatError, match="more than 100"):
        age.decrypt(crowded, [X25519Identity.from_text(SECRET)])


def test_what_would_not_open_again_is_not_made() -> None:
    recipients = [X25519Recipient.from_text(PUBLIC)] * age.RECIPIENTS_MOST
    assert age.decrypt(age.encrypt(b"x", recipients), [X25519Identity.from_text(SECRET)]) == b"x"
    with pytest.raises(FormatError, match="at most 100"):
        age.encrypt(b"x", [*recipients, recipients[0]])


MISTYPED = PUBLIC[:9] + "q" + PUBLIC[10:]


@pytest.mark.parametrize(
    "text", ["", "age1", PUBLIC[:-1], PUBLIC + "q", MISTYPED, PUBLIC.title(), SECRET, "age1pq1x", "ä"]
)
def test_what_is_no_recipient_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="not a recipient"):
        X25519Recipient.from_text(text)


@pytest.mark.parametrize("text", ["", "# only a comment", PUBLIC, SECRET[:-1], SECRET + "\nx"])
def test_what_is_no_identity_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(FormatError, match=r"not an identity|no identity in this file") as caught:
        age.identities_from(text)
    assert SECRET[20:40] not in str(caught.value)


def test_a_repr_hides_secrets() -> None:
    assert SECRET[20:40] not in repr(X25519Identity.from_text(SECRET))
    assert "canary" not in repr(Passphrase("canary"))


@pytest.mark.parametrize(
    "hostile", [b"-> a\n" * 200_000, b"-> " + b"a " * 500_000, b"\n" * 1_000_000, b"=" * 1_000_000], ids=range(4)
)
def test_a_hostile_megabyte_is_refused_at_once(hostile: bytes) -> None:
    with pytest.raises(FormatError):
        age.decrypt(b"age-encryption.org/v1\n" + hostile, [X25519Identity.from_text(SECRET)])

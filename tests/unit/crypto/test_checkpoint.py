"""Signed checkpoints, against the formats' own examples and against whoever would change one."""

from __future__ import annotations

import base64

import pytest

from vault.crypto import Key, new_key
from vault.crypto.checkpoint import (
    Checkpoint,
    _is_signed,
    open_checkpoint,
    read_checkpoint,
    sign_checkpoint,
    verifier_key,
)
from vault.errors import SignatureError

ORIGIN = "strongroom/0b9be0a4-9d0a-4f7d-8b13-6a2d9c1b3a11"
ROOT = bytes(range(32))


def test_a_checkpoint_comes_back() -> None:
    key, made = new_key(), Checkpoint(ORIGIN, 1234, ROOT)
    assert open_checkpoint(sign_checkpoint(key, made), ORIGIN, [new_key(), key]) == made


def test_the_note_reads_as_the_specification_has_it() -> None:
    note = sign_checkpoint(new_key(), Checkpoint(ORIGIN, 7, ROOT))
    origin, size, root, empty, signature, end = note.split("\n")
    assert (origin, size, root, empty, end) == (ORIGIN, "7", base64.b64encode(ROOT).decode(), "", "")
    assert signature.startswith(f"— {ORIGIN} ")


def test_the_example_of_the_signed_note_format_verifies() -> None:
    # The example of golang.org/x/mod/sumdb/note, the format's origin.
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = (
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    assert _is_signed(text, signature, "PeterNeumann", public)
    assert not _is_signed(text + " ", signature, "PeterNeumann", public)


def test_our_signature_is_the_example_s() -> None:
    # PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz
    seed = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
    key = Key("0b9be0a4-9d0a-4f7d-8b13-6a2d9c1b3a11", seed)
    assert verifier_key("PeterNeumann", key) == ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n1234\n", "\n1235\n"),
        lambda note: note.replace("\n1234\n", "\n01234\n"),
        lambda note: note.replace(ORIGIN, "strongroom/another"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.rpartition("— ")[0],
        lambda note: note[:-6] + ("A" if note[-6] != "A" else "B") + note[-5:],
        lambda note: note[:0],
        lambda note: note[:0] + "\n\n",
    ],
)
def test_a_changed_note_is_refused(change: object) -> None:
    key = new_key()
    note = sign_checkpoint(key, Checkpoint(ORIGIN, 1234, ROOT))
    with pytest.raises(SignatureError):
        open_checkpoint(change(note), ORIGIN, [key])  # type: ignore[operator]  # pytest hands over each change as an object


def test_another_vault_s_note_is_refused() -> None:
    note = sign_checkpoint(new_key(), Checkpoint(ORIGIN, 1, ROOT))
    with pytest.raises(SignatureError):
        open_checkpoint(note, ORIGIN, [new_key()])


def test_signatures_of_others_are_passed_over() -> None:
    key = new_key()
    note = sign_checkpoint(key, Checkpoint(ORIGIN, 1, ROOT))
    text, signature = note.split("\n\n")
    witnessed = f"{text}\n\n— witness.example AAAAAAAA\n{signature}"
    public = base64.b64decode(verifier_key(ORIGIN, key).split("+", 2)[2])[1:]
    assert read_checkpoint(witnessed, ORIGIN, [public]).size == 1

"""age files on the command line: their recipients, and the keys that open them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vault.cli.asking import read_new_secret, read_secret
from vault.cli.context import Cli
from vault.cli.files import read_text
from vault.cli.words import CliError

if TYPE_CHECKING:
    from vault.crypto.age import Recipient

WHAT = "the file's passphrase"
HOW = "give --passphrase-file FILE, or - for stdin"


def recipients_from(cli: Cli, keys: Sequence[str], passphrase_file: str | None, *, asks: bool) -> tuple[Recipient, ...]:
    """Return the recipients of a file, or none. `asks` asks for a passphrase if no file has it."""
    takes_passphrase = asks or passphrase_file is not None
    if not keys and not takes_passphrase:
        return ()
    if keys and takes_passphrase:
        raise CliError("An age file can have recipients or a passphrase, not both.")
    from vault.crypto.age import Passphrase, X25519Recipient

    if keys:
        return tuple(map(X25519Recipient.from_text, keys))
    return (Passphrase(read_new_secret(cli, _given(passphrase_file), WHAT, HOW)),)


def sealed(text: str, readers: Sequence[Recipient]) -> str:
    """Return `text` as an armored age file."""
    from vault.crypto.age import encrypt

    return encrypt(text.encode(), readers).decode("ascii")


def opened(cli: Cli, data: bytes, identity: str | None, passphrase_file: str | None) -> bytes:
    """Return the content of an age file. Any other file is returned unchanged."""
    if b"age-encryption.org/" not in data[:64] and b"AGE ENCRYPTED FILE" not in data[:256]:
        # Most files are not age files, and importing cryptography takes time.
        return data
    from vault.crypto import age

    if not age.is_age(data):
        return data
    if not age.takes_passphrase(data):
        if identity is None:
            raise CliError("This age file is for a key. Give the file of your key with --identity.")
        return age.decrypt(data, age.identities_from(read_text(identity)))
    return age.decrypt(data, [age.Passphrase(read_secret(cli, _given(passphrase_file), WHAT, HOW))])


def _given(file: str | None) -> str | None:
    """Return the name of a file in the form of `read_secret`, or None to ask."""
    return file if file in (None, "-") else f"@{file}"

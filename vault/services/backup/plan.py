"""The plan for backups: where archives go, what seals them, and how long they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vault.crypto.age import X25519Recipient
from vault.errors import BackupError, FormatError, SettingsError
from vault.keys import backup as backup_key
from vault.services.backup.keeping import Keeping
from vault.services.backup.place import Place
from vault.services.backup.places import places_at
from vault.services.backup.seals import AgeSeal, KeySeal, Seal
from vault.sources import parts_of


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """What the operator has set for backups. `addresses` is a list with commas."""

    addresses: str
    place_seconds: int
    """How long a call to a place may take."""
    recipients: Sequence[X25519Recipient]
    """Whom archives are for instead of the backup key; empty for the key."""
    key_file: Path
    keeping: Keeping

    def places(self) -> list[Place]:
        """Return the places; none if no backups are made."""
        return places_at(self.addresses)

    def required_places(self) -> list[Place]:
        """Return the places. Raises `BackupError` if there are none."""
        places = self.places()
        if not places:
            raise BackupError("No place is set. Set STRONGROOM_BACKUP_TO, for example to dir:/path,s3://bucket/prefix.")
        return places

    def seal(self) -> Seal:
        """Return the seal for archives. Raises `BackupError`, `KeyringError`."""
        if self.recipients:
            return AgeSeal(self.recipients)
        if not self.key_file.exists() and not self.key_file.is_symlink():
            raise BackupError(
                f"There is no backup key at {self.key_file}. `strongroom backup key` makes one. If there was one, put "
                "it back: the archives that it has sealed need it."
            )
        return KeySeal(backup_key.read(self.key_file))


def recipients_of(text: str) -> tuple[X25519Recipient, ...]:
    """Return the recipients in a list that is split by commas. Raises `SettingsError`."""
    try:
        return tuple(map(X25519Recipient.from_text, parts_of(text)))
    except FormatError:
        # Do not repeat it: somebody may have given the secret key.
        raise SettingsError(
            "STRONGROOM_BACKUP_RECIPIENTS has a recipient with a wrong or a missing character. It must be a list of "
            "recipients as age-keygen prints them (age1 and 58 more characters), separated by commas."
        ) from None

"""The plan for backups: where archives go, what seals them, and how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vault.crypto.age import X25519Recipient
from vault.errors import BackupError
from vault.keys import backup as backup_key
from vault.services.backup.keeping import Keeping
from vault.services.backup.place import Place
from vault.services.backup.places import places_at
from vault.services.backup.seals import AgeSeal, KeySeal, Seal


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """What the operator has set for backups. `addresses` and `recipients` are lists with commas."""

    addresses: str
    place_seconds: int
    """How long a call to a place may take."""
    recipients: str
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
        """Return the seal for archives. Raises `BackupError`, `FormatError`, `KeyringError`."""
        recipients = [text.strip() for text in self.recipients.split(",") if text.strip()]
        if recipients:
            return AgeSeal([X25519Recipient.from_text(text) for text in recipients])
        if not self.key_file.exists() and not self.key_file.is_symlink():
            raise BackupError(
                f"There is no backup key at {self.key_file}. `strongroom backup key` makes one. If there was one, put "
                "it back: the archives that it has sealed need it."
            )
        return KeySeal(backup_key.read(self.key_file))

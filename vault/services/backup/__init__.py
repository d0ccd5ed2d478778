"""Backups: archives of one moment, in places apart; and how one becomes a vault again.

    Backups.create   snapshot ─► archive ─► every place, with the list of what was erased beside it
    Restorer         archive ─► proven ─► empty target, less what was erased since ─► everything opened ─► stored

| file        | what it knows                                                        |
|-------------|----------------------------------------------------------------------|
| archive.py  | the lines: tables, rows, counts, the vault's stamp                   |
| seals.py    | the outer seal: a backup key, or age recipients                      |
| names.py    | what an archive is called, and which is newer                        |
| keeping.py  | how long archives are kept, and how far their dates can be trusted   |
| place.py    | what every place can do; directory.py and bucket.py (S3) are such    |
| places.py   | which place an address means                                         |
| erased.py   | the signed list of erased keys that lies in every place              |
| drop.py     | erasing again whom such a list knows                                 |
| remains.py  | what of an erased person remains in archives, for the report         |
| backups.py  | making them; restore.py: restoring one, and the drill that tries it  |
"""

from vault.services.backup.archive import Archive, Contents
from vault.services.backup.backups import Backups, Made, Told, held_in, keeping, key_file
from vault.services.backup.drop import Dropped
from vault.services.backup.keeping import ahead
from vault.services.backup.names import Held, Kind
from vault.services.backup.place import Place
from vault.services.backup.places import place_at, places_at
from vault.services.backup.remains import KnownArchives
from vault.services.backup.restore import Proof, Restored, Restorer
from vault.services.backup.seals import Opener

__all__ = [
    "Archive",
    "Backups",
    "Contents",
    "Dropped",
    "Held",
    "Kind",
    "KnownArchives",
    "Made",
    "Opener",
    "Place",
    "Proof",
    "Restored",
    "Restorer",
    "Told",
    "ahead",
    "held_in",
    "keeping",
    "key_file",
    "place_at",
    "places_at",
]

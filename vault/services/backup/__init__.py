"""Package backup makes archives of one moment in separate places, and restores them.

    Backups.create   snapshot ─► archive ─► every place, with the list of erased keys beside it
    Restorer         archive ─► verified ─► empty target, without what was erased since ─► everything opened ─► stored

| file        | what it knows                                                        |
|-------------|----------------------------------------------------------------------|
| archive.py  | the lines: tables, rows, counts, the vault's stamp                   |
| seals.py    | the outer seal: a backup key, or age recipients                      |
| names.py    | the names of archives, and which is newer                            |
| keeping.py  | how long archives are kept, and how far their dates can be trusted   |
| place.py    | the interface of places; directory.py and bucket.py (S3) have it     |
| places.py   | the place of an address                                              |
| plan.py     | what the operator has set: places, seal, how long archives are kept  |
| erased.py   | the signed list of erased keys in every place                        |
| drop.py     | erases again what such a list contains                               |
| remains.py  | which data of an erased person remains in archives, for the report   |
| backups.py  | makes archives; restore.py restores one, or tries to in a drill      |
"""

from vault.services.backup.archive import Archive, Contents
from vault.services.backup.backups import Backups, Made
from vault.services.backup.drop import Dropped
from vault.services.backup.each_place import PlaceReport
from vault.services.backup.held import held_in, places_with
from vault.services.backup.keeping import Keeping, ahead
from vault.services.backup.names import ArchiveKind, StoredArchive
from vault.services.backup.place import Place
from vault.services.backup.places import place_at, places_at
from vault.services.backup.plan import BackupPlan, recipients_of
from vault.services.backup.remains import KnownArchives
from vault.services.backup.restore import ContentsCheck, Restored, Restorer
from vault.services.backup.seals import Opener

__all__ = [
    "Archive",
    "ArchiveKind",
    "BackupPlan",
    "Backups",
    "Contents",
    "ContentsCheck",
    "Dropped",
    "Keeping",
    "KnownArchives",
    "Made",
    "Opener",
    "Place",
    "PlaceReport",
    "Restored",
    "Restorer",
    "StoredArchive",
    "ahead",
    "held_in",
    "place_at",
    "places_at",
    "places_with",
    "recipients_of",
]

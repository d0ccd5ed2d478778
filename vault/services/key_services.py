"""`KeyServices`: all verbs about keys, wired together."""

from __future__ import annotations

from dataclasses import dataclass

from vault.services.clock import Clock
from vault.services.factors import Passkeys
from vault.services.instance import Instance
from vault.services.resealing import Resealing
from vault.services.rewrapping import Rewrapping
from vault.services.rotation import MasterRotation
from vault.services.sealing import Sealer
from vault.services.secret_rotation import SecretRotation
from vault.services.sessions import Sessions
from vault.services.system_rotation import SystemRotation
from vault.services.user_rotation import UserRotation
from vault.services.waiting import Waiting
from vault.settings import Settings
from vault.storage import Storage


@dataclass(frozen=True, slots=True)
class KeyServices:
    """What operators do with keys."""

    master: MasterRotation
    rewrapping: Rewrapping
    people: UserRotation
    system: SystemRotation
    secrets: SecretRotation
    reseal: Resealing

    @classmethod
    def wire(
        cls,
        settings: Settings,
        storage: Storage,
        instance: Instance,
        sealer: Sealer,
        sessions: Sessions,
        passkeys: Passkeys,
        clock: Clock,
    ) -> KeyServices:
        """Hand each its collaborators."""
        waiting = Waiting(storage, clock)
        people, system = (
            UserRotation(storage, instance, sealer, clock),
            SystemRotation(storage, instance, waiting, clock),
        )
        secrets = SecretRotation(settings, storage, instance, waiting, clock)
        return cls(
            master=MasterRotation(settings, storage, instance, waiting, clock),
            rewrapping=Rewrapping(storage, instance),
            people=people,
            system=system,
            secrets=secrets,
            reseal=Resealing(settings, storage, instance, sessions, passkeys, people, system, secrets, waiting, clock),
        )

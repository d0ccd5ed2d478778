"""`KeyServices`: all verbs about keys, wired together."""

from __future__ import annotations

from dataclasses import dataclass

from vault.services.clock import Clock
from vault.services.environments.sealing import Sealer
from vault.services.keys.master import MasterRotation
from vault.services.keys.resealing import Resealing
from vault.services.keys.rewrapping import Rewrapping
from vault.services.keys.secrets import SecretRotation
from vault.services.keys.system import SystemRotation
from vault.services.keys.users import UserRotation
from vault.services.keys.workers import Waiting
from vault.services.own.instance import Instance
from vault.services.people.factors import Passkeys
from vault.services.people.sessions import Sessions
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

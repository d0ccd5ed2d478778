"""The verbs: each asks for permission on its first line, so that every face and the command share it.

`Services` is all of them, wired together over one storage and one keyring.
"""

from __future__ import annotations

from dataclasses import dataclass

from vault.services.accounts import Accounts
from vault.services.clock import Clock, now_us
from vault.services.environments import Environments
from vault.services.history import History
from vault.services.idempotency import Idempotency
from vault.services.instance import Instance
from vault.services.sealing import Sealer
from vault.services.sessions import Sessions
from vault.services.throttle import Throttle
from vault.services.tokens import Tokens
from vault.services.touches import Touches
from vault.services.transfer import Transfer
from vault.services.values import ValuesReader
from vault.services.variables import Variables
from vault.settings import Settings
from vault.storage import HotReads, SessionCache, Storage


@dataclass(frozen=True)
class Services:
    """All verbs of one vault."""

    settings: Settings
    storage: Storage
    instance: Instance
    accounts: Accounts
    sessions: Sessions
    tokens: Tokens
    environments: Environments
    variables: Variables
    values: ValuesReader
    history: History
    transfer: Transfer
    idempotency: Idempotency
    touches: Touches
    clock: Clock

    @classmethod
    def wire(
        cls, settings: Settings, storage: Storage, instance: Instance, cache: SessionCache, clock: Clock = now_us
    ) -> Services:
        """Hand each verb its collaborators."""
        hot, sealer, touches = HotReads(storage), Sealer(instance, clock), Touches(storage)
        environments = Environments(settings, storage, instance, sealer, clock)
        variables = Variables(storage, environments, sealer)
        sessions = Sessions(settings, storage, hot, instance, cache, touches, clock)
        throttle = Throttle(instance, clock)
        return cls(
            settings=settings,
            storage=storage,
            instance=instance,
            accounts=Accounts(settings, storage, instance, throttle, sessions, environments, clock),
            sessions=sessions,
            tokens=Tokens(settings, storage, hot, instance, environments, touches, clock),
            environments=environments,
            variables=variables,
            values=ValuesReader(hot, instance, sealer),
            history=History(storage, environments, variables, sealer),
            transfer=Transfer(environments, variables),
            idempotency=Idempotency(instance, clock),
            touches=touches,
            clock=clock,
        )


__all__ = ["Services"]

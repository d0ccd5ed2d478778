"""What one stream follows, as the hub knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from vault.services.sync.feed import Subscription
from vault.services.sync.judging import Follower
from vault.sync.listener import Listener


@dataclass(slots=True, eq=False)
class Following:
    """One subscription of one stream. After `Hub.join`, only the hub's thread changes it."""

    listener: Listener = field(repr=False)
    follower: Follower = field(repr=False)
    """The credential, which is judged at each delivery."""
    subscription: Subscription
    seq: int
    """Everything up to this number was handed to the listener."""
    is_behind: bool = False
    """The last page was not the last one: the listener asks for the next when it has taken this one."""

    @property
    def user_id(self) -> str:
        """The person whose changes these are."""
        return self.subscription.user_id

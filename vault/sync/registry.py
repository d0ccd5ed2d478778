"""The followings of this worker, by person and credential. The loop adds and removes; the hub's thread reads."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from vault.services.sync.judging import Follower, FollowerKey
from vault.storage import FeedEpoch
from vault.sync.following import Following


class Credential:
    """Followings that are judged together, because they have the same credential and the same address."""

    def __init__(self, follower: Follower) -> None:
        self.key = follower.key
        self.follower = follower
        self.members: dict[Following, None] = {}
        self.until_us = follower.until_us
        """When the credential ends by itself, or None."""
        self.judged_seconds = -math.inf
        """When it was judged last."""

    def followings(self) -> Sequence[Following]:
        """Return the followings now."""
        return tuple(self.members)


class Person:
    """Everything that is followed of one person. `number` and `epoch` are what the hub has seen last."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.number: int | None = None
        self.epoch: FeedEpoch | None = None
        self.by_key: dict[FollowerKey, Credential] = {}
        self.fresh: dict[Following, None] = {}
        """Followings that must be served even if nothing has changed."""

    def credentials(self) -> Sequence[Credential]:
        """Return the credentials now."""
        return tuple(self.by_key.values())

    def followings(self) -> list[Following]:
        """Return all followings now."""
        return [each for credential in self.credentials() for each in credential.followings()]


class Registry:
    """All followings. Copies such as `tuple(dict)` are atomic, so readers need no lock; changes have one."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}
        self._mutex = threading.Lock()

    @property
    def is_needed(self) -> bool:
        """Whether there is any following."""
        return bool(self._people)

    def people(self) -> Sequence[Person]:
        """Return the people who are followed now."""
        return tuple(self._people.values())

    def add(self, following: Following) -> None:
        """Add a following, to be served in the next turn."""
        follower = following.follower
        with self._mutex:
            person = self._people.get(following.user_id)
            if person is None:
                person = self._people[following.user_id] = Person(following.user_id)
            credential = person.by_key.get(follower.key)
            if credential is None:
                credential = person.by_key[follower.key] = Credential(follower)
            credential.members[following] = None
            person.fresh[following] = None

    def remove(self, following: Following) -> None:
        """Remove a following, if it is there."""
        with self._mutex:
            person = self._people.get(following.user_id)
            if person is None:
                return
            person.fresh.pop(following, None)
            credential = person.by_key.get(following.follower.key)
            if credential is not None:
                credential.members.pop(following, None)
                if not credential.members:
                    del person.by_key[following.follower.key]
            if not person.by_key:
                del self._people[following.user_id]

    def refresh(self, following: Following) -> None:
        """Serve a following in the next turn, if it is still there."""
        with self._mutex:
            person = self._people.get(following.user_id)
            credential = person.by_key.get(following.follower.key) if person is not None else None
            if person is not None and credential is not None and following in credential.members:
                person.fresh[following] = None

    def take_fresh(self, person: Person) -> Sequence[Following]:
        """Return the followings that must be served even if nothing has changed, and mark them as served."""
        with self._mutex:
            fresh = tuple(person.fresh)
            person.fresh.clear()
        return fresh

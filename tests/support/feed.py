"""Helpers for tests of the feed: what a credential is told after a number, in short words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.vaults import write
from vault.model.environment import EnvironmentRef
from vault.model.principal import Principal
from vault.services import Services
from vault.services.sync.feed import Page, Subscription
from vault.services.sync.message import Message


def subscribed(vault: Services, who: Principal, *references: EnvironmentRef) -> Subscription:
    """Subscribe from now to these environments, or to all without any."""
    return vault.sync.feed.subscribe(who, references or None, None)


def page_of(
    vault: Services, who: Principal, subscription: Subscription, since: int | None = None, limit: int = 500
) -> Page:
    """Return a page on a new snapshot, from where the subscription begins or from another number."""
    since = subscription.seq if since is None else since
    snapshot = vault.sync.feed.snapshot(who.user_id, since)
    return vault.sync.feed.page(snapshot, who, subscription, since, limit)


def in_words(message: Message) -> str:
    """Return a message as text: `write prod@2 -> prod`, `gone eu -> prod,globals`."""
    kind = message.kind or message.type
    revision = "" if message.revision is None else f"@{message.revision}"
    affects = "" if message.affects is None else " -> " + ",".join(each or "globals" for each in message.affects)
    return f"{kind} {message.name or 'globals'}{revision}{affects}"


@dataclass
class Told:
    """Follows with one credential, and says what it is told."""

    vault: Services
    who: Principal
    subscription: Subscription

    @property
    def again(self) -> list[str]:
        """All that was told since the start, replayed."""
        return [in_words(message) for message in page_of(self.vault, self.who, self.subscription).messages]


def follow(vault: Services, who: Principal, *references: EnvironmentRef) -> Told:
    """Follow environments from now, or all without any."""
    return Told(vault, who, subscribed(vault, who, *references))


def erase(vault: Services, who: Principal, name: str) -> None:
    """Delete an environment for good, as a Vault client does."""
    write(vault, lambda unit: vault.vaultkv.metadata.erase(unit, who, name))


def delete_versions(vault: Services, who: Principal, name: str, numbers: Sequence[int] | None = None) -> None:
    """Delete versions as a Vault client does, or the newest."""
    write(vault, lambda unit: vault.vaultkv.versions.delete(unit, who, name, numbers))

"""`Provider`: holds the master key. It only wraps and unwraps user keys.

The interface fits devices that return opaque bytes, accept no context, are slow, and fail:

    KeyProviderUnavailable   it does not answer now: a retry may help, and cached keys stay in use
    KeyProviderError         it refuses (disabled, destroyed, no right): a retry does not help
    BlobError                it answered, but the bytes cannot be unwrapped
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vault.errors import KeyProviderError
from vault.settings import PREFIX, Settings

ENABLE_IT = "Enable it with `strongroom keys retire --undo`."
"""What to do about a disabled version."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. The vault works with the weakest provider; these flags only tell it what it can skip."""

    context: bool
    """Whether the provider itself binds a wrap to its context."""

    local: bool
    """Whether it answers at once on this machine, so that it needs no time limit and no thread."""


class Provider(Protocol):
    """One holder of master keys. `ref` is its own name of a version. It may ignore `context`, see `capabilities`.

    A provider that is not local must set time limits on its sockets: `Guarded` stops waiting for a call that hangs, but
    cannot free its thread.
    """

    @property
    def name(self) -> str:
        """The name in `PROVIDERS` and in the `master_keys` table."""

    def create_version(self) -> str:
        """Create a version and return its ref. The vault does not use it until it is made active."""

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """Return opaque bytes that only `unwrap` with the same ref (and context, if it is used) can reverse."""

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """Return the key. Raises `BlobError` if `wrap` did not make these bytes."""

    def disable(self, ref: str) -> None:
        """Refuse to use this version until it is enabled. May be repeated."""

    def enable(self, ref: str) -> None:
        """Undo `disable`. May be repeated."""

    def destroy(self, ref: str) -> None:
        """Destroy this version for good. May be repeated, even after it is gone."""

    def probe(self) -> None:
        """Return if the provider would answer now. Otherwise raise `KeyProviderUnavailable` or `KeyProviderError`."""

    def capabilities(self) -> Capabilities:
        """Return what it can do, without calling the device."""


class ProviderClass(Protocol):
    """The class of a provider: it makes providers from the settings, so `PROVIDERS` only has to name its module."""

    @property
    def name(self) -> str:
        """The name in `PROVIDERS`."""

    def from_settings(self, settings: Settings, instance_id: str) -> Provider:
        """Return the provider of a vault, without network access. Raises `KeyProviderError` if a setting is missing."""


def needed(settings: Settings, name: str) -> str:
    """Return a required setting of a provider. Raises `KeyProviderError`."""
    value = getattr(settings, name)
    if not value:
        raise KeyProviderError(f"The key provider {name.split('_')[0]} needs {PREFIX}{name.upper()}, which is not set.")
    return str(value)

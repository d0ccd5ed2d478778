"""`Provider`: who holds the master key. It wraps and unwraps user keys, and is asked for nothing else.

The seam fits devices that give opaque bytes, take no context, are slow, and fail:

    KeyProviderUnavailable   it does not answer just now: asking again may help, and cached keys go on serving
    KeyProviderError         it refuses (disabled, destroyed, no right): asking again will not help
    BlobError                it answered, and the bytes do not unwrap
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. The vault works with the weakest; these only say what it need not do itself."""

    context: bool
    """Whether a wrap is bound to its context by the provider itself."""

    local: bool
    """Whether it answers from this machine at once, so that it needs no time limit and no thread."""


class Provider(Protocol):
    """One holder of master keys. `ref` is its own name of one version; `context` may be ignored, see `capabilities`.

    What is not local puts time limits of its own on its sockets: `Guarded` stops waiting for a call that hangs, but
    cannot take its thread back.
    """

    @property
    def name(self) -> str:
        """As in `PROVIDERS`, and in the `master_keys` table."""

    def create_version(self) -> str:
        """Make a new version and return its ref. Nothing uses it until the vault says so."""

    def wrap(self, ref: str, key: bytes, context: bytes) -> bytes:
        """Opaque bytes that only `unwrap` with the same ref (and context, where it is taken) turns back."""

    def unwrap(self, ref: str, wrapped: bytes, context: bytes) -> bytes:
        """The key. Raises `BlobError` where the bytes are not what `wrap` made."""

    def disable(self, ref: str) -> None:
        """Refuse to wrap and unwrap with this version until it is enabled. May be repeated."""

    def enable(self, ref: str) -> None:
        """Undo `disable`. May be repeated."""

    def destroy(self, ref: str) -> None:
        """Destroy this version for good. May be repeated, also when it is gone already."""

    def probe(self) -> None:
        """Return when the provider would answer now; raise `KeyProviderUnavailable` or `KeyProviderError` otherwise."""

    def capabilities(self) -> Capabilities:
        """What it can do; asks nobody."""

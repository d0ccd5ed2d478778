"""The list of all providers, and the providers of one vault. Each is made when it is first used.

To add a provider: write a file with its class (`Provider` and `from_settings`, or a `KeyringFile`), and add a line to
`PROVIDERS`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from vault.errors import KeyProviderError, SettingsError
from vault.keys.file import KeyringFile
from vault.keys.guard import Guarded
from vault.keys.provider import Provider, ProviderClass
from vault.settings import PREFIX, Settings


class Choice(NamedTuple):
    """Where a provider's class is, and the optional packages that it needs. Only a chosen provider is imported."""

    place: str
    packages: tuple[str, ...] = ()

    def load(self) -> ProviderClass:
        """Import and return the class. Raises `KeyProviderError` if an optional package is missing."""
        module, _, name = self.place.partition(":")
        try:
            return cast(ProviderClass, getattr(importlib.import_module(module), name))
        except ModuleNotFoundError as error:
            # Any other missing module is a bug.
            if (error.name or "").partition(".")[0] not in self.packages:
                raise
            extra = module.rpartition(".")[2]
            told = f"The key provider {extra} needs a package: pip install 'strongroom[{extra}]'."
            raise KeyProviderError(told) from error


PROVIDERS: dict[str, Choice] = {
    "file": Choice("vault.keys.file:FileProvider"),
    "passphrase": Choice("vault.keys.passphrase:PassphraseProvider"),
    "awskms": Choice("vault.keys.awskms:AwsKmsProvider", ("boto3", "botocore")),
    "pkcs11": Choice("vault.keys.pkcs11:Pkcs11Provider", ("pkcs11",)),
    "transit": Choice("vault.keys.transit:TransitProvider"),
}
"""A fixed list without plug-ins: a process that has keys must not load other code."""


class Providers(Mapping[str, Provider]):
    """The providers of one vault in one process, each within `Guarded` and made at its first use. Make this after the
    fork.

    Most vaults use one provider. A vault that moves from one to another uses both. Unused providers need no settings.
    If a provider cannot be made, the next call tries again.
    """

    def __init__(self, settings: Settings, instance_id: str) -> None:
        """Create no provider yet. Raises `SettingsError` if `STRONGROOM_KEY_PROVIDER` is unknown."""
        _choice(settings.key_provider)
        self._settings = settings
        self._instance_id = instance_id
        self._made: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Provider:
        """Return the provider. Raises `KeyError` for an unknown name, `KeyProviderError` if it cannot be used."""
        choice = PROVIDERS[name]
        found = self._made.get(name)
        return found if found is not None else self._make(name, lambda: choice.load().from_settings)

    def __contains__(self, name: object) -> bool:
        # Mapping's own `__contains__` would make the provider, which needs its keyring file.
        return name in PROVIDERS

    def __iter__(self) -> Iterator[str]:
        return iter(PROVIDERS)

    def __len__(self) -> int:
        return len(PROVIDERS)

    def found(self, name: str) -> Provider:
        """Return the provider, for its first version in this vault. If it has a keyring file, the file is created."""
        keyring = _keyring_class(name)
        return self[name] if keyring is None else self._make(name, lambda: keyring.create_from_settings)

    def begin(self, name: str) -> None:
        """Make the keyring file of a provider that has had no version of this vault, if it needs one.

        An existing file is left unchanged: an earlier attempt made it and then failed.
        """
        place = keyring_file(self._settings, name)
        if place is not None and not place.exists():
            self.found(name)

    def require_set_up(self, name: str) -> None:
        """Raise `KeyProviderError` if a setting is missing that a new vault needs. Creates no file."""
        keyring = _keyring_class(name)
        if keyring is None:
            self.found(name)
        else:
            keyring.require_set_up(self._settings)

    def _make(self, name: str, maker: Callable[[], Callable[[Settings, str], Provider]]) -> Provider:
        with self._lock:
            if name not in self._made:
                self._made[name] = Guarded(maker()(self._settings, self._instance_id))
            return self._made[name]


def keyring_file(settings: Settings, name: str) -> Path | None:
    """Return the file that a provider keeps on this machine, if it keeps one."""
    keyring = _keyring_class(name)
    return None if keyring is None else keyring.place(settings)


def _choice(name: str) -> Choice:
    if name not in PROVIDERS:
        raise SettingsError(f"{PREFIX}KEY_PROVIDER must be one of {', '.join(PROVIDERS)}.")
    return PROVIDERS[name]


def _keyring_class(name: str) -> type[KeyringFile] | None:
    found = _choice(name).load()
    return found if isinstance(found, type) and issubclass(found, KeyringFile) else None

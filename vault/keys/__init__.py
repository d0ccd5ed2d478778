"""Who holds the master key, and the keys beneath it.

To add a provider: write one file with a class that has `Provider`'s methods, add one line to `PROVIDERS`, and one to
the contract suite's list in `tests/contract/test_providers.py`. Plug-ins by name are absent on purpose: a process
that holds keys loads no code by name.
"""

from collections.abc import Callable

from vault.keys.file import FileProvider, instance_of
from vault.keys.guard import Guarded
from vault.keys.keyring import Keyring, MasterKey
from vault.keys.provider import Capabilities, Provider
from vault.settings import Settings

ProviderFactory = Callable[[Settings, str], Provider]
"""From the settings and the vault's instance id. Raises `KeyProviderError` where it cannot be used."""

PROVIDERS: dict[str, ProviderFactory] = {
    "file": lambda settings, instance_id: FileProvider(settings.keyring, instance_id),
}

__all__ = [
    "PROVIDERS",
    "Capabilities",
    "FileProvider",
    "Guarded",
    "Keyring",
    "MasterKey",
    "Provider",
    "ProviderFactory",
    "instance_of",
]

"""Package keys implements the key providers, which hold the master key, and the keyring of user keys and data keys.

To add a provider: write one file with a class that has `Provider`'s methods, add one line to `PROVIDERS` in
`providers.py`, and one to the contract suite's list in `tests/contract/makers.py`. There are deliberately no
plug-ins that are found by name: a process that holds keys must not load code by name.
"""

from vault.keys.file import FileProvider, instance_of
from vault.keys.guard import Guarded
from vault.keys.keyring import JITTER, Keyring, MasterKey
from vault.keys.provider import Capabilities, Provider
from vault.keys.providers import PROVIDERS, ProviderFactory, Providers, keyring_file

__all__ = [
    "JITTER",
    "PROVIDERS",
    "Capabilities",
    "FileProvider",
    "Guarded",
    "Keyring",
    "MasterKey",
    "Provider",
    "ProviderFactory",
    "Providers",
    "instance_of",
    "keyring_file",
]

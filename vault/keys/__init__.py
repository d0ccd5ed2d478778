"""Package keys implements the key providers, which hold the master key, and the keyring of user keys and data keys.

To add a provider: write one file with its class and add one line to `PROVIDERS` in `providers.py`.
docs/contributing/to-add.md has the rest.
"""

from vault.keys.file import FileProvider
from vault.keys.guard import Guarded
from vault.keys.keyring import JITTER, Keyring, MasterKey
from vault.keys.provider import Capabilities, Provider
from vault.keys.providers import PROVIDERS, Providers, keyring_file

__all__ = [
    "JITTER",
    "PROVIDERS",
    "Capabilities",
    "FileProvider",
    "Guarded",
    "Keyring",
    "MasterKey",
    "Provider",
    "Providers",
    "keyring_file",
]

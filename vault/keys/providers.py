"""Every provider by its name, and those that a vault uses, each made when it is first asked for.

The optional ones import their packages only when they are chosen. To add one: its file, a function here that makes
it from the settings, a line in `PROVIDERS`, and the contract suite picks it up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from vault.errors import KeyProviderError, KeyringError
from vault.keys.file import FileProvider
from vault.keys.guard import Guarded
from vault.keys.provider import Provider
from vault.settings import PREFIX, Settings, read_secret_file

ProviderFactory = Callable[[Settings, str], Provider]
"""From the settings and the vault's id; it asks no network. Raises `KeyProviderError` where it cannot be used."""


def _file(settings: Settings, instance_id: str) -> Provider:
    return FileProvider(settings.keyring, instance_id)


def _new_file(settings: Settings, instance_id: str) -> Provider:
    return FileProvider.create(settings.keyring, instance_id)


def _passphrase(settings: Settings, instance_id: str) -> Provider:
    from vault.keys.passphrase import PassphraseProvider, path_beside

    return PassphraseProvider(path_beside(settings.keyring), instance_id, _given_passphrase(settings))


def _new_passphrase(settings: Settings, instance_id: str) -> Provider:
    from vault.keys.passphrase import PassphraseProvider, path_beside

    return PassphraseProvider.create(path_beside(settings.keyring), instance_id, _given_passphrase(settings))


def _awskms(settings: Settings, instance_id: str) -> Provider:
    try:
        from vault.keys.awskms import AwsKmsProvider
    except ModuleNotFoundError as error:
        raise _not_installed("awskms", error, "boto3", "botocore") from error
    return AwsKmsProvider.connect(
        instance_id,
        region=settings.aws_kms_region,
        endpoint=settings.aws_kms_endpoint,
        key_id=settings.aws_kms_key_id,
    )


def _pkcs11(settings: Settings, instance_id: str) -> Provider:
    try:
        from vault.keys.pkcs11 import Pkcs11Provider
    except ModuleNotFoundError as error:
        raise _not_installed("pkcs11", error, "pkcs11") from error
    module = _needed(settings, "pkcs11_module")
    return Pkcs11Provider(module, _needed(settings, "pkcs11_token"), _needed(settings, "pkcs11_pin"), instance_id)


def _transit(settings: Settings, _instance_id: str) -> Provider:
    from vault.keys.transit import Place, TransitProvider

    token_file: Path | None = settings.transit_token_file

    def token() -> str:
        if token_file is None:
            return _needed(settings, "transit_token")
        return read_secret_file("STRONGROOM_TRANSIT_TOKEN_FILE", str(token_file))

    return TransitProvider(
        Place(
            url=_needed(settings, "transit_url"),
            token=token,
            mount=settings.transit_mount,
            namespace=settings.transit_namespace,
            ca_file=settings.transit_ca_file,
        )
    )


PROVIDERS: dict[str, ProviderFactory] = {
    "file": _file,
    "passphrase": _passphrase,
    "awskms": _awskms,
    "pkcs11": _pkcs11,
    "transit": _transit,
}

FOUNDERS: dict[str, ProviderFactory] = {"file": _new_file, "passphrase": _new_passphrase}
"""How a vault begins with a provider that keeps a file of its own here; the others only have to be opened."""


class Providers(Mapping[str, Provider]):
    """The providers of one vault in one process, guarded; each is made at its first use. Make it after the fork.

    A vault on its way from one provider to another uses both, and most vaults use one: what is not used need not
    be set up. One that cannot be made is tried again at the next call.
    """

    def __init__(self, settings: Settings, instance_id: str) -> None:
        self._settings = settings
        self._instance_id = instance_id
        self._made: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Provider:
        """The provider. Raises `KeyError` on a name that none has, `KeyProviderError` where it cannot be used."""
        found = self._made.get(name)
        return found if found is not None else self._make(name, PROVIDERS[name])

    def __iter__(self) -> Iterator[str]:
        return iter(PROVIDERS)

    def __len__(self) -> int:
        return len(PROVIDERS)

    def found(self, name: str) -> Provider:
        """The provider, where no version of this vault has been in it before: its keyring file, if any, is made.

        Raises `KeyringError` where there is a file: a keyring is never replaced.
        """
        return self._make(name, FOUNDERS.get(name, PROVIDERS[name]))

    def require_set_up(self, name: str) -> None:
        """Raise `KeyProviderError` where a setting is missing that a new vault needs. Makes no file."""
        if name == "passphrase":
            _given_passphrase(self._settings)
        elif name not in FOUNDERS:
            self.found(name)

    def _make(self, name: str, make: ProviderFactory) -> Provider:
        with self._lock:
            if name not in self._made:
                self._made[name] = Guarded(make(self._settings, self._instance_id))
            return self._made[name]


def keyring_file(settings: Settings, name: str) -> Path | None:
    """The file that a provider keeps on this machine, if it keeps one."""
    from vault.keys.passphrase import path_beside

    return {"file": settings.keyring, "passphrase": path_beside(settings.keyring)}.get(name)


def _given_passphrase(settings: Settings) -> str:
    if not settings.passphrase:
        raise KeyringError(
            "The keyring's passphrase is not given: put it into a file and name that in STRONGROOM_PASSPHRASE_FILE, "
            "or lay it ready as systemd's credential named passphrase."
        )
    return settings.passphrase


def _needed(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if not value:
        raise KeyProviderError(f"The key provider {name.split('_')[0]} needs {PREFIX}{name.upper()}, which is not set.")
    return str(value)


def _not_installed(extra: str, error: ModuleNotFoundError, *packages: str) -> Exception:
    """What to raise where an optional package is missing; any other missing module is a fault of ours."""
    if (error.name or "").partition(".")[0] not in packages:
        return error
    return KeyProviderError(f"The key provider {extra} needs a package: pip install 'strongroom[{extra}]'.")

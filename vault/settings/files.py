"""Opens the files that settings name, before anything is made or served."""

from __future__ import annotations

import ssl
from pathlib import Path

from vault.errors import SettingsError
from vault.settings.addresses import require_readable, shown
from vault.settings.fields import PREFIX, Settings
from vault.sources import parts_of
from vault.tls import verifying_context


def check_files(settings: Settings) -> None:
    """Raise `SettingsError` for a file or a folder that cannot be used. Creates nothing."""
    _require_folder_or_nothing(f"{PREFIX}DATA_DIR", settings.data_dir)
    _require_file_or_nothing(f"{PREFIX}KEYRING", settings.keyring)
    if settings.backup_key is not None:
        _require_file_or_nothing(f"{PREFIX}BACKUP_KEY", settings.backup_key)
    for name in ("pkcs11_module", "transit_token_file"):
        path: Path | None = getattr(settings, name)
        if path is not None:
            require_readable(PREFIX + name.upper(), path)
    for name in ("transit_ca_file", "audit_forward_ca_file"):
        path = getattr(settings, name)
        if path is not None:
            _require_authorities(PREFIX + name.upper(), path)
    _check_forward_file(settings.audit_forward)
    for place in parts_of(settings.backup_to):
        if place.startswith("dir:"):
            _require_folder_or_nothing(f"{PREFIX}BACKUP_TO", Path(place.removeprefix("dir:")))


def check_certificate(settings: Settings) -> None:
    """Raise `SettingsError` unless the server's certificate and its key can be used. For `serve` only: other commands
    may run where the key cannot be read.
    """
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None or key is None:
        return
    require_readable(f"{PREFIX}TLS_CERT", certificate)
    require_readable(f"{PREFIX}TLS_KEY", key)
    if b"-----BEGIN CERTIFICATE-----" not in certificate.read_bytes():
        raise SettingsError(f"{PREFIX}TLS_CERT names {shown(str(certificate))}, which has no certificate in PEM form.")
    text = key.read_bytes()
    if b"PRIVATE KEY-----" not in text:
        raise SettingsError(f"{PREFIX}TLS_KEY names {shown(str(key))}, which has no private key in PEM form.")
    if b"ENCRYPTED" in text:
        raise SettingsError(f"{PREFIX}TLS_KEY names {shown(str(key))}, which has a passphrase. Give a key without one.")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        if "MISMATCH" in str(error).upper():
            raise SettingsError(
                f"{PREFIX}TLS_KEY is not the key of the certificate in {PREFIX}TLS_CERT. The server's own certificate "
                "must be the first in its file."
            ) from None
        raise SettingsError(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY name files that are damaged.") from None


def _require_authorities(variable: str, path: Path) -> None:
    try:
        verifying_context(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it has no certificate in PEM form"
        raise SettingsError(
            f"{variable} names {shown(str(path))}, but no certificates can be read from it: {reason}."
        ) from None


def _require_folder_or_nothing(variable: str, path: Path) -> None:
    if _exists(variable, path) and not path.is_dir():
        raise SettingsError(f"{variable} names {shown(str(path))}, which is not a folder.")
    _require_folders_above(variable, path)


def _require_file_or_nothing(variable: str, path: Path) -> None:
    if _exists(variable, path) and not path.is_file():
        raise SettingsError(f"{variable} names {shown(str(path))}, which is not a file.")
    _require_folders_above(variable, path)


def _require_folders_above(variable: str, path: Path) -> None:
    """The folders may be missing, as they are made; what is there must be a folder."""
    for above in path.parents:
        if _exists(variable, above):
            if not above.is_dir():
                raise SettingsError(f"{variable} names {shown(str(path))}, but {shown(str(above))} is not a folder.")
            return


def _exists(variable: str, path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise SettingsError(f"{variable} names {shown(str(path))}, which cannot be used: {reason}.") from None
    return True


def _check_forward_file(target: str) -> None:
    if target.startswith("file:"):
        path = Path(target.removeprefix("file:"))
        if not path.parent.is_dir() or path.is_dir():
            raise SettingsError(
                f"{PREFIX}AUDIT_FORWARD names {shown(str(path))}, which must be a file in a folder that exists."
            )

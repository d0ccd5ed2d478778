"""`Settings`: every setting with its default, and values that follow from several settings."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "STRONGROOM_"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SECRET_SETTINGS = frozenset({"database_url", "redis_url", "passphrase", "pkcs11_pin"})
"""Settings that may carry a password; these take the `_FILE` form.

`transit_token_file` is a setting of its own: agents renew tokens by writing the file anew, so it is read again later.
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one vault. The names of durations have their unit; sizes are in bytes."""

    data_dir: Path
    keyring: Path
    # Both may contain a password, and a repr ends up in tracebacks.
    database_url: str = field(repr=False)
    redis_url: str = field(default="", repr=False)
    bind: str = "127.0.0.1:8443"
    public_url: str = ""
    metrics_bind: str = ""
    workers: int = 2
    threads: int = 4
    login_threads: int = 2
    tls_cert: Path | None = None
    tls_key: Path | None = None
    plain_http: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    max_connections: int = 2000
    max_streams: int = 1000
    max_streams_per_person: int = 500
    max_streams_per_credential: int = 250
    max_requests_in_flight: int = 128
    max_requests_in_flight_per_caller: int = 32
    threads_per_caller: int = 0
    calls_per_second_per_caller: float = 1000.0
    least_bytes_per_second: int = 8 * 1024
    body_timeout_seconds: float = 15.0
    handshake_timeout_seconds: float = 5.0
    header_timeout_seconds: float = 5.0
    graceful_timeout_seconds: int = 30
    buffered_bytes: int = 64 * 1024 * 1024
    session_idle_seconds: int = 30 * 60
    session_absolute_seconds: int = 12 * 3600
    require_second_factor: str = "none"
    argon2_memory_kib: int = 64 * 1024
    argon2_passes: int = 3
    argon2_lanes: int = 1
    key_cache_seconds: int = 300
    key_destroy_wait_days: int = 7
    reseal_grace_hours: int = 24
    rotate_user_keys_days: int = 0
    rotate_data_keys_days: int = 0
    rotate_system_key_days: int = 0
    operator_networks: tuple[Network, ...] = ()
    """None: operators call from this machine, and not through a proxy."""
    key_provider: str = "file"
    passphrase: str = field(default="", repr=False)
    aws_kms_key_id: str = ""
    aws_kms_region: str = ""
    aws_kms_endpoint: str = ""
    pkcs11_module: Path | None = None
    pkcs11_token: str = ""
    pkcs11_pin: str = field(default="", repr=False)
    transit_url: str = ""
    transit_token: str = field(default="", repr=False)
    transit_token_file: Path | None = None
    transit_mount: str = "transit"
    transit_namespace: str = ""
    transit_ca_file: Path | None = None
    quota_environments: int = 1000
    quota_tokens: int = 1000
    token_step_up_days: int = 90
    quota_sessions: int = 100
    quota_bytes: int = 256 * 1024 * 1024
    purge_after_days: int = 30
    revision_keep_days: int = 7
    changes_keep_days: int = 30
    spool_bytes: int = 256 * 1024 * 1024
    audit_forward: str = ""
    audit_forward_ca_file: Path | None = None
    audit_keep_days: int = 0
    backup_to: str = ""
    backup_key: Path | None = None
    backup_recipients: str = ""
    backup_keep_days: int = 14
    backup_keep_recent_hours: int = 24
    backup_place_seconds: int = 60
    security_contact: str = ""
    log_level: str = "info"
    log_format: str = "json"

    @property
    def embedded(self) -> bool:
        """Whether the database is the built-in SQLite file, which `serve` may create and upgrade itself."""
        return self.database_url.startswith("sqlite")

    @property
    def buffered_bytes_per_caller(self) -> int:
        """The memory that a worker holds for one caller or one connection: a quarter, but at least two large bodies."""
        return max(self.buffered_bytes // 4, 4 * 1024 * 1024)

    @property
    def origin(self) -> str:
        """The address of this vault for browsers. It is a setting because the sender of a request chooses its Host
        header.
        """
        port = self.bind.rpartition(":")[2]
        return self.public_url or ("https://localhost" if port == "443" else f"https://localhost:{port}")

    @property
    def public_host(self) -> str:
        """The host name in `origin`."""
        return urlsplit(self.origin).hostname or ""

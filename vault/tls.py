"""The TLS context for all calls that this program makes: to the server, a key provider, a receiver of audit events."""

from __future__ import annotations

import os
import ssl


def verifying_context(
    ca_file: str | os.PathLike[str] | None = None, *, authorities: str | bytes | None = None
) -> ssl.SSLContext:
    """Return a context that verifies chain and name, with TLS 1.2 or newer.

    It trusts the certificates in `ca_file`, or those in `authorities` (PEM as text, DER as bytes), or else the
    system's. Raises `OSError` for a file that cannot be read, and its subclass `SSLError` if there is no certificate.
    """
    if authorities is not None and not authorities:
        # For `ssl`, an empty text means the system's authorities.
        raise ssl.SSLError("no certificate")
    context = ssl.create_default_context(cafile=ca_file, cadata=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

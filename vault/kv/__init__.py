"""The Vault-compatible API, at `/v1`. Existing Vault clients can use it. It calls the same services as the other faces.

| file        | calls                                                                       |
|-------------|-----------------------------------------------------------------------------|
| data.py     | `secret/data`, `subkeys`, `delete`, `undelete`, `destroy` (KV version 2)    |
| metadata.py | `secret/metadata`, `secret/config`                                          |
| one.py      | `kv/` (KV version 1)                                                        |
| tokens.py   | `auth/token`                                                                |
| logins.py   | `auth/userpass/login`, `auth/approle/login`                                 |
| wrapping.py | `sys/wrapping`                                                              |
| system.py   | `sys/health`, `seal-status`, `leader`, `mounts`, `capabilities-self`        |

These files have what the calls share: `guard.py` checks the credential, `address.py` and `bodies.py` read a request,
`envelope.py` makes an answer, `wrapped.py` wraps it for one reader, `problems.py` answers errors. `policies.py` reads
grants, `duration.py` reads durations.

A path is an environment's name, and a version is a revision. Other Vault calls are answered with 404 or 405.
"""

from __future__ import annotations

from flask import Flask

from vault.kv import data, guard, logins, metadata, one, system, tokens, wrapping

_FILES = (data, metadata, one, tokens, logins, wrapping, system)


def register(app: Flask) -> None:
    """Register this face with `app`."""
    for file in _FILES:
        app.register_blueprint(file.blueprint)
    guard.guard(app)

"""The face that existing Vault clients speak, at `/v1`: a thin room over the same services.

| file        | calls                                                                       |
|-------------|-----------------------------------------------------------------------------|
| data.py     | `secret/data`, `subkeys`, `delete`, `undelete`, `destroy` (KV version 2)    |
| metadata.py | `secret/metadata`, `secret/config`                                          |
| one.py      | `kv/` (KV version 1)                                                        |
| tokens.py   | `auth/token`                                                                |
| logins.py   | `auth/userpass/login`, `auth/approle/login`                                 |
| wrapping.py | `sys/wrapping`                                                              |
| system.py   | `sys/health`, `seal-status`, `leader`, `mounts`, `capabilities-self`        |

A path is an environment's name, a version is a revision. What is not offered answers 404 or 405.
"""

from __future__ import annotations

from flask import Flask

from vault.kv import calls, data, logins, metadata, one, system, tokens, wrapping

_FILES = (data, metadata, one, tokens, logins, wrapping, system)


def register(app: Flask) -> None:
    """Give `app` this face."""
    for file in _FILES:
        app.register_blueprint(file.blueprint)
    calls.guard(app)

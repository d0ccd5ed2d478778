"""How Strongroom is served: gunicorn, a front door that bounds what comes in, and TLS always.

from vault.server import serve
serve(settings)
"""

from __future__ import annotations

from vault.server.run import FACTORY, ca_file, serve

__all__ = ["FACTORY", "ca_file", "serve"]

"""Package server runs Strongroom: gunicorn, a front door that limits requests, and TLS in every setup.

from vault.server import serve
serve(settings)
"""

from __future__ import annotations

from vault.server.run import FACTORY, ca_file, serve

__all__ = ["FACTORY", "ca_file", "serve"]

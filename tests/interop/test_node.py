"""node-vault and @litehex/node-vault, unchanged, against a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import Place
from tests.support.patience import HANG_SECONDS

NODE = Path(__file__).parent / "node"


@pytest.mark.parametrize("client", ["node-vault", "litehex"])
def test_a_client_from_node_makes_its_journey(vault_server: Place, client: str) -> None:
    script = NODE / f"journey-{client}.mjs"
    done = subprocess.run(
        ["node", str(script)], env=vault_server.env, capture_output=True, text=True, timeout=HANG_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr

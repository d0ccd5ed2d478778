"""`strongroom serve` where another program listens already."""

from __future__ import annotations

import socket

from vault.cli.operators.serve import is_taken


def test_a_port_is_taken_while_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        assert is_taken(bind)
    assert not is_taken(bind)


def test_an_address_that_is_not_this_machine_s_is_left_to_the_server() -> None:
    assert not is_taken("192.0.2.1:8443")

"""Unit tests open no sockets; their asyncio loops run all the same."""

from __future__ import annotations

import asyncio
import socket

import pytest
import pytest_socket


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_a_unit_test_that_opens_a_socket_fails(family: socket.AddressFamily) -> None:
    with pytest.raises(pytest_socket.SocketBlockedError):
        socket.socket(family)


def test_an_asyncio_loop_runs_in_a_unit_test() -> None:
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"

"""One person's calls, however slow and many, leave threads and places for others."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.server.conftest import SHORT_LIMITS, Reply, request
from tests.support.patience import HANG_SECONDS, eventually, slowness
from tests.support.ports import free_port
from tests.support.serving import RunningServer

TOY = "tests.integration.server.toy:create_app"
PORT = free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Four threads, two for each caller, and eight calls under way for each caller."""
    limits = SHORT_LIMITS | {
        "STRONGROOM_THREADS_PER_CALLER": "0",
        "STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "40",
        "STRONGROOM_MAX_REQUESTS_IN_FLIGHT_PER_CALLER": "8",
        "STRONGROOM_METRICS_BIND": f"127.0.0.1:{PORT}",
    }
    with RunningServer(tmp_path_factory.mktemp("fair"), limits, factory=TOY) as running:
        # Each credential is known from its first call on.
        assert {ask(running, "/pid", person).status for person in ("ada", "bob")} == {200}
        yield running


def ask(server: RunningServer, path: str, person: str, **fields: str) -> Reply:
    return request(server, "GET", path, headers={"Authorization": f"Bearer {person}"} | fields)


def test_slow_calls_of_one_person_leave_threads_for_another(server: RunningServer) -> None:
    with ThreadPoolExecutor(4) as pool:
        times = slowness()
        slow = [pool.submit(ask, server, f"/slow/{2.5 * times:.1f}", "ada") for _ in range(4)]
        time.sleep(0.3 * times)
        assert [ask(server, "/pid", "bob").status for _ in range(3)] == [200] * 3
        assert not any(call.done() for call in slow)
        assert [call.result().status for call in slow] == [200] * 4


@pytest.mark.parametrize(("path", "kind"), [("/v1/slow/", "vault"), ("/slow/", "problem"), ("/slow/", "page")])
def test_a_caller_with_too_much_under_way_is_told_so_in_its_own_way(
    server: RunningServer, path: str, kind: str
) -> None:
    accept = {"Accept": "text/html"} if kind == "page" else {}
    # The last of them must come before the first is answered.
    path += str(math.ceil(slowness()))
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: ask(server, path, "ada", **accept), range(20)))
    refused = [reply for reply in replies if reply.status == 429]
    assert len(refused) == 12
    sentence = "You have too many calls in progress, or send them too fast. Wait for answers, then try again."
    for reply in refused:
        assert reply.headers["retry-after"] == "1"
        if kind == "vault":
            assert reply.json() == {"errors": [sentence]}
        elif kind == "problem":
            assert (reply.json()["code"], reply.json()["detail"]) == ("too_many_requests", sentence)
        else:
            assert reply.body.decode() == sentence


def test_a_credential_that_is_not_accepted_counts_for_its_address_and_not_for_the_person(server: RunningServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        times = slowness()
        strangers = [pool.submit(request, server, "GET", f"/slow/{0.6 * times:.1f}") for _ in range(8)]
        time.sleep(0.3 * times)
        assert ask(server, "/pid", "ada").status == 200
        assert request(server, "GET", "/pid").status == 429
        # A probe of the same address is answered all the same.
        assert request(server, "GET", "/readyz").status == 200
        assert {call.result().status for call in strangers} == {200}


def test_refusals_are_counted_by_their_cause(server: RunningServer) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: ask(server, "/slow/0.3", "bob"), range(12)))
    assert eventually(lambda: b'strongroom_refusals_total{cause="caller_in_flight"}' in scrape())


def test_only_so_many_may_ask_for_metrics_at_once(server: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", PORT), HANG_SECONDS)) for _ in range(20)]

        def closed() -> int:
            count = 0
            for each in silent:
                each.settimeout(0.01)
                try:
                    count += each.recv(1) == b""
                except TimeoutError:
                    pass
                except ConnectionError:
                    count += 1
            return count

        assert eventually(lambda: closed() == 4)
    assert eventually(lambda: b"strongroom_refusals_total" in scrape())


def scrape() -> bytes:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORT), HANG_SECONDS) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""

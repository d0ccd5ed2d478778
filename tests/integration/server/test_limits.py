"""Clients that stall, swarm or stay: what each costs, and that good ones are served meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.server.conftest import Dial, Raw, get, request, stored
from tests.support.patience import eventually, in_time, slowness
from tests.support.serving import RunningServer

POST = b"POST /store HTTP/1.1\r\nHost: localhost\r\n"
GET_LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
GET_READY = GET_LIVE.replace(b"/livez", b"/readyz")


def tcp(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def seconds_until_closed(client: socket.socket) -> float:
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while client.recv(65536):
            pass
    return time.monotonic() - started


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("This system does not tell the memory of a process.")


def test_a_client_that_never_starts_tls_is_dropped_in_time(server: RunningServer) -> None:
    started = time.monotonic()
    with tcp(server) as silent:
        seconds_until_closed(silent)
        seconds = time.monotonic() - started
    assert seconds > 0.4
    assert in_time(seconds, 1.4)


def test_a_client_that_never_sends_a_header_is_dropped_in_time(dial: Dial) -> None:
    seconds = seconds_until_closed(dial().socket)
    assert seconds > 1.0
    assert in_time(seconds, 3.0)


def test_a_client_that_drips_its_header_is_dropped_in_time(dial: Dial) -> None:
    raw = dial()
    started = time.monotonic()
    with contextlib.suppress(OSError):
        for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 1000:
            raw.send(bytes([byte]))
            time.sleep(0.05)
    assert in_time(time.monotonic() - started, 3.0)


def test_the_header_timer_ends_with_the_first_request(dial: Dial) -> None:
    raw = dial()
    raw.send(GET_LIVE)
    assert raw.reply().status == 200
    time.sleep(1.9)
    raw.send(GET_LIVE)
    assert raw.reply().status == 200


def test_a_client_that_does_not_answer_the_tls_goodbye_is_let_go(dial: Dial, server: RunningServer) -> None:
    raw = dial()
    raw.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    descriptor = raw.socket.detach()
    with socket.socket(fileno=descriptor) as bare:
        bare.settimeout(60)
        assert in_time(seconds_until_closed(bare), 2.0)


def test_plain_http_to_the_tls_port_gets_no_answer(server: RunningServer) -> None:
    with tcp(server) as plain:
        plain.sendall(GET_LIVE)
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := plain.recv(65536):
                received += data
    assert b"HTTP" not in received


def test_a_body_that_stalls_is_answered_408_and_its_connection_closed(dial: Dial, server: RunningServer) -> None:
    request(server, "POST", "/store", body=b"whole")
    raw = dial()
    started = time.monotonic()
    raw.send(POST + b"Content-Length: 100\r\n\r\nstump")
    assert raw.reply().status == 408
    seconds = time.monotonic() - started
    assert seconds > 1.0
    assert in_time(seconds, 2.5)
    assert raw.is_closed()
    assert stored(server).read_bytes() == b"whole"


def test_a_client_that_does_not_read_its_answer_is_dropped_in_time(dial: Dial, server: RunningServer) -> None:
    raw = dial()
    # More than the kernel's buffers on both sides take in.
    size = 24_000_000
    raw.send(f"GET /repeat/x/{size} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    time.sleep(4.0 * slowness())
    received = 0
    with contextlib.suppress(OSError):
        while data := raw.socket.recv(1024 * 1024):
            received += len(data)
    assert received < size


def test_stalled_uploads_do_not_keep_others_from_reading(dial: Dial, server: RunningServer) -> None:
    stalled = [dial() for _ in range(40)]
    for raw in stalled:
        raw.send(POST + b"Content-Length: 1000000\r\n\r\nstump")
    started = time.monotonic()
    assert all(get(server, "/readyz").status == 200 for _ in range(5))
    assert in_time(time.monotonic() - started, 1.0)
    assert {raw.reply().status for raw in stalled} == {408}


def test_bodies_over_the_buffers_are_answered_503_and_the_rest_are_whole(dial: Dial, patient: RunningServer) -> None:
    size = 1_400_000
    senders = [dial(patient) for _ in range(5)]
    for raw in senders:
        raw.send(POST + b"Content-Length: %d\r\n\r\n" % size + b"x" * (size - 1))
    time.sleep(0.2 * slowness())
    for raw in senders:
        raw.send(b"x")
    replies = [raw.reply() for raw in senders]
    assert sorted({reply.status for reply in replies}) == [200, 503]
    assert all(reply.json()["size"] == size for reply in replies if reply.status == 200)
    assert all(reply.headers["retry-after"] == "1" for reply in replies if reply.status == 503)
    assert request(patient, "POST", "/store", body=b"x" * size).status == 200


def test_requests_past_the_cap_are_answered_503_with_retry_after(dial: Dial, patient: RunningServer) -> None:
    # Connected first: on a busy machine the first would be answered before the last has shaken hands.
    callers = [dial(patient) for _ in range(24)]
    for caller in callers:
        caller.send(b"GET /slow/0.3 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    replies = [caller.reply() for caller in callers]
    refused = [reply for reply in replies if reply.status == 503]
    # Of 12 places strangers have half.
    assert len(replies) - len(refused) >= 6
    assert refused
    for reply in refused:
        assert (reply.headers["retry-after"], reply.json()["code"]) == ("1", "unavailable")
    assert get(patient, "/readyz").status == 200


def test_a_client_that_leaves_does_not_make_room_while_its_thread_works(dial: Dial, patient: RunningServer) -> None:
    asking, times = dial(patient), slowness()
    leaving = [dial(patient) for _ in range(12)]
    for raw in leaving:
        raw.send(f"GET /slow/{0.5 * times:.1f} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    for raw in leaving:
        raw.close()
    time.sleep(0.2 * times)
    asking.send(GET_READY.replace(b"/readyz", b"/echo/x"))
    assert asking.reply().status == 503
    # Probes have places of their own.
    assert get(patient, "/readyz").status == 200
    assert eventually(lambda: get(patient, "/echo/x").status == 200, within_seconds=8 * times)


def test_many_logins_wait_shortly_or_are_refused_while_reads_go_on(server: RunningServer) -> None:
    seconds: list[float] = []
    with ThreadPoolExecutor(30) as pool:
        logins = [pool.submit(request, server, "POST", "/login", body=b"{}") for _ in range(30)]
        time.sleep(0.2)
        while not all(login.done() for login in logins):
            started = time.monotonic()
            assert get(server, "/readyz").status == 200
            seconds.append(time.monotonic() - started)
    statuses = [login.result().status for login in logins]
    assert set(statuses) == {200, 503}
    # One thread, 0.3 s each, 2 s of patience: seven and what the time of the calls themselves allows.
    assert in_time(statuses.count(200), 10)
    assert in_time(sorted(seconds)[len(seconds) // 2], 0.2)


def test_past_the_cap_the_oldest_that_owes_its_header_makes_room(patient: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        half_open = [stack.enter_context(tcp(patient)) for _ in range(200)]
        assert get(patient, "/readyz").status == 200
        assert in_time(seconds_until_closed(half_open[0]), 1.0)
        half_open[-1].settimeout(0.3)
        with pytest.raises(TimeoutError):
            half_open[-1].recv(1)


def test_half_open_connections_cost_little_memory(patient: RunningServer) -> None:
    pid = get(patient, "/pid").json()["pid"]
    before = memory_mib(pid)
    with contextlib.ExitStack() as stack:
        for _ in range(58):
            stack.callback(Raw(patient).close)
        assert memory_mib(pid) - before < 58 * 0.15


def test_an_answer_that_is_dropped_midway_never_reaches_the_next_user(server: RunningServer) -> None:
    """A connection dropped in mid-answer, then the next user's request, with a letter for each user."""
    wrong: list[str] = []

    def user(letter: str) -> None:
        for turn in range(12):
            raw = Raw(server)
            raw.send(f"GET /repeat/{letter}/300000 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            if turn % 2:
                raw.socket.recv(1000)
            else:
                reply = raw.reply()
                if reply.status == 200 and set(reply.body.decode()) != {letter}:
                    wrong.append(letter)
            raw.close()

    threads = [threading.Thread(target=user, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

"""Starting, reloading and stopping a real server, under load."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.server.conftest import HANDSHAKE, SHORT_LIMITS, TOY, Raw, Reply, get
from tests.integration.server.http2_client import Http2
from tests.support.patience import HANG_SECONDS, eventually, in_time, slowness
from tests.support.ports import free_port
from tests.support.serving import RunningServer
from tests.support.undertaker import watched

TWO_WORKERS = SHORT_LIMITS | {"STRONGROOM_WORKERS": "2"}


class Load:
    """Clients that keep their connections and ask without a pause, until stopped."""

    def __init__(self, server: RunningServer, clients: int = 4) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._server = server
        self._going = True
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        connection = self._server.connect()
        while self._going:
            try:
                connection.request("GET", "/slow/0.01")
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failures.append(str(answer.status))
                self.answers += 1
            except (OSError, HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


def pids(server: RunningServer) -> set[int]:
    return {get(server, "/pid").json()["pid"] for _ in range(8)}


def all_started(server: RunningServer) -> set[int]:
    """Every worker that has ever got as far as serving."""
    return {int(path.name.partition("-")[2]) for path in server.data_dir.glob("started-*")}


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=HANG_SECONDS) as answer:
        text: str = answer.read().decode()
        return text


class Reload(NamedTuple):
    """What was seen while a server was reloaded three times under load, and then once with a broken application."""

    load: Load
    before: set[int]
    after: set[int]
    metrics: str
    started: set[int]
    after_failure: set[int]


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory: pytest.TempPathFactory) -> Reload:
    port = free_port()
    settings = TWO_WORKERS | {"STRONGROOM_METRICS_BIND": f"127.0.0.1:{port}"}
    with RunningServer(tmp_path_factory.mktemp("reloaded"), settings, factory=TOY) as server:
        before = pids(server)
        load = Load(server)
        for _ in range(3):
            server.send_signal(signal.SIGHUP)
            time.sleep(1.0)
        assert eventually(lambda: not before & pids(server) and load.answers > 50)
        load.stop()
        for _ in range(5):
            get(server, "/echo/canary?q=canary")
        after, metrics, started = pids(server), scrape(port), all_started(server)
        (server.data_dir / "refuse-to-start").touch()
        server.send_signal(signal.SIGHUP)
        assert eventually(lambda: "reload_failed" in server.log)
        return Reload(load, before, after, metrics, started, pids(server))


def test_sighup_each_second_under_load_fails_no_request(reloaded: Reload) -> None:
    assert reloaded.load.failures == []


def test_sighup_replaces_the_workers(reloaded: Reload) -> None:
    assert not reloaded.before & reloaded.after


def test_a_reload_whose_workers_cannot_start_keeps_the_old_ones(reloaded: Reload) -> None:
    assert reloaded.after_failure <= reloaded.started - reloaded.before


def test_metrics_are_summed_over_workers_that_live_and_those_that_are_gone(reloaded: Reload) -> None:
    assert 'strongroom_requests_total{method="GET",route="/echo/<path:rest>",status="200"} 5.0' in reloaded.metrics
    count = re.search(
        r'requests_total{method="GET",route="/slow/<float:seconds>",status="200"} (\d+)', reloaded.metrics
    )
    assert count is not None
    assert int(count[1]) == reloaded.load.answers


def test_metrics_carry_nothing_that_a_caller_sent(reloaded: Reload) -> None:
    assert "canary" not in reloaded.metrics


class Stop(NamedTuple):
    """What was seen while a server was told to stop with work under way."""

    in_flight: list[int]
    stream: int
    readiness: Reply
    liveness: int
    fresh_request: int
    exit_code: int
    seconds: float
    told_to_stop: bool
    times: float
    """How many times longer than on a quiet machine everything took."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stop:
    # What is asked while the server stops must be answered before it has: on a busy machine it stops more slowly.
    times = slowness()
    limits = {"TOY_LAME_DUCK_SECONDS": str(times), "STRONGROOM_GRACEFUL_TIMEOUT_SECONDS": str(math.ceil(8 * times))}
    # All calls may meet in one worker, and one caller without a credential has half of its places.
    limits |= {"STRONGROOM_THREADS": "10", "STRONGROOM_THREADS_PER_CALLER": "10"}
    limits |= {"STRONGROOM_MAX_REQUESTS_IN_FLIGHT": "60"}
    with (
        RunningServer(tmp_path_factory.mktemp("stopped"), TWO_WORKERS | limits, factory=TOY) as server,
        closing(Raw(server)) as idle,
        closing(Http2(server)) as idle_2,
        closing(Http2(server)) as busy_2,
    ):
        workers = pids(server)
        idle.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (idle.reply().status, idle_2.ask("GET", "/livez").status) == (200, 200)
        with ThreadPoolExecutor(6) as pool:
            replies = [pool.submit(get, server, f"/slow/{1.5 * times:.1f}") for _ in range(6)]
            stream = busy_2.start("GET", f"/slow/{1.5 * times:.1f}")
            busy_2.send(stream, b"")
            time.sleep(0.2 * times)
            started = time.monotonic()
            server.send_signal(signal.SIGTERM)
            assert eventually(lambda: get(server, "/readyz").status == 503, within_seconds=0.9 * times)
            readiness, liveness, fresh = get(server, "/readyz"), get(server, "/livez"), get(server, "/pid")
            streamed = busy_2.reply(stream).status
            in_flight = [reply.result().status for reply in replies]
        exit_code = server.stop(signal.SIGTERM, 40 * times)
        seconds = time.monotonic() - started
        told = all((server.data_dir / f"stopped-{pid}").exists() for pid in workers)
        return Stop(in_flight, streamed, readiness, liveness.status, fresh.status, exit_code, seconds, told, times)


def test_sigterm_finishes_all_that_is_in_flight(stopped: Stop) -> None:
    assert stopped.in_flight == [200] * 6


def test_sigterm_finishes_a_stream_in_flight(stopped: Stop) -> None:
    assert stopped.stream == 200


def test_readiness_fails_first(stopped: Stop) -> None:
    assert stopped.readiness.json()["code"] == "unavailable"
    assert stopped.readiness.headers["retry-after"] == "1"


def test_life_and_new_requests_go_on_while_readiness_fails(stopped: Stop) -> None:
    assert (stopped.liveness, stopped.fresh_request) == (200, 200)


def test_idle_connections_do_not_hold_up_the_stop(stopped: Stop) -> None:
    # A second to be noticed, another of silence, a third for the TLS goodbye; 8 would be the limit.
    assert stopped.exit_code == 0
    assert in_time(stopped.seconds, 5.0 * stopped.times)


def test_the_application_is_told_to_stop(stopped: Stop) -> None:
    assert stopped.told_to_stop


def test_a_websocket_is_told_to_come_back_when_the_server_stops(tmp_path: Path) -> None:
    with RunningServer(tmp_path, SHORT_LIMITS, factory="tests.integration.server.toy_live:create_app") as server:
        raw = Raw(server)
        raw.send(HANDSHAKE)
        assert raw.reply().status == 101
        server.send_signal(signal.SIGTERM)
        opcode, _length, *payload = raw.socket.recv(100)
        assert opcode == 0x88
        assert int.from_bytes(bytes(payload[:2])) == 1012
        assert re.fullmatch(rb"reconnect in \d+ seconds", bytes(payload[2:]))
        # The client's own goodbye: a masked close frame without a code.
        raw.send(b"\x88\x80\0\0\0\0")
        assert server.stop(signal.SIGTERM) == 0
        raw.close()


def test_a_request_that_outlasts_the_graceful_time_is_cut_off(tmp_path: Path) -> None:
    impatient = SHORT_LIMITS | {"STRONGROOM_GRACEFUL_TIMEOUT_SECONDS": "2"}
    with RunningServer(tmp_path, impatient, factory=TOY) as server, ThreadPoolExecutor(1) as pool:
        endless = pool.submit(get, server, "/slow/20.0")
        time.sleep(0.3)
        started = time.monotonic()
        server.stop(signal.SIGTERM)
        # Without the limit it would take the twenty seconds of the request.
        assert in_time(time.monotonic() - started, 5.0)
        assert isinstance(endless.exception(), OSError | HTTPException)


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with RunningServer(tmp_path, SHORT_LIMITS, factory=TOY) as server:
        (killed,) = pids(server)
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: _pid_or_none(server) not in (None, killed))


def test_a_worker_that_cannot_start_just_now_tries_again(tmp_path: Path) -> None:
    with RunningServer(tmp_path, SHORT_LIMITS, factory=TOY) as server:
        (killed,) = pids(server)
        (server.data_dir / "not-yet").touch()
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: "cannot start yet" in server.log)
        (server.data_dir / "not-yet").unlink()
        assert eventually(lambda: _pid_or_none(server) not in (None, killed))


def _pid_or_none(server: RunningServer) -> int | None:
    try:
        pid: int = get(server, "/pid").json()["pid"]
    except (OSError, HTTPException):
        return None
    return pid


def test_a_factory_that_fails_stops_the_server_with_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "refuse-to-start").touch()
    with pytest.raises(AssertionError, match="The toy was told not to start"):
        RunningServer(tmp_path, SHORT_LIMITS, factory=TOY)


def test_the_processes_write_no_core_and_cannot_be_attached_to(server: RunningServer) -> None:
    for pid in (server.process.pid, *pids(server)):
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"]
    assert get(server, "/dumpable").json() == {"dumpable": 0}


def test_the_authority_lies_where_the_log_says_and_is_nobody_elses(server: RunningServer) -> None:
    told = next(json.loads(line) for line in server.log.splitlines() if '"serving"' in line)
    assert told["ca_file"] == str(server.ca_file)
    assert stat.S_IMODE(server.ca_file.parent.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in server.ca_file.parent.iterdir())


@pytest.mark.parametrize(("version", "taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_tls_is_1_2_or_newer(server: RunningServer, version: str, taken: bool) -> None:
    context = server.context()
    with warnings.catch_warnings():
        # Python warns of the old version that is to be refused here.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", server.port)) as tcp:
        if taken:
            context.wrap_socket(tcp, server_hostname="localhost").close()
        else:
            with pytest.raises(OSError):
                context.wrap_socket(tcp, server_hostname="localhost")


def test_metrics_are_not_served_to_the_public(server: RunningServer) -> None:
    assert get(server, "/metrics").status == 404


def test_connections_that_stay_are_spread_over_the_workers(tmp_path: Path) -> None:
    with RunningServer(tmp_path, TWO_WORKERS, factory=TOY) as server:
        # gunicorn starts its workers a moment apart.
        assert eventually(lambda: len(all_started(server)) == 2)
        time.sleep(0.1)
        staying = [Raw(server) for _ in range(12)]
        counts: Counter[int] = Counter()
        for raw in staying:
            raw.send(b"GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n")
            counts[raw.reply().json()["pid"]] += 1
            raw.close()
        assert min(counts.values()) >= 4
        assert len(counts) == 2


def test_a_stop_right_after_the_fork_is_not_lost(tmp_path: Path) -> None:
    # The workers are held between the fork and their own handlers, where a stop once went to the parent's.
    slow = "import time; from gunicorn import util; util._setproctitle = lambda title: time.sleep('worker' in title)"
    serve = f"{slow}; import sys; from vault import server, settings; server.serve(settings.load(), factory={TOY!r})"
    env = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")} | {
        "STRONGROOM_DATA_DIR": str(tmp_path / "data"),
        "STRONGROOM_KEYRING": str(tmp_path / "keys" / "master.json"),
        "STRONGROOM_BIND": f"127.0.0.1:{free_port()}",
    }
    log = tmp_path / "log"
    with log.open("wb") as told:
        process = watched(subprocess.Popen([sys.executable, "-c", serve], env=env, stdout=told, stderr=told))
    try:
        assert eventually(lambda: "Using worker" in log.read_text())
        time.sleep(0.3)
        process.terminate()
        assert process.wait(HANG_SECONDS) == 0
    finally:
        process.kill()
        process.wait()

"""Forwarding over syslog: what is too large, who does not answer, and what operators are told meanwhile."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Copy
from tests.support.patience import HANG_SECONDS, eventually
from tests.support.ports import free_port
from tests.support.sinks import Sink, StreamSink, UdpSink
from tests.support.tls_server import make_certificate
from tests.support.vaults import FakeClock, add_environment, add_person, opened_again, run_sql, values
from vault.app import open_vault
from vault.jobs.drain import drain
from vault.jobs.forward import forward
from vault.jobs.sequence import sequence
from vault.model.principal import Principal
from vault.observe import metrics
from vault.services import Services
from vault.services.audit import syslog
from vault.services.audit.forward import STUCK_US

WORKER = "0" * 36


@pytest.fixture
def vault(copied_vault: Copy, clock: FakeClock, tmp_path: Path) -> Iterator[Services]:
    made = open_vault(replace(copied_vault("sqlite"), data_dir=tmp_path / "data"), clock)
    yield made
    made.audit.reads.close()
    made.storage.close()


@pytest.fixture
def eve(vault: Services) -> Principal:
    eve = add_person(vault, "eve")
    add_environment(vault, eve, "prod", A="1")
    return eve


def placed(vault: Services) -> int:
    """Give a place to every event that there is; how many have one."""
    drain(vault)
    sequence(vault, WORKER)
    with vault.storage.read() as unit:
        head = unit.audit_head.get()
    assert head is not None
    return int(head.size)


def forwarded(vault: Services) -> int:
    with vault.storage.read() as unit:
        head = unit.audit_head.get()
    assert head is not None
    return int(head.forwarded)


def came(sink: Sink, places: list[int]) -> bool:
    """Whether all of these events come, in order."""
    return eventually(lambda: sorted(set(sink.places)) == places)


def grow(vault: Services, place: int, column: str, text: str) -> None:
    """Make an event large, as an older release or somebody with the database could."""
    run_sql(vault, f"UPDATE audit_events SET {column} = :text WHERE sequence = :place", text=text, place=place)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("names", "ab" * 50_000),
        ("details", json.dumps({"call": "x" * 90_000})),
        ("rows", json.dumps(["k", *[["tokens", "i" * 12, 1, "0" * 64]] * 1500])),
        ("details", "no JSON " + "x" * 70_000),
    ],
)
def test_an_event_too_large_for_a_datagram_leaves_cut_and_the_others_whole(
    vault: Services, eve: Principal, column: str, text: str
) -> None:
    count = placed(vault)
    grow(vault, 2, column, text)
    before = metrics().forward_cut._value.get()
    with UdpSink() as sink, opened_again(vault, vault.clock, audit_forward=f"syslog:127.0.0.1:{sink.port}") as sending:
        forward(sending, WORKER)
        assert came(sink, list(range(count)))
        assert forwarded(vault) == count
    assert sink.places == list(range(count))
    cut = [message for message in sink.messages if "cut_bytes" in message]
    assert [message["sequence"] for message in cut] == [2]
    assert {"id", "action", "commitment", "sha256"} <= cut[0].keys()
    assert len(cut[0]["sha256"]) == 64
    assert metrics().forward_cut._value.get() == before + 1


def test_what_is_cut_names_the_hash_of_the_whole(vault: Services, eve: Principal) -> None:
    placed(vault)
    grow(vault, 1, "names", "ab" * 50_000)
    with vault.storage.read() as unit:
        rows = [row for rows in unit.audit_events.in_order() for row in rows]
    from vault.services.audit.forward import json_line

    whole = json_line(rows[1]).encode()
    with UdpSink() as sink, opened_again(vault, vault.clock, audit_forward=f"syslog:127.0.0.1:{sink.port}") as sending:
        forward(sending, WORKER)
        assert came(sink, list(range(len(rows))))
    assert (sink.messages[1]["cut_bytes"], sink.messages[1]["sha256"]) == (
        len(whole),
        hashlib.sha256(whole).hexdigest(),
    )


@pytest.mark.parametrize("kind", ["syslog+tcp", "syslog+tls"])
def test_a_stream_takes_all_events_over_one_connection(
    vault: Services, eve: Principal, tmp_path: Path, kind: str
) -> None:
    certificate = make_certificate(tmp_path)
    sink = StreamSink(certificate.chain if kind == "syslog+tls" else None)
    settings: dict[str, Any] = {"audit_forward": f"{kind}:localhost:{sink.port}"}
    if kind == "syslog+tls":
        settings["audit_forward_ca_file"] = certificate.ca_file
    with sink, opened_again(vault, vault.clock, **settings) as sending:
        for _ in range(3):
            values(vault, eve, "prod")
            count = placed(vault)
            forward(sending, WORKER)
            assert forwarded(vault) == count
            assert came(sink, list(range(count)))
        sending.audit.forwarder.close()
    assert sink.connections == 1
    assert sink.raw[0].startswith(b"<109>1 ")
    assert any("checkpoint" in message for message in sink.messages)


@pytest.mark.parametrize("case", ["name", "authority"])
def test_a_receiver_with_the_wrong_certificate_gets_nothing(
    vault: Services, eve: Principal, tmp_path: Path, case: str
) -> None:
    for folder in ("right", "wrong"):
        (tmp_path / folder).mkdir()
    right = make_certificate(tmp_path / "right")
    wrong = make_certificate(tmp_path / "wrong", name="elsewhere.test" if case == "name" else "localhost")
    ca_file = wrong.ca_file if case == "name" else right.ca_file
    with StreamSink(wrong.chain) as sink:
        changes: dict[str, Any] = {
            "audit_forward": f"syslog+tls:localhost:{sink.port}",
            "audit_forward_ca_file": ca_file,
        }
        placed(vault)
        with opened_again(vault, vault.clock, **changes) as sending:
            forward(sending, WORKER)
    assert sink.raw == []
    assert forwarded(vault) == 0


def test_a_receiver_that_goes_away_with_what_it_has_not_read_gets_it_again(vault: Services, eve: Principal) -> None:
    placed(vault)
    with (
        StreamSink(hang_up_after=2) as sink,
        opened_again(vault, vault.clock, audit_forward=f"syslog+tcp:127.0.0.1:{sink.port}") as sending,
    ):
        forward(sending, WORKER)
        assert sink.hung_up.wait(HANG_SECONDS)
        time.sleep(0.1)  # Its farewell arrives.
        values(vault, eve, "prod")
        count = placed(vault)
        forward(sending, WORKER)
        assert came(sink, list(range(count)))
        sending.audit.forwarder.close()


@pytest.mark.parametrize(
    "target",
    [
        "syslog+tcp:127.0.0.1:{port}",
        "syslog+tcp:nowhere.invalid",
        "syslog:nowhere.invalid",
        "file:/nonexistent/audit.jsonl",
    ],
)
def test_a_target_that_fails_is_named_once_and_tried_ever_more_seldom(
    vault: Services, eve: Principal, target: str, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    target = target.format(port=free_port())
    count = placed(vault)
    before = metrics().forward_failures._value.get()
    with opened_again(vault, clock, audit_forward=target) as sending:
        capsys.readouterr()
        for _ in range(400):
            forward(sending, WORKER)
            clock.advance(1)
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [(line["event"], line["target"]) for line in told] == [("audit_forward_failed", target)]
        assert "Traceback" not in json.dumps(told)
        # 1 + 2 + 4 + … + 32 seconds, then a minute each.
        assert 6 <= metrics().forward_failures._value.get() - before <= 13
        assert metrics().forward_waiting._value.get() == count
        # Reads are stamped by the machine's own clock, which has gone on since the fake one was set.
        assert metrics().forward_oldest._value.get() > 300
        trouble = sending.audit.forwarder.trouble()
        assert trouble is not None
        assert target in trouble
        assert str(count) in trouble


def test_a_target_that_comes_back_gets_everything_and_the_trouble_is_over(
    vault: Services, eve: Principal, clock: FakeClock
) -> None:
    count = placed(vault)
    port = free_port()
    with opened_again(vault, clock, audit_forward=f"syslog+tcp:127.0.0.1:{port}") as sending:
        forward(sending, WORKER)
        clock.advance(STUCK_US / 10**6 + 1)
        sending.audit.forwarder.look()
        assert sending.audit.forwarder.trouble() is not None
        with StreamSink(port=port) as sink:
            forward(sending, WORKER)
            assert came(sink, list(range(count)))
            assert sending.audit.forwarder.trouble() is None
            assert metrics().forward_waiting._value.get() == 0
            sending.audit.forwarder.close()


def test_a_half_open_receiver_holds_nothing_up_for_long(
    vault: Services, eve: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and never reads: once its window is full, nothing more is acknowledged."""
    monkeypatch.setattr(syslog, "SEND_SECONDS", 0.5)
    placed(vault)
    grow(vault, 1, "names", "ab" * 100_000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listener.getsockname()[1]
        with opened_again(vault, vault.clock, audit_forward=f"syslog+tcp:127.0.0.1:{port}") as sending:
            before = metrics().forward_failures._value.get()
            forward(sending, WORKER)
            assert metrics().forward_failures._value.get() == before + 1
    assert forwarded(vault) == 0


def test_what_was_pruned_before_it_could_leave_does_not_count_as_waiting(vault: Services, eve: Principal) -> None:
    placed(vault)
    run_sql(vault, "DELETE FROM audit_events WHERE sequence > 2")
    with UdpSink() as sink, opened_again(vault, vault.clock, audit_forward=f"syslog:127.0.0.1:{sink.port}") as sending:
        forward(sending, WORKER)
        assert came(sink, [0, 1, 2])
        assert sending.audit.forwarder.look() is None

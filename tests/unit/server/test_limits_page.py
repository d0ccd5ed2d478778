"""The page of limits tells the numbers that the server uses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gunicorn.http2.async_connection import CONTROL_FRAME_RATE_LIMIT, RST_STREAM_RATE_LIMIT

from vault.server import callers, connection, frames, http2, metrics, outlet, stream_outlet, websocket, worker
from vault.settings import Settings
from vault.storage.signing import signed
from vault.storage.walks import hot

PAGE = (Path(__file__).parents[3] / "docs/reference/limits.md").read_text(encoding="utf-8")
CHOSEN = Settings(data_dir=Path("data"), keyring=Path("keyring"), database_url="sqlite://")
KIB, MIB = 1024, 1024 * 1024


@pytest.mark.parametrize(
    "told",
    [
        f"`MAX_REQUESTS_IN_FLIGHT_PER_CALLER`: {CHOSEN.max_requests_in_flight_per_caller} |",
        f"`MAX_REQUESTS_IN_FLIGHT`: {CHOSEN.max_requests_in_flight} |",
        f"`CALLS_PER_SECOND_PER_CALLER`: {CHOSEN.calls_per_second_per_caller:,.0f}, "
        f"and {CHOSEN.calls_per_second_per_caller * callers._BURST_SECONDS:,.0f} at once",
        f"`THREADS`: {CHOSEN.threads} |",
        f"`BUFFERED_BYTES`: {CHOSEN.buffered_bytes // MIB} MiB",
        f"`BODY_TIMEOUT_SECONDS` ({CHOSEN.body_timeout_seconds:g})",
        f"`LEAST_BYTES_PER_SECOND` ({CHOSEN.least_bytes_per_second:,})",
        f"Each {outlet.SLICE_BYTES // KIB} KiB of an answer",
        f"at most {2 * worker._SEND_BUFFER_BYTES // KIB} KiB for each client",
        f"`MAX_CONNECTIONS`: {CHOSEN.max_connections:,};",
        f"`HEADER_TIMEOUT_SECONDS`: {CHOSEN.header_timeout_seconds:g} |",
        f"| {http2.HEADER_LIST_BYTES // KIB} KiB, 64 fields",
        f"connection's calls | {connection._UNREAD_BYTES // KIB} KiB |",
        f"resets by the client | {RST_STREAM_RATE_LIMIT} in ten seconds",
        f"beyond {http2._FRAMES_PER_REQUEST} a request and 2 a sent KiB | {CONTROL_FRAME_RATE_LIMIT:,} in ten seconds",
        f"`MAX_STREAMS`: {CHOSEN.max_streams:,};",
        f"`MAX_STREAMS_PER_PERSON`: {CHOSEN.max_streams_per_person};",
        f"`MAX_STREAMS_PER_CREDENTIAL`: {CHOSEN.max_streams_per_credential} |",
        f"fragments | {frames.MESSAGE_BYTES // KIB} KiB;",
        f"{websocket._FRAMES_AT_ONCE} at once, {websocket._FRAMES_PER_SECOND:g} each second;",
        f"server's ping each {websocket.PING_SECONDS:g} seconds | {websocket.SILENT_SECONDS:g} seconds |",
        f"a close frame | {websocket._GOODBYE_SECONDS:g} seconds |",
        f"reads slowly | {stream_outlet.AHEAD_BYTES // KIB} KiB, and one message |",
        f"nothing that was sent | {worker._UNACKNOWLEDGED_MILLISECONDS // 1000} seconds |",
        f"metrics listener | {metrics._CONNECTIONS_MOST} at once",
        f"checked | {signed._MEMO_BYTES // MIB} MiB, and {hot._MEMO_BYTES // MIB} MiB for each",
    ],
)
def test_the_page_of_limits_tells_the_numbers_in_use(told: str) -> None:
    assert told in PAGE


def test_a_caller_and_a_connection_may_hold_a_quarter_of_the_memory() -> None:
    assert CHOSEN.buffered_bytes_per_caller == CHOSEN.buffered_bytes // 4
    assert replace(CHOSEN, buffered_bytes=MIB).buffered_bytes_per_caller == 4 * MIB

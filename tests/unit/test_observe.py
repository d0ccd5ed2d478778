"""Logs and metrics say what operators need, and never what callers sent."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from vault import observe
from vault.errors import BlobError

TOKEN = "srm_t_abcdefghijklABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


# Put together, so that no line of source that a traceback shows has it.
CANARY = "-".join(("can", "ary"))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    observe.configure(level="info", style="json", stream=written)
    yield written
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_level_and_time(stream: io.StringIO) -> None:
    structlog.get_logger().info("happened", count=3)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["count"]) == ("happened", "info", 3)
    assert line["timestamp"].endswith("Z")


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    structlog.get_logger().debug("happened")
    assert not stream.getvalue()


def test_the_standard_librarys_logs_take_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("somebody").warning("it is %s", TOKEN)
    (line,) = lines(stream)
    assert (line["logger"], line["event"]) == ("somebody", "it is srm_t_***")


@pytest.mark.parametrize("name", ["password", "secret", "value", "token", "authorization", "Set-Cookie", "variables"])
def test_a_field_with_a_telling_name_is_masked(stream: io.StringIO, name: str) -> None:
    structlog.get_logger().info("happened", **{name: CANARY}, nested={name: [CANARY]})
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("content", [TOKEN, TOKEN.encode(), [TOKEN], {"a": (TOKEN,)}, ValueError(TOKEN), Path(TOKEN)])
def test_what_looks_like_a_token_is_masked_wherever_it_stands(stream: io.StringIO, content: object) -> None:
    structlog.get_logger().info("happened with %s", thing=content)
    assert TOKEN[8:] not in stream.getvalue()
    assert "srm_t_***" in stream.getvalue()


def crash(canary: str) -> None:
    hidden = canary
    int(hidden)


def test_a_traceback_has_frames_and_types_but_no_locals_and_no_foreign_message(stream: io.StringIO) -> None:
    try:
        crash(CANARY)
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("somebody").exception("failed")
    assert all("in crash" in line["exception"] for line in lines(stream))
    assert all("ValueError: (message withheld)" in line["exception"] for line in lines(stream))
    assert CANARY not in stream.getvalue()


def test_our_own_sentences_and_the_systems_are_told() -> None:
    assert "The sealed data cannot be opened." in observe.describe(BlobError())
    assert "No such file" in observe.describe(FileNotFoundError(2, "No such file"))


def test_what_caused_an_error_is_told_too() -> None:
    with pytest.raises(ValueError) as raised:
        crash(CANARY)
    error = BlobError()
    error.__cause__ = raised.value
    text = observe.describe(error)
    assert text.index("BlobError") < text.index("ValueError")
    assert CANARY not in text


def test_an_error_that_is_its_own_cause_is_told_once() -> None:
    error = BlobError()
    error.__cause__ = error
    assert observe.describe(error).count("BlobError") == 1


def test_the_console_style_shows_no_locals() -> None:
    written = io.StringIO()
    observe.configure(level="info", style="console", stream=written)
    try:
        crash(CANARY)
    except ValueError:
        structlog.get_logger().exception("failed", password=CANARY)
    finally:
        structlog.reset_defaults()
    assert "in crash" in written.getvalue()
    assert CANARY not in written.getvalue()


def test_labels_come_from_closed_sets() -> None:
    metrics = observe.Metrics()
    for method in ("GET", "BREW", "CANARY"):
        metrics.record_request(method, "/x", 200, 0.1)
    text = metrics.scrape().decode()
    assert 'strongroom_requests_total{method="GET",route="/x",status="200"} 1.0' in text
    assert 'strongroom_requests_total{method="OTHER",route="/x",status="200"} 2.0' in text
    assert "CANARY" not in text


def test_the_metrics_folder_is_emptied_and_shared_by_processes(tmp_path: Path) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"old")
    program = """
import os, sys
from pathlib import Path
from vault import observe
observe.use_metrics_directory(Path(sys.argv[1]))
for number in range(2):
    if os.fork() == 0:
        observe.metrics().logins.labels("ok").inc()
        observe.metrics().in_flight.set(5)
        os._exit(0)
    pid, _ = os.wait()
observe.forget_process(pid)
print(observe.metrics().scrape().decode())
"""
    environ = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], env=environ, capture_output=True, text=True, check=True
    )
    assert 'strongroom_logins_total{outcome="ok"} 2.0' in done.stdout
    # One of the two that set 5 is forgotten.
    assert "strongroom_requests_in_flight 5.0" in done.stdout


def test_importing_the_module_does_not_import_prometheus() -> None:
    program = "import sys, vault.observe; sys.exit('prometheus_client' in sys.modules)"
    environ = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]}
    assert subprocess.run([sys.executable, "-c", program], env=environ, check=False).returncode == 0

"""`strongroom watch`: what it prints of the feed, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from tests.unit.client.fake_feed import FakeClock, FakeFeed, Step, changed, event, hello
from tests.unit.client.fake_transport import problem
from vault.cli import root
from vault.cli.context import Cli
from vault.client import Response
from vault.client.transport import ConnectionLost, Unreachable

Watch = Callable[..., Result]


def stop() -> None:
    """The person types Ctrl-C."""
    raise KeyboardInterrupt


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> FakeFeed:
    return FakeFeed(FakeClock(monkeypatch))


@pytest.fixture
def watch(home: object, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Runs `strongroom watch` with a token, on a feed with these scripts, until Ctrl-C."""
    monkeypatch.setenv("STRONGROOM_TOKEN", "srm_t_canary")

    def call(*arguments: str, scripts: list[list[Step] | Response | Exception]) -> Result:
        feed.on_stream(*scripts, [stop])
        return CliRunner().invoke(root, ["watch", *arguments], obj=Cli(transport=feed, is_interactive=False))

    return call


def test_each_change_is_a_line(watch: Watch, feed: FakeFeed) -> None:
    script: list[Step] = [
        hello(),
        changed("c1", revision=12),
        changed("c2", "common", revision=4, affects=["prod"]),
        changed("c3", None, revision=7, affects=["prod"]),
        changed("c4", kind="rename"),
        changed("c5", kind="of a newer server"),
        changed("c6", "pr\x1bod", affects=[]),
        event("gone", "c7", environment={"id": "e1", "name": "prod"}),
        stop,
    ]
    result = watch("-e", "prod", scripts=[script])
    lines = result.stdout.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    assert [line[9:] for line in lines] == [
        "prod changed, revision 12",
        "common changed, revision 4 (affects prod)",
        "the globals changed, revision 7 (affects prod)",
        "prod is the new name of an environment",
        "prod changed",
        r"pr\x1bod changed, revision 2",
        "prod is gone: it was deleted or renamed, or you have no right to it any more",
    ]
    assert feed.asked[0].path == "/api/v1/changes?environment=prod"
    assert feed.streams[0].is_closed


def test_ctrl_c_ends_it_without_a_traceback(watch: Watch) -> None:
    result = watch("-e", "prod", scripts=[[hello(), stop]])
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.strip() == "strongroom: Stopped."


def test_scripts_get_an_object_a_line(watch: Watch, feed: FakeFeed) -> None:
    result = watch("--all", "--json", scripts=[[hello(), changed("c1"), changed("c2", None), stop]])
    first, second = map(json.loads, result.stdout.splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "type": "change", "kind": "write", "environment": {"id": "e1", "name": "prod"}, "revision": 2,
        "affects": ["prod"],
    }  # fmt: skip
    assert second["environment"]["name"] is None
    assert feed.asked[0].path == "/api/v1/changes?all=true"


def test_an_interruption_and_its_end_are_said_once(watch: Watch) -> None:
    down = [Unreachable("No way."), Unreachable("Still none."), Unreachable("And none.")]
    result = watch("-e", "prod", scripts=[[hello(), 40.0, ConnectionLost("cut")], *down, [hello(), stop]])
    assert result.stderr.splitlines()[:-2] == [
        "The connection is interrupted. Trying again: No way.",
        "The connection is back.",
    ]


def test_changes_that_may_have_been_missed_are_said(watch: Watch) -> None:
    cut: list[Step] = [hello(), 40.0, ConnectionLost("cut")]
    result = watch("-e", "prod", scripts=[cut, problem(410, "cursor_expired"), [hello("c9"), stop]])
    assert "The feed started again: changes may have been missed." in result.stderr


@pytest.mark.parametrize(
    ("answer", "code"), [(problem(401, "not_authenticated"), 2), (problem(403, "forbidden", "No."), 2),
                         (Unreachable("The server is away."), 1)],
)  # fmt: skip
def test_a_refusal_ends_it_with_its_sentence(answer: Response | Exception, code: int, watch: Watch) -> None:
    result = watch("-e", "prod", scripts=[answer])
    assert result.exit_code == code
    assert result.stderr.startswith("strongroom: ")


def test_an_environment_or_all_is_needed(watch: Watch) -> None:
    assert "Use -e NAME" in watch(scripts=[]).stderr
    assert "cannot be used together" in watch("-e", "prod", "--all", scripts=[]).stderr

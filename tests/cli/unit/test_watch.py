"""`strongroom watch`: what it prints of the feed, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from tests.unit.client.fake_feed import FakeClock, FakeFeed, Step, changed, event, hello
from tests.unit.client.fake_transport import ENVIRONMENT, answer, page, problem
from vault.cli import root
from vault.cli.context import Cli
from vault.client import Response
from vault.client.transport import ConnectionLost, Unreachable
from vault.errors import NotFound

Watch = Callable[..., Result]

PROD = "/environments/prod"
ID = ENVIRONMENT["id"]
MISSING = problem(404, "not_found")


def stop() -> None:
    """The person types Ctrl-C."""
    raise KeyboardInterrupt


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> FakeFeed:
    made = FakeFeed(FakeClock(monkeypatch))
    made.on("GET", PROD, answer(ENVIRONMENT))
    return made


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


GONE = event("gone", "c3", environment={"id": "e1", "name": "prod"}, affects=["prod"])


def objects(result: Result) -> list[dict[str, object]]:
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(each.pop("time").endswith("Z") for each in found)
    return found


def test_scripts_get_an_object_a_line(watch: Watch) -> None:
    result = watch("-e", "prod", "--json", scripts=[[hello(), changed("c1"), changed("c2", affects=[]), GONE, stop]])
    prod = {"id": "e1", "name": "prod"}
    assert objects(result) == [
        {"type": "change", "kind": "write", "environment": prod, "revision": 2, "affects": ["prod"]},
        {"type": "change", "kind": "write", "environment": prod, "revision": 2, "affects": []},
        {"type": "gone", "environment": prod, "affects": ["prod"]},
    ]


def test_nothing_says_what_is_affected_if_all_is_watched(watch: Watch, feed: FakeFeed) -> None:
    gone = event("gone", "c3", environment={"id": "e1", "name": "prod"})
    script = [hello(), changed("c1", affects=None), changed("c2", None, affects=None), gone, stop]
    result = watch("--all", "--json", scripts=[script])
    prod, unnamed = {"id": "e1", "name": "prod"}, {"id": "e1", "name": None}
    assert objects(result) == [
        {"type": "change", "kind": "write", "environment": prod, "revision": 2},
        {"type": "change", "kind": "write", "environment": unnamed, "revision": 2},
        {"type": "gone", "environment": prod},
    ]
    assert feed.asked[0].path == "/api/v1/changes?all=true"
    assert feed.calls == []


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("nope", {"/environments/nope": MISSING, "/environments/nope/values?resolve=false&globals=false": MISSING}),
        (ID, {f"/environments/{ID}": MISSING, f"/environments/{ID}/values?resolve=false&globals=false": MISSING}),
        ("team/new", {"/environments?name=team%2Fnew&limit=200": page()}),
    ],
)
def test_a_name_that_does_not_exist_yet_is_said_and_watched(
    name: str, answers: dict[str, Response], watch: Watch, feed: FakeFeed
) -> None:
    for path, found in answers.items():
        feed.on("GET", path, found)
    result = watch("-e", name, scripts=[[hello(), changed("c1", name, kind="create", affects=[name]), stop]])
    assert result.stderr.splitlines()[0] == (
        f"strongroom: The environment {name} was not found. If it does not exist yet, its changes are printed when it "
        "does."
    )
    assert result.stdout[9:] == f"{name} was created, revision 2\n"


def test_an_environment_that_exists_is_watched_without_a_word(watch: Watch, feed: FakeFeed) -> None:
    result = watch("-e", "prod", scripts=[[hello(), changed("c1"), stop]])
    assert result.stderr.strip() == "strongroom: Stopped."
    assert feed.calls == [f"GET {PROD}"]


def test_an_environment_that_a_token_may_read_and_not_list_is_watched_without_a_word(
    watch: Watch, feed: FakeFeed
) -> None:
    feed.on("GET", PROD, MISSING)
    feed.on("GET", f"{PROD}/values?resolve=false&globals=false", answer({"values": {}, "warnings": [], "revision": 1}))
    result = watch("-e", "prod", scripts=[[hello(), changed("c1"), stop]])
    assert result.stderr.strip() == "strongroom: Stopped."


def test_a_name_that_may_not_be_followed_is_refused_and_never_called_missing(watch: Watch, feed: FakeFeed) -> None:
    result = watch("-e", "prod", scripts=[problem(404, "not_found", NotFound.sentence)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"strongroom: {NotFound.sentence}")
    assert "yet" not in result.stderr
    assert feed.calls == []


@pytest.mark.parametrize("trouble", [problem(403, "forbidden", "No."), problem(500, "internal"), ConnectionLost("cut")])
def test_trouble_with_the_look_for_the_name_does_not_end_it(
    trouble: Response | Exception, watch: Watch, feed: FakeFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.client.caller.time.sleep", lambda _seconds: None)
    feed.on("GET", PROD, trouble)
    result = watch("-e", "prod", scripts=[[hello(), changed("c1"), stop]])
    assert result.stdout[9:] == "prod changed, revision 2\n"
    assert result.stderr.strip() == "strongroom: Stopped."


def test_an_interruption_and_its_end_are_said_once(watch: Watch) -> None:
    down = [Unreachable("No way."), Unreachable("Still none."), Unreachable("And none.")]
    result = watch("-e", "prod", scripts=[[hello(), 40.0, ConnectionLost("cut")], *down, [hello(), stop]])
    assert result.stderr.splitlines()[:-2] == [
        "strongroom: The connection is interrupted. Trying again: No way.",
        "strongroom: The connection is back.",
    ]


def test_changes_that_may_have_been_missed_are_said(watch: Watch) -> None:
    cut: list[Step] = [hello(), 40.0, ConnectionLost("cut")]
    result = watch("-e", "prod", scripts=[cut, problem(410, "cursor_expired"), [hello("c9"), stop]])
    assert "strongroom: The feed started again: changes may have been missed.\n" in result.stderr


@pytest.mark.parametrize(
    ("answer", "code"), [(problem(401, "not_authenticated"), 2), (problem(403, "forbidden", "No."), 2),
                         (Unreachable("The server is away."), 1)],
)  # fmt: skip
def test_a_refusal_ends_it_with_its_sentence(answer: Response | Exception, code: int, watch: Watch) -> None:
    result = watch("-e", "prod", scripts=[answer])
    assert result.exit_code == code
    assert result.stderr.startswith("strongroom: ")


def test_an_environment_or_all_is_needed(watch: Watch) -> None:
    assert watch(scripts=[]).stderr == "strongroom: No environment is given. Use -e NAME or --all.\n"
    assert "cannot be used together" in watch("-e", "prod", "--all", scripts=[]).stderr

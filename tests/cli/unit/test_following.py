"""The feed beside a program: what it takes, what it says, and when it begins again. No process and no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from vault import errors
from vault.cli.people import following
from vault.cli.people.following import Feed
from vault.client import Values
from vault.client.transport import Unreachable

Attempt = list[Values | Exception]
OnInterruption = Callable[[errors.StrongroomError | None], None]


def scripted(*attempts: Attempt) -> Callable[[OnInterruption], AbstractContextManager[Iterator[Values]]]:
    """A vault that gives one list to each attempt to follow it. The attempt after the last one is refused."""
    left: list[Attempt] = [*attempts, [errors.NotAuthenticated()]]

    @contextmanager
    def follow(on_interruption: OnInterruption) -> Iterator[Iterator[Values]]:
        yield told(left.pop(0))

    def told(attempt: Attempt) -> Iterator[Values]:
        for each in attempt:
            if isinstance(each, Exception):
                raise each
            yield each

    return follow


class Follow:
    """Runs a feed to its end in this thread, and notes what it did."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *attempts: Attempt) -> None:
        self.taken: list[str] = []
        self.pauses: list[tuple[int, bool]] = []
        self.refusals = 0
        monkeypatch.setattr(following, "_pause_seconds", self._pause)
        self.feed = Feed(scripted(*attempts), wake=self._take, refused=self._refused)
        self.feed._run()

    def _take(self) -> None:
        found = self.feed.take()
        assert found is not None
        self.taken.append(found["A"])

    def _pause(self, failures: int, *, is_gone: bool) -> float:
        self.pauses.append((failures, is_gone))
        return 0.0

    def _refused(self) -> None:
        self.refusals += 1


def values(text: str) -> Values:
    return Values({"A": text})


def test_a_vault_that_comes_and_goes_is_told_once_each_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Unreachable("It refused.")
    ran = Follow(monkeypatch, [away], [away], [values("1"), values("2"), away], [away], [values("3")])
    assert ran.taken == ["1", "2", "3"]
    assert ran.pauses == [(1, False), (2, False), (1, False), (2, False)]
    lines = capsys.readouterr().err.splitlines()
    away_line = (
        "strongroom: Warning: Changes are not followed at the moment: It refused. "
        "The program goes on with the values that it has."
    )
    assert lines[:4] == [away_line, "strongroom: Changes are followed again."] * 2
    assert lines[4].startswith("strongroom: Warning: Changes are not followed any more: A valid credential is needed.")
    assert all(line.startswith("strongroom: ") for line in lines)
    assert ran.refusals == 1


def test_a_server_without_a_feed_is_told_once_and_asked_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = errors.NotFound("This server has no feed.")
    ran = Follow(monkeypatch, [values("1"), none], [values("1"), none], [values("2"), none])
    assert ran.taken == ["1", "1", "2"]
    assert [is_gone for _, is_gone in ran.pauses] == [True, True, True]
    said = capsys.readouterr().err
    assert said.count("not followed at the moment") == 1
    assert "again" not in said


def test_an_environment_that_is_back_is_followed_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Follow(monkeypatch, [values("1"), errors.NotFound()], [errors.NotFound()], [values("2"), values("3")])
    assert ran.taken == ["1", "2", "3"]
    assert capsys.readouterr().err.count("Changes are followed again.") == 1


@pytest.mark.parametrize("error", [errors.NotAuthenticated(), errors.Forbidden(), errors.InvalidInput()])
def test_a_refusal_ends_it(error: errors.StrongroomError, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = Follow(monkeypatch, [values("1"), error], [values("2")])
    assert (ran.taken, ran.refusals, ran.pauses) == (["1"], 1, [])


def test_a_bug_ends_it_without_its_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Follow(monkeypatch, [values("1"), KeyError("canary")])
    assert ran.taken == ["1"]
    said = capsys.readouterr().err
    assert "an unexpected KeyError. The program goes on" in said
    assert "canary" not in said


def test_pauses_grow_to_a_minute_and_are_random() -> None:
    for failures, longest in ((1, 2.0), (3, 8.0), (6, 60.0), (5_000, 60.0)):
        found = [following._pause_seconds(failures, is_gone=False) for _ in range(200)]
        assert 0 <= min(found) < longest / 4
        assert longest * 3 / 4 < max(found) <= longest
    assert min(following._pause_seconds(1, is_gone=True) for _ in range(200)) >= 30

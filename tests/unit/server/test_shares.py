"""Counts that forked workers share."""

from __future__ import annotations

import os

from vault.server.shares import Shares


def test_the_least_is_over_those_that_are_there() -> None:
    shares = Shares()
    shares.tell(1, 5)
    shares.tell(2, 3)
    assert shares.least() == 3
    shares.leave(2)
    assert shares.least() == 5


def test_a_count_told_by_a_child_is_seen_by_its_parent() -> None:
    shares = Shares()
    shares.tell(1, 5)
    child = os.fork()
    if child == 0:
        shares.tell(2, 4)
        os._exit(0)
    os.waitpid(child, 0)
    assert shares.least() == 4

"""Archives of every release are damaged and forged for SOAK_SECONDS, with seeds that the output names."""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.support.damaged_archives import Trial, inside, kept_archives, outside

pytestmark = pytest.mark.timeout(3600)


def test_no_damage_to_an_archive_is_restored_or_ends_in_a_traceback(tmp_path: Path, soak_seconds: float) -> None:
    subjects = list(kept_archives(tmp_path / "kept"))
    lines = [subject.lines(tmp_path) for subject in subjects]
    trial, seed = Trial(tmp_path), time.time_ns() % 2**32
    first, until = seed, time.monotonic() + soak_seconds
    tracemalloc.start()
    try:
        while time.monotonic() < until and not trial.faults:
            chance = random.Random(seed)
            number = chance.randrange(len(subjects))
            for case in [*outside(subjects[number], chance), *inside(subjects[number], lines[number], chance)]:
                trial.feed(subjects[number], case)
            seed += 1
    finally:
        tracemalloc.stop()
    sys.stdout.write(f"\n{trial.tried} archives of the seeds {first} to {seed - 1}, {trial.refused} not restored\n")
    assert trial.faults == [], f"seed {seed - 1}"
    assert trial.tried > 0

"""`make bench AGAINST=COMMIT`: its arithmetic, its table, the order of its turns, and what it refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bench import against, turns
from tests.bench.terminal import chosen
from tests.bench.turns import Compared, Sample, by_turns, ratio

STEADY = [1.0] * 8


def test_a_ratio_is_taken_round_by_round() -> None:
    # The third round was disturbed for both. Medians of each side over the other's would give another ratio.
    commit, tree = [1.0, 2.0, 90.0, 4.0, 5.0], [1.1, 2.2, 99.0, 4.4, 5.5]
    found = ratio(commit, tree)
    assert (found.median, found.low, found.high) == pytest.approx((1.1, 1.1, 1.1))


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ([1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09], "1.055 (1.030 to 1.080), more"),
        ([0.5, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 9.0], "1.055 (1.030 to 1.080), more"),
        ([0.5, 0.9, 1.04, 1.05, 1.06, 1.07, 1.08, 9.0], "1.055 (0.900 to 1.080), within spread"),
        ([0.8, 0.81, 0.9, 0.9, 0.9, 0.9, 0.95, 1.4], "0.900 (0.810 to 0.950), less"),
        (STEADY, "1.000 (1.000 to 1.000), within spread"),
    ],
)
def test_one_round_at_each_end_is_no_part_of_the_spread(tree: list[float], text: str) -> None:
    assert str(ratio(STEADY, tree)) == text
    assert str(ratio(STEADY, tree[::-1])) == text


def test_a_row_holds_the_figures_of_both_and_the_ratios_of_both_costs() -> None:
    # This tree does twice as many in the same time, with half of the processor time for each.
    commit = [Sample(500, 0.5, 0.4)] * turns.ROUNDS
    tree = [Sample(1000, 0.5, 0.4)] * turns.ROUNDS
    assert Compared("values", "SQLite", commit, tree).row() == (
        "values",
        "SQLite",
        "800 µs of CPU, 1,000/s",
        "400 µs of CPU, 2,000/s",
        "0.500 (0.500 to 0.500), less",
        "0.500 (0.500 to 0.500), less",
    )


@pytest.mark.parametrize(
    ("sample", "figures"),
    [
        (Sample(1, 1.5, 0.95), "950.0 ms of CPU, 1,500.0 ms"),
        (Sample(3, 0.3, 0.06), "20.0 ms of CPU, 100.0 ms"),
        (Sample(100_000, 1.0, 0.75), "7.5 µs of CPU, 100,000/s"),
    ],
)
def test_slow_things_are_shown_by_their_time(sample: Sample, figures: str) -> None:
    assert Compared("a case", "", [sample] * 3, [sample] * 3).row()[2] == figures


def test_both_are_measured_by_turns_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []

    def measure(name: str) -> Sample:
        order.append(name)
        return Sample(len(order), 1.0, 1.0)

    commit, tree = by_turns(lambda: measure("A"), lambda: measure("B"))
    assert "".join(order[2:]) == "ABBA" * (turns.ROUNDS // 2)
    assert sorted(one.done for one in commit + tree) == list(range(3, 3 + 2 * turns.ROUNDS))
    assert [order[one.done - 1] for one in commit] == ["A"] * turns.ROUNDS


def test_words_are_taken_in_the_order_of_the_groups() -> None:
    assert chosen(["verify", "reads"], ["reads", "writes", "verify"], "BENCH") == ("reads", "verify")
    assert chosen([], ["reads", "writes"], "BENCH") == ("reads", "writes")


@pytest.mark.parametrize("word", ["intake", "read", "READS"])
def test_a_word_that_cannot_be_compared_is_refused(word: str) -> None:
    with pytest.raises(SystemExit, match=f"BENCH with AGAINST has unknown groups: {word}. Use reads, audit, writes"):
        against.run("HEAD", ["reads", word])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits: the first has no tests/support."""
    root = tmp_path / "repository"
    for folder in ("vault", "tests/support", "tests/bench/__pycache__"):
        (root / folder).mkdir(parents=True)
    (root / "vault" / "code.py").write_text("old")
    (root / "tests" / "__init__.py").touch()
    _git(root, "init", "-q")
    _commit(root)
    (root / "tests" / "support" / "help.py").write_text("help")
    (root / "tests" / "bench" / "load.py").write_text("old load")
    _commit(root)
    (root / "vault" / "code.py").write_text("new")
    (root / "tests" / "bench" / "load.py").write_text("new load")
    (root / "tests" / "bench" / "__pycache__" / "load.pyc").touch()
    return root


def _git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def _commit(root: Path) -> None:
    _git(root, "add", ".")
    _git(root, "commit", "-q", "-m", "A commit")


@pytest.mark.parametrize("commit", ["nothing", "HEAD~2", "0" * 40, "HEAD:vault", "--all"])
def test_an_unknown_commit_is_refused(commit: str, repository: Path) -> None:
    with pytest.raises(SystemExit, match=f"AGAINST={commit} names no commit of this repository."):
        against.resolve(repository, commit)


def test_a_commit_that_is_too_old_is_refused(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"too old.*tests/support"):
        against.export(repository, against.resolve(repository, "HEAD~1"), tmp_path / "commit")


def test_each_side_has_its_own_code_and_both_have_the_same_load(repository: Path, tmp_path: Path) -> None:
    against.export(repository, against.resolve(repository, "HEAD"), tmp_path / "commit")
    against.copy(repository, tmp_path / "tree")
    for name, code in (("commit", "old"), ("tree", "new")):
        found = {
            str(path.relative_to(tmp_path / name)): path.read_text()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        assert found == {
            "vault/code.py": code,
            "tests/__init__.py": "",
            "tests/support/help.py": "help",
            "tests/bench/load.py": "new load",
        }

"""How long archives are kept: by the time that their dates explain, and never by one clock alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.model.clock import DAY_US, HOUR_US, SECOND_US
from vault.services.backup.keeping import LATE_US, Keeping, ahead, doubts
from vault.services.backup.names import ArchiveKind, ArchiveName, archives_in

VAULT = "1f0c9a52b0e4"
NOW_US = 1_795_000_000 * SECOND_US
YEAR_US = 365 * DAY_US
KEEPING = Keeping(days=3, recent_hours=24)


def named(counter: int, created_us: int, kind: ArchiveKind = ArchiveKind.DAILY) -> ArchiveName:
    return ArchiveName(VAULT, created_us, kind, "x", ".srb", counter)


def made_at(*dates_us: int, kind: ArchiveKind = ArchiveKind.DAILY) -> list[ArchiveName]:
    """Archives in the order in which they were made."""
    return [named(number, date, kind) for number, date in enumerate(dates_us, 1)]


def deleted(names: list[ArchiveName], now_us: int, *, trust_clock: bool = False) -> list[ArchiveName]:
    return KEEPING.past(names, names[-1], now_us, trust_clock=trust_clock).deleted


# -- What is newer --


def test_a_higher_counter_is_newer_whatever_the_dates_say() -> None:
    future, right = named(7, NOW_US + YEAR_US), named(8, NOW_US)
    assert archives_in([str(future), str(right)]) == [future, right]


def test_archives_without_a_counter_are_older_than_all_others_and_sort_by_date() -> None:
    old, older, counted = named(0, NOW_US + YEAR_US), named(0, NOW_US), named(1, NOW_US - YEAR_US)
    assert archives_in(map(str, (counted, old, older))) == [older, old, counted]
    assert "-g0" not in str(old)


def test_two_of_one_microsecond_have_different_names() -> None:
    first, second = named(1, NOW_US), named(2, NOW_US)
    assert str(first) != str(second)
    assert archives_in([str(second), str(first)])[-1] == second


def test_a_listing_in_order_of_name_ends_with_the_newest() -> None:
    names = [named(0, NOW_US), named(1, NOW_US + YEAR_US), named(999, NOW_US), named(1000, NOW_US - YEAR_US)]
    assert sorted(map(str, names)) == [str(name) for name in archives_in(map(str, names))]


def test_a_name_says_the_same_when_it_is_read_again() -> None:
    for name in (named(0, NOW_US), named(4711, NOW_US + 1), named(10**15 - 1, NOW_US, ArchiveKind.RECENT)):
        assert ArchiveName.parse(str(name)) == name


def test_a_counter_of_another_length_is_no_archive() -> None:
    text = str(named(4711, NOW_US))
    for wrong in (
        text.replace("-g000000004711", "-g4711"),
        text.replace("-g0", f"-g{'0' * 9}"),
        text.replace("-g", "-"),
    ):
        assert ArchiveName.parse(wrong) is None


# -- What goes --


def test_daily_archives_go_after_their_days() -> None:
    names = made_at(*(NOW_US + day * DAY_US for day in range(6)))
    assert deleted(names, NOW_US + 5 * DAY_US) == names[:3]


def test_a_clock_a_year_ahead_deletes_nothing() -> None:
    names = made_at(NOW_US - DAY_US, NOW_US, NOW_US + YEAR_US)
    assert deleted(names, NOW_US + YEAR_US) == []


def test_nor_does_it_when_it_stays_ahead_or_is_right_again() -> None:
    minute = 60 * SECOND_US
    ahead_for_hours = [NOW_US + YEAR_US + number * 5 * minute for number in range(30)]
    right_again = [NOW_US + number * 5 * minute for number in range(30, 60)]
    names = made_at(NOW_US - DAY_US, NOW_US - HOUR_US, *ahead_for_hours, *right_again, kind=ArchiveKind.RECENT)
    for length in range(1, len(names) + 1):
        some = names[:length]
        assert all(name == names[0] for name in deleted(some, some[-1].created_us))


def test_a_clock_back_a_day_and_right_again_deletes_nothing() -> None:
    names = made_at(NOW_US - HOUR_US, NOW_US, NOW_US - DAY_US, NOW_US + 600 * SECOND_US, kind=ArchiveKind.RECENT)
    assert deleted(names[:3], NOW_US - DAY_US) == []
    assert deleted(names, NOW_US + 600 * SECOND_US) == []


def test_one_made_while_the_clock_was_back_is_no_older_than_it_is() -> None:
    # Made 4.5 hours after the first, by a clock that was 30 hours back, and 21 hours before the last.
    names = made_at(
        NOW_US, NOW_US - 25 * HOUR_US - HOUR_US // 2, NOW_US + 25 * HOUR_US + HOUR_US // 2, kind=ArchiveKind.RECENT
    )
    assert deleted(names, NOW_US + 25 * HOUR_US + HOUR_US // 2) == []


def test_an_archive_from_the_future_goes_like_any_other_once_it_is_old() -> None:
    names = made_at(NOW_US + YEAR_US, *(NOW_US + day * DAY_US for day in range(5)))
    assert names[0] in deleted(names, NOW_US + 4 * DAY_US)


def test_after_a_pause_archives_stay_until_the_owner_trusts_the_clock() -> None:
    names = made_at(NOW_US, NOW_US + DAY_US, NOW_US + 30 * DAY_US)
    past = KEEPING.past(names, names[-1], NOW_US + 30 * DAY_US)
    assert (past.deleted, past.doubtful) == ([], names[:2])
    assert deleted(names, NOW_US + 30 * DAY_US, trust_clock=True) == names[:2]


def test_the_one_that_was_just_made_never_goes() -> None:
    names = made_at(NOW_US)
    assert deleted(names, NOW_US + YEAR_US, trust_clock=True) == []


@given(st.lists(st.tuples(st.integers(1, 26 * 3600), st.sampled_from([-9000, -30, 0, 0, 0, 30, 9000])), min_size=2))
def test_nothing_goes_before_its_real_time_by_clocks_that_leap(made: list[tuple[int, int]]) -> None:
    """Each archive has a real gap in seconds before it, and a clock that is wrong by so many hours."""
    real_us, names, real = NOW_US, [], {}
    for number, (gap, wrong_hours) in enumerate(made, 1):
        real_us += gap * SECOND_US
        names.append(
            named(number, real_us + wrong_hours * HOUR_US, ArchiveKind.RECENT if number % 2 else ArchiveKind.DAILY)
        )
        real[names[-1]] = real_us
        for name in deleted(names, names[-1].created_us):
            assert real_us - real[name] >= (24 if name.kind is ArchiveKind.RECENT else 72) * HOUR_US


@pytest.mark.parametrize("start_us", [0, -40 * DAY_US, -DAY_US, YEAR_US])
@pytest.mark.parametrize("counter", [100, 0])
def test_names_that_somebody_has_put_there_make_no_archive_go_before_its_date(start_us: int, counter: int) -> None:
    good = [named(number, NOW_US - (60 - number) * HOUR_US) for number in range(1, 60)]
    put = [named(counter + number, NOW_US + start_us + number * 25 * HOUR_US) for number in range(30)]
    made = named(1000, NOW_US)
    names = archives_in(map(str, [*good, *put, made]))
    past = KEEPING.past(names, made, NOW_US)
    assert not set(good) & set(past.deleted)


@given(st.lists(st.integers(1, LATE_US), min_size=1, max_size=50))
def test_with_a_clock_that_is_right_all_go_in_time(gaps_us: list[int]) -> None:
    dates = [NOW_US]
    for gap in gaps_us:
        dates.append(dates[-1] + gap)
    names = made_at(*dates)
    expected = [name for name in names[:-1] if KEEPING.until_us(name) <= dates[-1]]
    assert deleted(names, dates[-1]) == expected


# -- What is said --


def said(names: list[ArchiveName], now_us: int) -> str:
    return " ".join(doubts("dir:/a", names, names[-1], KEEPING.past(names, names[-1], now_us), now_us))


def test_what_is_strange_is_said_and_nothing_else() -> None:
    assert said(made_at(NOW_US, NOW_US + DAY_US), NOW_US + DAY_US) == ""
    assert "the clock was changed, or no backup was made" in said(made_at(NOW_US, NOW_US + YEAR_US), NOW_US + YEAR_US)
    assert "the clock was changed, or no backup was made" in said(made_at(NOW_US, NOW_US - DAY_US), NOW_US - DAY_US)
    assert "dated in the future" in said(made_at(NOW_US + YEAR_US, NOW_US), NOW_US)
    assert "--trust-clock" in said(made_at(NOW_US, NOW_US + 9 * DAY_US), NOW_US + 9 * DAY_US)


def test_clocks_of_two_hosts_may_differ_a_little() -> None:
    assert ahead([named(1, NOW_US + 60 * SECOND_US)], NOW_US) == []
    assert ahead([named(1, NOW_US + 600 * SECOND_US)], NOW_US) != []

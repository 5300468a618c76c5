"""From an observation log, however malformed, to a learning curve."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from suggestion.earlystopping.log import opening, read_losses

# Texts of every kind that a log has been seen to hold, and any other.
TIMES = st.one_of(
    st.datetimes().map(lambda t: f"{t.isoformat()}Z"),
    st.builds(
        "2026-01-01T00:00:0{}{}".format,
        st.integers(0, 9),
        st.sampled_from(["Z", ".5Z", ".50Z", ".25Z", ".05Z", "+00:00", "+01:00", "z", ""]),
    ),
    st.sampled_from(["", "0001-01-01T00:00:00Z", "garbage", "0000000000T0000Z"]),
    st.text(max_size=30),
)
VALUES = st.one_of(
    st.floats().map(repr),
    st.sampled_from(["", "nan", "inf", "-Infinity", "unavailable", "1e999", " 0.5 ", "1_0", "0x1"]),
    st.text(max_size=8),
)
LOGS = st.lists(st.tuples(TIMES, VALUES), max_size=12)


def losses(
    *reports: tuple[str, str] | str, maximize: bool = False, horizon: int = 100
) -> list[float]:
    """Of reports given with their time, or one a second."""
    pairs = [
        (f"2026-01-01T00:00:{second:02d}Z", report) if isinstance(report, str) else report
        for second, report in enumerate(reports)
    ]
    times, values = [p[0] for p in pairs], [p[1] for p in pairs]
    return list(read_losses(times, values, maximize=maximize, horizon=horizon))


def same(one: list[float], other: list[float]) -> bool:
    return list(map(repr, one)) == list(map(repr, other))


@given(log=LOGS, maximize=st.booleans(), horizon=st.integers(1, 15))
@example(log=[("", "nan")] * 3, maximize=True, horizon=4)
@example(log=[], maximize=False, horizon=1)
def test_no_log_raises(log: list[tuple[str, str]], maximize: bool, horizon: int) -> None:
    found = losses(*log, maximize=maximize, horizon=horizon)
    assert len(found) <= min(horizon, len(log))
    assert not any(map(math.isinf, found))
    assert not found or any(map(math.isfinite, found))


@given(LOGS)
def test_maximising_turns_every_loss_round(log: list[tuple[str, str]]) -> None:
    assert losses(*log, maximize=True) == pytest.approx(
        [-loss for loss in losses(*log)], rel=0, nan_ok=True
    )


@given(LOGS)
def test_the_shortcut_for_logs_in_order_changes_nothing(log: list[tuple[str, str]]) -> None:
    # The last report has the latest time of all, in a form that the shortcut does not take.
    end = ("9999-12-31T23:59:59+00:00", "7")
    direct, detour = losses(*log, ("9999-12-31T23:59:59Z", "7")), losses(*log, end)
    assert same(direct, detour)


def test_an_empty_log_has_no_curve() -> None:
    assert losses() == []


def test_a_log_without_a_finite_number_has_no_curve() -> None:
    assert losses("nan", "inf", "-inf", "", "unavailable", "1e999") == []


def test_what_is_no_finite_number_keeps_its_place() -> None:
    found = losses("0.5", "nan", "inf", "", "oops", "0.25")
    assert same(found, [0.5, math.nan, math.nan, math.nan, math.nan, 0.25])


def test_numbers_are_read_without_loss() -> None:
    assert losses("0.1", " 1e-3 ", "-0.30000000000000004", "5e-324") == [
        0.1,
        1e-3,
        -0.30000000000000004,
        5e-324,
    ]


def test_only_the_first_reports_are_read() -> None:
    assert losses("1", "2", "3", "4", horizon=2) == [1, 2]
    assert losses("1", horizon=4) == [1]
    # Nothing finite where a rule looks, though there is later.
    assert losses("nan", "nan", "3", horizon=2) == []


def test_reports_are_put_in_order_of_time_before_the_first_are_taken() -> None:
    reports = [
        ("2026-01-01T00:00:03Z", "3"),
        ("2026-01-01T00:00:01Z", "1"),
        ("2026-01-01T00:00:02Z", "2"),
    ]
    assert losses(*reports) == [1, 2, 3]
    assert losses(*reports, horizon=2) == [1, 2]


def test_times_are_instants_not_texts() -> None:
    assert losses(
        ("2026-01-01T00:00:00.5Z", "2"),
        ("2026-01-01T00:00:00Z", "1"),  # after the other as text
        ("2026-01-01T02:00:00+02:00", "1.5"),
        ("2025-12-31T23:59:59Z", "0"),
    ) == [0, 1, 1.5, 2]


def test_reports_at_one_time_stay_in_the_order_of_the_log() -> None:
    at = "0001-01-01T00:00:00Z"
    assert losses((at, "3"), (at, "1"), (at, "2")) == [3, 1, 2]


def test_a_report_without_a_time_stays_behind_its_predecessor() -> None:
    assert losses(
        ("", "0"),
        ("2026-01-01T00:00:05Z", "5"),
        ("soon", "6"),
        ("2026-01-01T00:00:01Z", "1"),
        ("2026-02-30T00:00:00Z", "2"),
    ) == [0, 1, 2, 5, 6]


@pytest.mark.parametrize(
    ("start", "completion", "end"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T16:00:00Z", "2026-01-01T01:00:00Z"),
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:01:00Z", "2026-01-01T00:00:03.750000Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:59Z", ""),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", ""),
        ("", "2026-01-01T00:00:00Z", ""),
        ("2026-01-01T00:00:00Z", "", ""),
        ("yesterday", "2026-01-01T00:00:00Z", ""),
    ],
)
def test_the_opening_of_a_trial(start: str, completion: str, end: str) -> None:
    assert opening(start, completion) == end

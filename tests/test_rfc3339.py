"""Times as text: one form, in which text order is time order."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.problem.rfc3339 import LONGEST, canonical

# Far enough from the ends of the calendar for every offset.
MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00"),
        ("2026-01-31 09:30:00Z", "2026-01-31T09:30:00"),
        ("2026-01-31T09:30:00.000Z", "2026-01-31T09:30:00"),
        ("2026-01-31T09:30:00.2500Z", "2026-01-31T09:30:00.25"),
        ("2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123456789"),
        ("2026-01-31T09:30:00.1234567899Z", "2026-01-31T09:30:00.123456789"),
        ("2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00"),
        ("2026-01-31T09:30:00.5-05:30", "2026-01-31T15:00:00.5"),
        ("2026-01-31T09:30:00-00:00", "2026-01-31T09:30:00"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00"),
        # What Go writes for a time that was never set.
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00"),
    ],
)
def test_one_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1769851800",
        "2026-01-31",
        "2026-01-31T09:30:00",
        "2026-01-31T09:30Z",
        "2026-1-31T09:30:00Z",
        "2026-01-31T09:30:00.Z",
        "2026-01-31T09:30:00,5Z",
        "2026-01-31T09:30:00+0100",
        " 2026-01-31T09:30:00Z",
        "2026-01-31T09:30:00Z\n",
        "٢٠٢٦-01-31T09:30:00Z",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an RFC 3339 time like"):
        canonical(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:60:00Z",
        "2026-01-31T09:30:61Z",
        "2026-01-31T09:30:00+24:00",
        "2026-01-31T09:30:00+01:60",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:60Z",
    ],
)
def test_times_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time that exists"):
        canonical(text)


def written(moment: datetime, offset: int, digits: str) -> str:
    local = moment.astimezone(timezone(timedelta(minutes=offset))).replace(microsecond=0)
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    fraction = f".{digits}" if digits else ""
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}{sign}{minutes // 60:02d}:{minutes % 60:02d}"


@st.composite
def times(draw: st.DrawFn) -> tuple[str, tuple[datetime, Fraction]]:
    """A text, and the instant: whole seconds and fraction."""
    moment = draw(MOMENTS).replace(microsecond=0)
    digits = draw(st.text("0123456789", max_size=9))
    text = written(moment, draw(OFFSETS), digits)
    # %Y does not pad years before 1000 everywhere.
    head, tail = text.split("-", 1)
    return f"{int(head):04d}-{tail}", (moment, Fraction(int(digits or 0), 10 ** len(digits)))


@given(times(), times())
def test_text_order_is_time_order(
    one: tuple[str, tuple[datetime, Fraction]], other: tuple[str, tuple[datetime, Fraction]]
) -> None:
    assert (canonical(one[0]) < canonical(other[0])) == (one[1] < other[1])
    assert (canonical(one[0]) == canonical(other[0])) == (one[1] == other[1])


@given(times())
def test_the_form_stays(time: tuple[str, object]) -> None:
    form = canonical(time[0])
    assert canonical(f"{form}Z") == form
    assert len(form) <= LONGEST


@given(st.text(max_size=40))
def test_no_text_does_anything_else(text: str) -> None:
    with suppress(ValueError):
        assert len(canonical(text)) <= LONGEST

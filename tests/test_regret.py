"""The tables of the regret benchmark, from results as they are stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.regret import report
from benchmarks.regret.results import Result, merged, path_of, read, save

LONG, SHORT = np.array([0.9, 0.5, 0.5, 0.1]), np.array([0.8, 0.2])


def result(engine: str, *curves: np.ndarray) -> Result:
    return Result(engine, "p", "batch", dict(enumerate(curves)), 0.01)


@pytest.mark.parametrize("curves", [(LONG, LONG / 2), (LONG, SHORT)])
def test_what_is_stored_is_read_again(curves: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    path = save(result("e:1,k=2", *curves), tmp_path)
    again = read(path)
    assert path == path_of(tmp_path, "e:1,k=2", "p", "batch")
    assert (again.engine, again.problem, again.mode, again.cpu) == ("e:1,k=2", "p", "batch", 0.01)
    for seed, curve in enumerate(curves):
        np.testing.assert_array_equal(again.best[seed], curve)


def test_seeds_that_stopped_earlier_count_up_to_where_they_stopped() -> None:
    found = [result("one", LONG, SHORT), result("two", LONG / 2, SHORT / 2)]
    by_engine = {row.engine: row for row in report.table(found, ("one", "two"), ("p",), 2)}
    assert by_engine["one"].late[0] == pytest.approx((0.5 + 0.2) / 2)
    by_engine = {row.engine: row for row in report.table(found, ("one", "two"), ("p",), 4)}
    assert by_engine["one"].late[0] == pytest.approx(0.1)
    assert by_engine["two"].rank[0] == 1
    with pytest.raises(ValueError, match="for 5 trials"):
        report.table(found, ("one", "two"), ("p",), 5)


def test_engines_with_fewer_seeds_are_left_out_unless_named() -> None:
    found = [result("one", LONG, LONG), result("two", LONG, SHORT)]
    assert report.complete(found, ("p",), 2) == ("one", "two")
    assert report.complete(found, ("p",), 4) == ("one",)


def test_ties_share_their_mean_rank() -> None:
    assert report.ranks(np.array([0.3, 0.1, 0.3, 0.2])).tolist() == [3.5, 1, 3.5, 2]


def test_further_seeds_are_added() -> None:
    before = Result("e", "p", "batch", {1: LONG, 2: LONG}, 0.01)
    both = merged(before, Result("e", "p", "batch", {0: SHORT}, 0.04))
    assert list(both.best) == [0, 1, 2]
    assert both.cpu == pytest.approx(0.02)

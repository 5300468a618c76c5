"""The workers of rivals, and the page about the results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.regret import coco, problems, report, results, sample, scoreboard
from benchmarks.regret.problem import Problem, cube
from benchmarks.regret.results import Result
from benchmarks.regret.rivals import environments, process
from benchmarks.regret.rivals.dimensions import Dimension, Task
from benchmarks.regret.rivals.worker import Worker, answers
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace

LOG = Distribution.LOG_UNIFORM
SPACE = SearchSpace(
    (
        Double("real", 0, 1),
        Double("log", 1e-4, 1, distribution=LOG),
        Double("stepped", 0, 1, step=0.25),
        Int("integer", -2, 5),
        Int("even", 0, 10, step=2),
        Discrete("listed", ("4", "1", "2e0")),
        Categorical("kind", ("a", "b", "c")),
    )
)


class Middle:
    """A rival that asks for the middle of every dimension, and refuses a loss of 13."""

    def __init__(self, task: Task) -> None:
        self.task, self.told = task, list[float]()

    def ask(self, count: int) -> list[Any]:
        print("noise")
        return [[d.clipped((d.low + d.high) / 2) for d in self.task.dimensions]] * min(count, 9)

    def tell(self, losses: Sequence[float]) -> None:
        if 13 in losses:
            raise ValueError("an unlucky number")
        self.told += losses

    def recommended(self) -> int:
        return len(self.told) - 1


def test_what_a_rival_is_told_of_each_parameter() -> None:
    told = [(d.kind, d.low, d.high, d.log) for d in map(process.dimension, SPACE.parameters)]
    assert told == [
        ("real", 0, 1, False),
        ("real", 1e-4, 1, True),
        ("index", 0, 4, False),
        ("integer", -2, 5, False),
        ("index", 0, 5, False),
        ("index", 0, 2, False),
        ("category", 0, 2, False),
    ]


def test_what_a_rival_means_by_a_point() -> None:
    point = [0.5, 0.01, 3, 4, 2, 2, 1]
    pairs = zip(SPACE.parameters, map(process.dimension, SPACE.parameters), point, strict=True)
    values = {p.name: process.value(p, d, found) for p, d, found in pairs}
    assert SPACE.format(values) == {
        "real": "0.5",
        "log": "0.01",
        "stepped": "0.75",
        "integer": "4",
        "even": "4",
        "listed": "4",
        "kind": "b",
    }


def test_where_an_integer_is_on_its_scale() -> None:
    assert Dimension("k", "integer", 1, 4).middle(1) == 1 / 8
    logarithmic = Dimension("k", "integer", 1, 4, log=True)
    middles = [logarithmic.middle(k) for k in range(1, 5)]
    assert middles == sorted(middles)
    assert np.ptp(np.diff(middles)) > 0.05


def test_answers_of_a_worker() -> None:
    worker = Worker(SimpleNamespace(Rival=Middle))
    dimensions = [process.dimension(p).document() for p in SPACE.parameters[:4]]
    start = {"engine": "a:b", "seed": 1, "trials": 4, "dimensions": dimensions}
    requests = [{"ask": 1}, {"start": start}, {"ask": 2}, {"tell": [1, 2]}, {"tell": [13]},
                {"ask": 10}, {"ask": 1}]  # fmt: skip
    found = [json.loads(a) for a in answers(worker, [json.dumps(r) for r in requests])]
    assert found[0] == {"error": "RuntimeError: nothing was started"}
    assert found[1] == {"recommends": True}
    assert found[2]["points"] == [[0.5, 0.50005, 2, 2]] * 2
    assert found[2]["cpu"] >= 0
    assert found[3].keys() == {"cpu"}
    assert found[4] == {"error": "ValueError: an unlucky number"}
    assert found[5] == {"error": "RuntimeError: 10 points were asked for, got 9"}
    assert len(found[6]["points"]) == 1  # it goes on after an error


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[process.Worker]:
    """A worker in a process of its own, whose rival is of a module that lies elsewhere."""
    (tmp_path / "python").write_text(
        f"#!/bin/sh\nexec {sys.executable} -c '"
        'import sys, types; sys.argv[1:] = sys.argv[3:]; sys.path.insert(0, ".")\n'
        "from tests import test_rivals\n"
        'sys.modules["benchmarks.regret.rivals.mine"] = '
        "types.SimpleNamespace(Rival=test_rivals.Middle)\n"
        'from benchmarks.regret.rivals import worker; worker.main()\' "$@"\n'
    )
    (tmp_path / "python").chmod(0o755)
    started = process.Worker(tmp_path / "python", "mine")
    yield started
    started.close()


def test_a_rival_in_its_process(worker: process.Worker) -> None:
    """What it prints does not reach the answers; that it fails or ends is an error of its own."""
    remote = process.Remote(SPACE, 3, "optuna:gp", 8, worker)
    (point,) = remote.ask(1)
    assert point == {"real": 0.5, "log": 0.50005, "stepped": 0.5, "integer": 2, "even": 4,
                     "listed": 2.0, "kind": "b"}  # fmt: skip
    remote.tell([point], [0.5])
    assert (remote.recommends, remote.recommended()) == (True, 0)
    with pytest.raises(process.RivalError, match="unlucky"):
        remote.tell([point], [13])
    worker.close()
    with pytest.raises((process.RivalError, ValueError)):
        remote.ask(1)


def test_workers_need_nothing_of_this_project() -> None:
    """They run where only the rival's packages are."""
    code = (
        "import sys, benchmarks.regret.rivals.worker as w, benchmarks.regret.rivals.dimensions\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('suggestion', 'numpy')])"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=environments.ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def test_an_environment_that_is_not_there(tmp_path: Path) -> None:
    entry = environments.checked("hebo", tmp_path)
    assert entry["package"] == "HEBO"
    assert "No such file" in entry["error"]
    assert set(environments.ENGINES.values()) <= set(environments.ENVIRONMENTS)
    assert set(scoreboard.NAMES) >= set(environments.ENGINES)


# --------------------------------------------------------------------- results


def test_the_trial_with_the_lowest_loss() -> None:
    assert results.incumbents([3.0, 4.0, 2.0, 2.0, 1.0]).tolist() == [0, 0, 2, 2, 4]


def test_under_noise_the_loss_without_it_is_judged() -> None:
    """The luckiest trial counts with what it is worth, so the regret can rise."""
    told = iter([0.5, 0.4, 0.6])
    true: dict[object, float] = {0.0: 0.2, 1.0: 0.9, 2.0: 0.0}
    asked = iter([0.0, 1.0, 2.0])
    engine = SimpleNamespace(ask=lambda n: [{"x0": next(asked)}], tell=lambda points, losses: None)
    problem = Problem("p", cube(0, 2, 1), lambda a: next(told), 0.0, lambda a: true[a["x0"]])
    problem.__dict__["median"] = 1.0
    found = results.run("e", lambda *_: engine, problem, "sequential", [0], 3)
    assert found.best[0].tolist() == [0.2, 0.9, 0.9]


def test_the_interval_holds_the_mean_and_narrows() -> None:
    rng = np.random.default_rng(0)

    def row(problems: int) -> report.Row:
        found = [
            Result(engine, f"p{k}", "batch", {s: rng.uniform(0, 1, 1) for s in range(3)}, 0.1)
            for k in range(problems)
            for engine in ("one", "two")
        ]
        names = [f"p{k}" for k in range(problems)]
        return report.table(found, ("one", "two"), names, 1, "two")[0]

    few, many = row(4), row(64)
    for each in (few, many):
        assert each.late[1] < each.late[0] < each.late[2]
    assert many.late[2] - many.late[1] < (few.late[2] - few.late[1]) / 2


# ------------------------------------------------------------------- scoreboard


def test_the_sample_has_every_problem_of_the_reporting_halves() -> None:
    names = sample.ordered()
    assert sorted(names) == sorted([*problems.select("d"), *problems.select("f")])
    assert len({sample.family(name) for name in names[:20]}) == 8
    assert len(set(sample.pairs())) == sample.SEEDS * len(names)
    assert names[:4] == [
        "d-hpobench-blood-transfusion",
        "f-bbob-f2-5",
        "d-fcnet-parkinsons-telemonitoring",
        "f-bbob-f9-10",
    ]


def test_the_page_shows_the_stored_results() -> None:
    for name, text in scoreboard.page().items():
        assert (scoreboard.DOCS / name).read_text() == text, "run make scoreboard"


def test_the_best_of_a_column_is_bold(tmp_path: Path) -> None:
    for engine, level in (("local:bayesianoptimization", 0.3), ("optuna:gp", 0.1)):
        for name in ("d-lcbench-car", "d-hpob-5859-31"):
            best = {0: np.linspace(1, level, 50), 1: np.linspace(1, level, 50)}
            results.save(Result(engine, name, "sequential", best, 0.25), tmp_path)
    text = scoreboard.page(tmp_path)["scoreboard.md"]
    assert "2 engines; problems: 2; runs of each engine: 4." in text
    assert "| Optuna GPSampler | **1.00** [1.00-1.00] | **1.00** [1.00-1.00] | **0.559**" in text
    assert "| `bayesianoptimization` | 2.00 [2.00-2.00]" in text


def test_functions_of_others_are_split_by_function() -> None:
    halves = [{tuple(n.split("-")[1:-1]) for n in problems.select(h)} for h in ("e", "f")]
    assert halves[0]
    assert not halves[0] & halves[1]
    assert len(coco.problems()) == 252


def test_an_optimum_is_read_from_the_file_that_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of integers first, in a package that stands in for coco-experiment."""

    class Function:
        number_of_integer_variables = 1
        lower_bounds, upper_bounds = np.array([0.0, -5.0]), np.array([3.0, 5.0])

        def __call__(self, x: np.ndarray) -> float:
            return float(np.sum((x - [2, 1.5]) ** 2)) - 7

        def _best_parameter(self, what: str) -> None:
            Path("._bbob_problem_best_parameter.txt").write_text("2 1.5\n")

    suite = SimpleNamespace(get_problem_by_function_dimension_instance=lambda *_: Function())
    monkeypatch.setitem(sys.modules, "cocoex", SimpleNamespace(Suite=lambda *_: suite))
    before = Path.cwd()
    problem = problems.load("f-bbob-mixint-f2-5")
    assert (problem.best, Path.cwd()) == (-7, before)
    assert problem.loss({"x0": 2, "x1": 2.5}) == -6
    assert [type(p) for p in problem.space.parameters] == [Int, Double]

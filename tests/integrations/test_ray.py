"""The search algorithm for Ray Tune, on the real Ray."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import suggestion as sg
from tests.ray.conftest import cluster_of
from tests.support.servers import ServerProcess

pytest.importorskip("ray.tune", reason="the extra 'ray' is not installed", exc_type=ImportError)

import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter

from suggestion.integrations.ray import SuggestionSearcher, read_config

ROOT = Path(__file__).resolve().parents[2]
SPACE = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "model": {"depth": tune.randint(1, 5), "kind": tune.choice(["a", None, 1.5])},
    "seed": 7,
}
OURS = {
    "lr": sg.log_uniform(1e-4, 1e-1),
    "model/depth": sg.integer(1, 4),
    "model/kind": sg.choice(["a", None, 1.5]),
}


def loss(config: dict[str, Any]) -> float:
    return float(config["lr"]) * 10 + int(config["model"]["depth"])


def ask(searcher: SuggestionSearcher, trial: str) -> dict[str, object]:
    """Return the configuration that is suggested, flat."""
    config: Any = searcher.suggest(trial)
    return flat(config)


def flat(config: dict[str, Any]) -> dict[str, object]:
    return {
        "lr": config["lr"],
        "model/depth": config["model"]["depth"],
        "model/kind": config["model"]["kind"],
    }


def opened(**more: Any) -> SuggestionSearcher:
    searcher = SuggestionSearcher(**{"seed": 3, "name": "same", **more})
    assert searcher.set_search_properties("loss", "min", SPACE)
    return searcher


@pytest.mark.parametrize("name", ["tpe", "bayesianoptimization", "random"])
def test_suggestions_are_those_of_a_study_and_of_a_server(
    name: str, server: ServerProcess, tmp_path: Path
) -> None:
    """With trials that fail, that run meanwhile, and after a restart."""
    study = sg.Study(OURS, algorithm=name, seed=3, name="same")
    searchers = [opened(algorithm=name, target=target) for target in (None, server.address)]
    points: list[sg.Point] = []
    for number in range(8):
        points.append(study.ask())
        for place, searcher in enumerate(searchers):
            assert ask(searcher, f"t{number}") == dict(points[number])
            if number == 5:
                searcher.save(tmp_path / "state.pkl")
                searchers[place] = opened(algorithm=name, seed=None, name="other")
                searchers[place].restore(tmp_path / "state.pkl")
        if number % 2 == 0:
            continue
        for ended in (number - 1, number):  # out of their order, two at a time
            value = None if ended == 2 else float(ended)
            study.tell(points[ended], value)
            result = {"loss": value, "training_iteration": 1}
            for searcher in searchers:
                searcher.on_trial_complete(f"t{ended}", result, error=ended == 2)


def test_every_domain_of_ray_has_its_parameter() -> None:
    space, paths = read_config(
        {
            "a": tune.uniform(0, 1),
            "b": tune.quniform(0, 1, 0.25),
            "c": tune.loguniform(1e-3, 1),
            "d": tune.qloguniform(1e-2, 1, 1e-2),
            "e": tune.randint(2, 9),
            "f": tune.qrandint(3, 10, 2),
            "g": tune.lograndint(1, 100),
            "h": tune.qlograndint(4, 64, 4),
            "i": tune.choice([1, "x"]),
            "j": tune.randn(1, 2),
            "k": {"l": {3: sg.discrete([16, 32])}},
            "m": [1, 2],
        }
    )
    assert list(space.parameters.values())[:8] == [
        sg.uniform(0, 1),
        sg.uniform(0, 1, step=0.25),
        sg.log_uniform(1e-3, 1),
        sg.log_uniform(1e-2, 1, step=1e-2),
        sg.integer(2, 8),
        sg.integer(4, 10, step=2),
        sg.log_integer(1, 99),
        sg.log_integer(4, 64, step=4),
    ]
    assert space.parameters["j"] == sg.normal(-5, 7)
    assert paths["k/l/3"] == ("k", "l", 3)


def test_what_is_refused_is_said_at_once() -> None:
    with pytest.raises(sg.InvalidArgument) as caught:
        read_config(
            {
                "a": tune.grid_search([1, 2]),
                "b": tune.sample_from(lambda config: 1),
                "c": [tune.uniform(0, 1)],
                "d": {"e": tune.uniform(2, 1)},
                "d/e": tune.uniform(0, 1),
                "f": tune.qrandn(0, 1, 0.5),
            }
        )
    assert [rule.place for rule in caught.value.broken] == [
        "param_space['a']",
        "param_space['b']",
        "param_space['c'][0]",
        "param_space['d/e']",
        "param_space['f']",
    ]
    with pytest.raises(sg.InvalidArgument, match=r"^param_space\['d'\]\['e'\]\.min: min must not"):
        read_config({"d": {"e": tune.uniform(2, 1)}})
    with pytest.raises(sg.InvalidArgument, match=r"^space: must have at least one parameter"):
        read_config({"seed": 1})
    with pytest.raises(sg.InvalidArgument, match=r"^mode: must have an entry for each metric"):
        SuggestionSearcher(metric=["a", "b"], mode="min")
    with pytest.raises(sg.InvalidArgument) as caught:
        SuggestionSearcher().set_search_properties(None, None, SPACE)
    assert [rule.place for rule in caught.value.broken] == ["metric", "mode"]
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*did you mean 'tpe'"):
        SuggestionSearcher("tpee")
    with pytest.raises(sg.InvalidArgument, match=r"^param_space: must be given to the Tuner"):
        SuggestionSearcher().suggest("t")
    searcher = opened()
    searcher.suggest("t0")
    with pytest.raises(
        sg.InvalidArgument, match=r"^param_space: must be the space that the trials"
    ):
        searcher.set_search_properties("loss", "min", {"lr": tune.uniform(0, 1)})


def test_several_objectives_and_constraints(tmp_path: Path) -> None:
    """Those of a study here, also after a restart; one trial lacks an objective."""
    searcher = SuggestionSearcher(
        "nsga2",
        seed=3,
        name="same",
        metric=["loss", "size"],
        mode=["min", "max"],
        metric_constraints="memory <= 5",
    )
    assert searcher.set_search_properties(None, None, SPACE)
    study = sg.Study(
        OURS,
        algorithm="nsga2",
        seed=3,
        name="same",
        objectives={"loss": "minimize", "size": "maximize"},
        metric_constraints="memory <= 5",
    )
    known = {"lr": 0.01, "model/depth": 2, "model/kind": None}
    searcher.add_evaluated_point({"lr": 0.01, "model": {"depth": 2, "kind": None}}, [0.5, 2.0])
    study.tell(known, {"loss": 0.5, "size": 2.0})
    for number in range(8):
        point = study.ask()
        assert ask(searcher, f"t{number}") == dict(point)
        depth = point.as_int("model/depth")
        result = {"loss": point.as_float("lr"), "size": float(depth), "memory": 2.0 * depth}
        if number == 2:
            result["size"] = math.inf
        study.tell(point, result)
        searcher.on_trial_complete(f"t{number}", {**result, "config": {}})
        if number == 5:
            searcher.save(tmp_path / "state.pkl")
            searcher.restore(tmp_path / "state.pkl")


def test_what_is_wrong_with_several_objectives_is_refused() -> None:
    for metric, mode, place in (
        (["a", "a"], ["min", "min"], "metric"),
        (["a", 1], ["min", "min"], "metric"),
        (["a", "b"], ["min"], "mode"),
        (["a", "b"], ["min", "obs"], "mode"),
        ([], [], "metric"),
        ("a", ["min"], "mode"),
    ):
        with pytest.raises(sg.InvalidArgument, match=f"^{place}: must "):
            SuggestionSearcher(metric=metric, mode=mode)  # type: ignore[arg-type]
    goals: dict[str, Any] = {"metric": ["a", "lr"], "mode": ["min", "max"]}
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*'asha' .*several objectives"):
        SuggestionSearcher("asha", {"r_l": 4, "resource_name": "lr"}, **goals)
    with pytest.raises(sg.InvalidArgument, match=r"^metric: .*'lr', a parameter of the space"):
        SuggestionSearcher(**goals).set_search_properties(None, None, SPACE)
    with pytest.raises(sg.InvalidArgument, match=r"^metric_constraints: .*'a' is the main"):
        SuggestionSearcher(metric="a", mode="min", metric_constraints="a < 1")
    with pytest.raises(sg.InvalidArgument, match=r"^mode: must have an entry for each metric"):
        SuggestionSearcher(metric=["a", "b"]).set_search_properties(None, "min", SPACE)


def test_a_result_may_hold_anything_beside_the_metrics_that_count() -> None:
    """Arrays and huge numbers are told to nobody; as an objective they are no value."""
    searcher = opened(algorithm="random", metric_constraints="memory <= 5")
    other = {"confusion": np.zeros((2, 2)), "count": 10**400, "note": "x"}
    results: list[dict[str, object]] = [
        {"loss": np.float32(0.5), "memory": np.zeros(2), **other},
        {"loss": np.zeros(2), "memory": 1},
        {"loss": 10**400},
    ]
    for number, result in enumerate(results):
        ask(searcher, f"t{number}")
        searcher.on_trial_complete(f"t{number}", result)
    assert [record.ended for record in searcher._records] == [True] * 3
    assert [record.metrics for record in searcher._records] == [{"loss": 0.5}, None, None]


def test_a_finite_space_ends_the_search() -> None:
    searcher = SuggestionSearcher("grid", metric="loss", mode="max")
    searcher.set_search_properties(None, None, {"n": tune.choice([1, 2])})
    made: list[Any] = [searcher.suggest(f"t{number}") for number in range(3)]
    assert made[2] == SuggestionSearcher.FINISHED
    assert {each["n"] for each in made[:2]} == {1, 2}


def test_points_that_are_known_already_and_trials_that_run_again() -> None:
    searcher, study = opened(), sg.Study(OURS, seed=3, name="same")
    point = {"lr": 0.01, "model/depth": 2, "model/kind": None}
    searcher.add_evaluated_point({"lr": 0.01, "model": {"depth": 2, "kind": None}}, 0.5)
    study.tell(point, 0.5)
    with pytest.raises(sg.InvalidArgument, match="must have a value for 'model/kind'"):
        searcher.add_evaluated_point({"lr": 0.01, "model": {"depth": 2}}, 0.5)
    asked = study.ask()
    assert ask(searcher, "a") == dict(asked)
    study.tell(asked, 0.25)
    searcher.on_trial_complete("a", None, error=True)
    searcher.on_trial_complete("a", {"loss": 0.25})  # with restart_errored=True
    searcher.on_trial_complete("somebody else's", {"loss": 0.25})
    assert ask(searcher, "b") == dict(study.ask())


# -------------------------------------------------------------------- with Ray's runner


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a cluster with two processors.

    `ray.init("local")` gives a node up after 30 s, which one on a busy machine may need.
    """
    with cluster_of(head_cpus=2) as cluster:
        yield cluster.address


@pytest.fixture
def cluster(address: str) -> Iterator[None]:
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    ray.init(address, configure_logging=False, log_to_driver=False)
    yield
    ray.shutdown()


def train(config: dict[str, Any]) -> None:
    """Fit a line by gradient descent, and report each epoch; a deep model fails."""
    import numpy as np  # noqa: PLC0415

    generator = np.random.default_rng(config["seed"])
    x = generator.normal(size=(64, 2))
    y = x @ np.array([2.0, -1.0])
    weights = np.zeros(2)
    if config["model"]["depth"] == 4:
        raise ArithmeticError("too deep")
    for _ in range(5):
        error = x @ weights - y
        weights -= 10 * config["lr"] * x.T @ error / len(x)
        tune.report({"loss": float(np.mean(error**2))})


@pytest.mark.integration
@pytest.mark.filterwarnings("default")
def test_a_training_is_tuned_several_trials_at_a_time(cluster: None, tmp_path: Path) -> None:
    searcher = SuggestionSearcher("tpe", {"n_startup_trials": 3}, seed=1)
    tuner = tune.Tuner(
        train,
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=8,
            search_alg=ConcurrencyLimiter(searcher, max_concurrent=2),
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="line", verbose=0),
    )
    results = tuner.fit()
    assert len(results) == 8
    configs = [tuple(flat(result.config).items()) for result in results if result.config]
    assert len(set(configs)) == 8
    failed = [result for result in results if result.error]
    assert all(result.config["model"]["depth"] == 4 for result in failed if result.config)
    known = {record.name: record for record in searcher._records}
    assert len(known) == 8
    assert all(record.ended for record in known.values())
    assert sum(record.metrics is None for record in known.values()) == len(failed)
    best = results.get_best_result().metrics
    assert best is not None
    assert best["loss"] == min(r.metrics["loss"] for r in known.values() if r.metrics)


PROGRAM = """
import sys, time
import ray
from ray import tune
from suggestion.integrations.ray import SuggestionSearcher

def train(config):
    with open(config["log"], "a") as file:
        file.write(f"{config['x']} {config['n']}\\n")
    time.sleep(0.3)
    tune.report({"loss": config["x"] + config["n"]})

folder, log, address = sys.argv[1:]
ray.init(address, log_to_driver=False)
if tune.Tuner.can_restore(f"{folder}/run"):
    tuner = tune.Tuner.restore(f"{folder}/run", trainable=train)
else:
    tuner = tune.Tuner(
        train,
        param_space={"x": tune.uniform(0, 1), "n": tune.randint(0, 9), "log": log},
        tune_config=tune.TuneConfig(
            metric="loss",
            mode="min",
            num_samples=8,
            max_concurrent_trials=1,
            search_alg=SuggestionSearcher("tpe", {"n_startup_trials": 2}, seed=1, name="run"),
        ),
        run_config=tune.RunConfig(storage_path=folder, name="run", verbose=0),
    )
results = tuner.fit()
print(len(results), sum(result.error is not None for result in results))
"""


@pytest.mark.integration
def test_an_experiment_that_was_killed_is_restored(address: str, tmp_path: Path) -> None:
    """The points are those of a study that nobody has interrupted."""
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(PROGRAM)
    words = [sys.executable, str(program), str(tmp_path / "runs"), str(log), address]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TUNE_GLOBAL_CHECKPOINT_S": "0"}
    with subprocess.Popen(words, env=env, start_new_session=True) as process:
        deadline = time.monotonic() + 600
        while not log.exists() or len(log.read_text().splitlines()) < 5:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.stdout.splitlines()[-1:] == ["8 0"], done.stderr
    study = sg.Study(
        {"x": sg.uniform(0, 1), "n": sg.integer(0, 8)},
        settings={"n_startup_trials": 2},
        seed=1,
        name="run",
    )
    lines = []
    for _ in range(8):
        point = study.ask()
        study.tell(point, point.as_float("x") + point.as_int("n"))
        lines.append(f"{point['x']} {point['n']}")
    assert list(dict.fromkeys(log.read_text().splitlines())) == lines

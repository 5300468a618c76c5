"""The Optuna sampler, on the real Optuna."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

import suggestion as sg
from tests.support.servers import ServerProcess

pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")

import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from suggestion.integrations.optuna import SuggestionSampler

SPACE = {
    "x": FloatDistribution(-5, 5),
    "n": IntDistribution(1, 8, log=True),
    "k": CategoricalDistribution(("a", None, 1.5)),
}
INSTALLED = ("anneal", "bayesianoptimization", "cmaes", "random", "sobol", "tpe")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def objective(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -5, 5)
    n = trial.suggest_int("n", 1, 8, log=True)
    kind = trial.suggest_categorical("k", ("a", None, 1.5))
    if trial.number % 5 == 3:
        raise ArithmeticError
    if trial.number % 5 == 4:
        trial.report(x * x + 1, step=1)
        raise optuna.TrialPruned
    return x * x + n + (kind == "a")


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_suggestions_are_the_engines(
    name: str, direction: Literal["minimize", "maximize"], server: ServerProcess
) -> None:
    """Also with trials that fail or are pruned: those of `Study` and of a server."""
    trials = 9
    ours = sg.Study(SPACE, algorithm=name, seed=7, name="same", maximize=direction == "maximize")
    for target in (None, server.address):
        sampler = SuggestionSampler(name, seed=7, space=SPACE, target=target)
        study = optuna.create_study(study_name="same", sampler=sampler, direction=direction)
        study.optimize(objective, n_trials=trials, catch=ArithmeticError)
        while len(ours) < trials:
            point = ours.ask()
            trial = study.trials[point.number]
            value = trial.value if trial.value is not None else trial.intermediate_values.get(1)
            ours.tell(point, value)
        assert [dict(t.parameters) for t in ours.trials] == [t.params for t in study.trials]


def test_the_space_is_that_of_the_completed_trials() -> None:
    """What only some trials have is sampled by itself, in the range that the trial asks for."""

    def conditional(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["tree", "net"])
        x = trial.suggest_float("x", 0, 1)
        if kind == "tree":
            return x + trial.suggest_int("depth", 1, 9) / 10
        return x + trial.suggest_float("rate", 1e-5, 1, log=True)

    sampler = SuggestionSampler("tpe", seed=1, warn_independent_sampling=False)
    study = optuna.create_study(study_name="conditions", sampler=sampler)
    study.optimize(conditional, n_trials=40)
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    first, *others = study.trials
    assert "suggestion:point" not in first.system_attrs  # nothing was known of the space yet
    for trial in others:
        own = trial.system_attrs["suggestion:point"]["parameters"]
        assert own["kind"] == trial.params["kind"]
        assert {"kind", "x"} <= own.keys()
    depths = [t.params["depth"] for t in study.trials if "depth" in t.params]
    assert len(set(depths)) > 1
    assert study.best_value < 0.5
    again = optuna.create_study(
        study_name="conditions", sampler=pickle.loads(pickle.dumps(sampler))
    )
    again.optimize(conditional, n_trials=40)
    assert [t.params for t in again.trials] == [t.params for t in study.trials]


def test_a_warning_where_a_parameter_is_not_in_every_trial() -> None:
    sampler = SuggestionSampler("random", space={"x": SPACE["x"]})
    trial = optuna.create_study(sampler=sampler).ask()
    trial.suggest_float("x", -5, 5)
    with pytest.warns(UserWarning, match="'y' of trial 0 is sampled independently"):
        assert 0 <= trial.suggest_float("y", 0, 1) <= 1


def test_another_sampler_for_what_is_sampled_by_itself() -> None:
    made = []
    for independent in (None, optuna.samplers.RandomSampler(seed=5)):
        sampler = SuggestionSampler("random", seed=1, independent_sampler=independent)
        study = optuna.create_study(study_name="other", sampler=sampler)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        made.append(study.trials[0].params["x"])
    expected = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    expected.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert made[1] == expected.trials[0].params["x"] != made[0]


@pytest.mark.parametrize("remote", [False, True])
def test_threads_get_distinct_points(server: ServerProcess, remote: bool) -> None:
    together = threading.Barrier(4, timeout=60)

    def wait(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", -5, 5)
        trial.suggest_int("n", 1, 8, log=True)
        trial.suggest_categorical("k", ("a", None, 1.5))
        together.wait()
        return x * x

    def few(trial: optuna.Trial) -> float:
        found = trial.suggest_int("a", 1, 4) + trial.suggest_int("b", 1, 4)
        together.wait()
        return found

    target = server.address if remote else None
    four = optuna.distributions.IntDistribution(1, 4)
    for name, objective, space in (
        ("tpe", wait, SPACE),
        ("bayesianoptimization", wait, SPACE),
        ("tpe", few, {"a": four, "b": four}),
        ("sobol", few, {"a": four, "b": four}),
    ):
        sampler = SuggestionSampler(name, seed=1, space=space, target=target)
        study = optuna.create_study(study_name="threads", sampler=sampler)
        study.optimize(objective, n_trials=16, n_jobs=4)
        assert len({tuple(trial.params.items()) for trial in study.trials}) == 16


WORKER = """
import sys
import optuna
from suggestion.integrations.optuna import SuggestionSampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
six = optuna.distributions.IntDistribution(1, 6)
space = {"a": six, "b": six}
study = optuna.load_study(
    study_name="shared", storage=sys.argv[1], sampler=SuggestionSampler("tpe", seed=1, space=space)
)
for _ in range(8):
    trial = study.ask()
    point = trial.suggest_int("a", 1, 6), trial.suggest_int("b", 1, 6)
    print(*point, flush=True)
    sys.stdin.readline()
    study.tell(trial, sum(point))
"""


@pytest.mark.integration
def test_workers_of_a_storage_get_distinct_points(tmp_path: Path) -> None:
    """Three processes that all have a trial running, round after round."""
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(study_name="shared", storage=url)
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(url)) for _ in range(3)]
        for _ in range(8):
            points = [read() for read, _ in workers]
            assert len(set(points)) == 3
            for _, go_on in workers:
                go_on()
    trials = optuna.load_study(study_name="shared", storage=url).trials
    assert len(trials) == 24
    assert {trial.state for trial in trials} == {optuna.trial.TrialState.COMPLETE}


@contextlib.contextmanager
def worker(url: str) -> Iterator[tuple[Callable[[], str], Callable[[], None]]]:
    """A process; yields what reads the point of its trial, and what lets it end the trial."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", WORKER, url], stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        into, out = process.stdin, process.stdout

        def go_on() -> None:
            into.write(b"\n")
            into.flush()

        try:
            yield lambda: out.readline().decode(), go_on
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


def test_a_point_that_another_worker_runs_is_not_suggested_again() -> None:

    storage = optuna.storages.InMemoryStorage()
    space = {"a": IntDistribution(1, 40)}
    studies = [
        optuna.create_study(
            study_name="race",
            storage=storage,
            load_if_exists=True,
            sampler=SuggestionSampler("sobol", seed=1, space=space),
        )
        for _ in range(2)
    ]
    one, other = studies[0].ask(), studies[1].ask()
    # The point that the second one will be suggested, as if the first had written it just now.
    twin = optuna.create_study(
        study_name="race", sampler=SuggestionSampler("sobol", seed=1, space=space)
    )
    twin.ask()
    expected = twin.ask().suggest_int("a", 1, 40)
    storage.set_trial_system_attr(
        one._trial_id, "suggestion:point", {"name": "", "parameters": {"a": str(expected)}}
    )
    assert other.suggest_int("a", 1, 40) != expected


def test_a_grid_ends_the_study_when_it_is_used_up() -> None:
    space = {"n": IntDistribution(1, 3), "k": CategoricalDistribution(("a", "b"))}
    study = optuna.create_study(sampler=SuggestionSampler("grid", space=space))
    study.optimize(
        lambda t: t.suggest_int("n", 1, 3) + len(t.suggest_categorical("k", ("a", "b"))),
        n_trials=50,
    )
    done = [t for t in study.trials if t.state is optuna.trial.TrialState.COMPLETE]
    assert len({tuple(sorted(t.params.items())) for t in done}) == len(done) == 6
    trial = study.ask()
    with pytest.raises(sg.SpaceExhausted):
        trial.suggest_int("n", 1, 3)


def test_enqueued_trials_count_with_their_own_values() -> None:
    sampler = SuggestionSampler("tpe", seed=1, space=SPACE)
    study = optuna.create_study(study_name="queue", sampler=sampler)
    study.enqueue_trial({"x": 0.25, "n": 2, "k": "a"})
    study.enqueue_trial({"x": 1.5})
    study.optimize(lambda t: objective(t) if t.number < 3 else 0.0, n_trials=3)
    ours = sg.Study(SPACE, name="queue", seed=1)
    for trial in study.trials[:2]:
        ours.tell(trial.params, trial.value)
    assert study.trials[0].params == {"x": 0.25, "n": 2, "k": "a"}
    assert study.trials[1].params["x"] == 1.5
    assert dict(ours.ask()) == study.trials[2].params


def test_conditions_that_the_settings_declare() -> None:
    """A parameter is suggested where its condition is met, and only there."""
    space = {"k": CategoricalDistribution(("a", "b")), "x": FloatDistribution(0, 1)}
    sampler = SuggestionSampler("tpe", {"conditions": "x if k == 'a'"}, seed=1, space=space)
    study = optuna.create_study(study_name="declared", sampler=sampler)
    study.optimize(
        lambda t: (
            t.suggest_float("x", 0, 1) if t.suggest_categorical("k", ("a", "b")) == "a" else 0.5
        ),
        n_trials=20,
    )
    for trial in study.trials:
        own = trial.system_attrs["suggestion:point"]["parameters"]
        assert own.keys() == trial.params.keys()
        assert ("x" in own) == (trial.params["k"] == "a")
    assert study.best_value < 0.3


def test_a_range_that_changes_and_a_single_value() -> None:
    def moving(trial: optuna.Trial) -> float:
        high = 1 + trial.number
        return trial.suggest_float("x", 0, high) + trial.suggest_int("one", 1, 1)

    sampler = SuggestionSampler("tpe", warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler)
    study.optimize(moving, n_trials=6)
    assert all(0 <= t.params["x"] <= 1 + t.number for t in study.trials)
    assert all(t.params["one"] == 1 for t in study.trials)


def test_what_is_refused() -> None:
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*'anneal' .*constraints on met"):
        SuggestionSampler("anneal", constraints_func=lambda trial: [0.0])
    with pytest.raises(sg.InvalidArgument) as caught:
        SuggestionSampler("tpe", {"gamma": 1.5, "bogus": 1})
    assert [rule.place for rule in caught.value.broken] == [
        "settings['gamma']",
        "settings['bogus']",
    ]
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*did you mean 'tpe'"):
        SuggestionSampler("tpee")
    with pytest.raises(sg.InvalidArgument, match=r"space\['x'\]\.step: .*grid"):
        SuggestionSampler("grid", space={"x": SPACE["x"]})
    sampler = SuggestionSampler("anneal")
    study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler)
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*'anneal' .*several objectives"):
        study.ask().suggest_float("x", 0, 1)


def test_what_a_study_states_in_its_own_way_is_refused() -> None:
    settings: dict[str, str | float] = {
        "objectives": "a: minimize",
        "metric_constraints": "a <= 1",
        "conditions": "x if k == 'a'",
        "parameter_constraints": "x <= 0.5",
        "initial_points": '[{"x": "0.5"}]',
        "gamma": 1.5,
    }
    with pytest.raises(sg.InvalidArgument) as caught:
        SuggestionSampler("tpe", settings)
    text = str(caught.value)
    for name in settings:
        assert f"settings[{name!r}]: " in text
    assert "objectives']: must be given as the directions of the study, got 'a: minimize'" in text
    assert "initial_points']: needs the argument space, since" in text
    with pytest.raises(sg.InvalidArgument, match="pbt hands checkpoints from trial to trial"):
        SuggestionSampler("pbt")
    with pytest.raises(sg.InvalidArgument, match=r"^settings: must map names to values, got 'g=1"):
        SuggestionSampler("tpe", "g=1")  # type: ignore[arg-type]
    for space in ([1], {"x": 3}):
        with pytest.raises(sg.InvalidArgument, match=r"^space.*: must .* distributions, got "):
            SuggestionSampler("tpe", space=space)  # type: ignore[arg-type]


def test_constraints_of_trials_are_refused_by_name() -> None:
    study = optuna.create_study(sampler=SuggestionSampler("anneal"))
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_constraint("size", 1.0)
    study.tell(trial, 1.0)
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: .*'anneal' .*constraints on met"):
        study.ask().suggest_float("x", 0, 1)


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
@pytest.mark.parametrize("named", [False, True])
def test_several_objectives_and_constraints(name: str, named: bool) -> None:
    """Suggestions and the trade-off are those of a study here with the same goals."""

    def bound(values: Mapping[str, Any]) -> float:
        return float(values["x"]) - 0.5

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        x = trial.suggest_float("x", 0, 1)
        y = trial.suggest_float("y", 0, 1)
        if named and trial.number != 3:
            trial.set_constraint("size", bound({"x": x}))
        return x, x + y

    sampler = SuggestionSampler(
        name,
        seed=1,
        space={"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)},
        constraints_func=None if named else lambda trial: (bound(trial.params),),
    )
    theirs = optuna.create_study(
        study_name="same", directions=["minimize", "maximize"], sampler=sampler
    )
    theirs.optimize(objective, n_trials=14)
    ours = sg.Study(
        {"x": sg.uniform(0, 1), "y": sg.uniform(0, 1)},
        algorithm=name,
        seed=1,
        name="same",
        objectives={"a": "minimize", "b": "maximize"},
        metric_constraints="c <= 0",
    )
    for trial in theirs.trials:
        point = ours.ask()
        assert dict(point) == trial.params
        told = {} if named and trial.number == 3 else {"c": bound(trial.params)}
        ours.tell(point, {"a": trial.values[0], "b": trial.values[1], **told})
    feasible = [t.number for t in theirs.best_trials if t.constraints]
    assert [trial.number for trial in ours.front if trial.number != 3] == feasible
    assert feasible


def test_a_sampler_is_told_two_studies_apart() -> None:
    """Studies in memory have one number; the space of the first is not that of the second."""
    sampler = SuggestionSampler("tpe", seed=1, warn_independent_sampling=False)
    for name in ("x", "y"):
        study = optuna.create_study(sampler=sampler)
        for value in range(4):
            made = study.ask()
            made.suggest_float(name, 0, 1)
            study.tell(made, value)
        assert set(sampler.infer_relative_search_space(study, study.trials[-1])) == {name}

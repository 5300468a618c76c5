"""CMA-ES: generations found again in the trials, whatever happened to them."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from suggestion.algorithms.cmaes import Cmaes
from suggestion.algorithms.cmaes.coding import Coding
from suggestion.algorithms.cmaes.replay import Memory, Replay, Restart
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Cancelled
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import MOST_SUGGESTIONS, Metric, Problem, Role
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Failed, History, Observation, Pending, Study
from tests.support.studies import finished, study_on

PLANE = SearchSpace((Double("x", -1, 1), Double("y", -1, 1)))
MIXED = SearchSpace(
    (
        Double("lr", 1e-4, 1, distribution=Distribution.LOG_UNIFORM),
        Double("step", 0, 1, step=0.05),
        Int("layers", 1, 9),
        Discrete("batch", ("16", "32", "64")),
        Categorical("kind", ("a", "b", "c")),
        Int("flag", 0, 1),
        Double("fixed", 2, 2),
    )
)
Loss = Callable[[Assignment], float]


def sphere(values: Assignment) -> float:
    return sum((float(v) - 0.3) ** 2 for v in values.values() if not isinstance(v, str))


def test_trials_are_ordered_by_constraints_before_losses() -> None:
    metrics = (Metric("loss"), Metric("size", role=Role.CONSTRAINT, bound=1.0))
    problem = Problem("s", PLANE, metrics)
    made: list[Observation] = []
    best: list[float] = []
    for index in range(120):
        history = History(tuple(made))
        study = Study(problem, 3, index, history)
        (point,) = Cmaes().suggest(study, 1)
        x, y = float(point["x"]), float(point["y"])
        # The least loss is at (-1, -1), the least feasible one on the line x + y = 0.2.
        values = {"loss": x + y + (x - y) ** 2, "size": 1.2 - x - y}
        made.append(Observation(f"t{index:04}", point, values))
        best.append(values["loss"] if values["size"] <= 1 else math.inf)
    assert min(best) == pytest.approx(0.2, abs=0.02)
    assert sum(map(math.isfinite, best[60:])) > 20


def study(
    space: SearchSpace,
    done: Sequence[tuple[Assignment, float]],
    running: Sequence[Assignment] = (),
    *,
    handed: int | None = None,
    ended: Sequence[float | None] = (),
) -> Study:
    times = [*ended, *[None] * (len(done) - len(ended))]
    observations = [
        finished(f"t{k:04}", a, y, ended=times[k])
        for k, (a, y) in enumerate(done)
        if math.isfinite(y)
    ]
    failed = [
        Failed(f"t{k:04}", a, times[k]) for k, (a, y) in enumerate(done) if not math.isfinite(y)
    ]
    pending = [Pending(f"r{k:04}", a) for k, a in enumerate(running)]
    return study_on(
        space,
        seed=4,
        first_index=len(done) + len(running) if handed is None else handed,
        trials=History(tuple(observations), tuple(pending), tuple(failed)),
    )


def play(
    space: SearchSpace, loss: Loss, trials: int, batch: int = 1, algorithm: Cmaes | None = None
) -> list[tuple[Assignment, float]]:
    done: list[tuple[Assignment, float]] = []
    while len(done) < trials:
        found = (algorithm or Cmaes()).suggest(study(space, done), batch)
        done += [(a, loss(a)) for a in found]
    return done


def replay(it: Study, restart: Restart = None) -> Replay:
    return Replay(it, 1 / 6, restart, Memory(0))


def mean_of(it: Replay) -> list[float]:
    return [float(m) for m in it._generation.optimizer._mean]


# ------------------------------------------------------------------- the package


def test_scipy_is_not_imported() -> None:
    code = (
        "import sys; from suggestion.algorithms.cmaes import Cmaes; from tests.test_cmaes import *;"
        "play(MIXED, sphere, 30, 10); print([m for m in sys.modules if m.startswith('scipy')])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert there.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "space", [PLANE, SearchSpace(MIXED.parameters[:5])], ids=["plane", "mixed"]
)
def test_a_replay_is_the_package_told_the_same(space: SearchSpace) -> None:
    """The package's own class, with scipy if it is there, generation by generation."""
    from cmaes import CatCMAwM  # noqa: PLC0415

    def loss(values: Assignment) -> float:
        return sphere(values) + (0.0 if values.get("kind", "b") == "b" else 0.5)

    coding = Coding(space, NEVER.check)
    population = 4 + math.floor(3 * math.log(space.dimension))
    done = play(space, loss, 6 * population, population)
    lists = [coding._middles[k] for k in coding._z]
    theirs = CatCMAwM(
        x_space=[[0.0, 1.0]] * len(coding._x),
        z_space=lists or None,
        c_space=[3] * len(coding._c) or None,
        mean=np.full(coding.numeric, 0.5),
        sigma=1 / 6,
        cov=np.eye(coding.numeric),
        seed=0,
    )
    assert theirs.population_size == population
    for number in range(6):
        ours = replay(study(space, done[: number * population]))
        assert mean_of(ours) == pytest.approx(theirs._mean.tolist(), abs=1e-9)
        assert ours._generation.optimizer._sigma == pytest.approx(theirs._sigma)
        samples = [ours._generation[k] for k in range(population)]
        theirs.tell([(s.solution, loss(s.assignment)) for s in samples])


# ------------------------------------------------------------------- the replay


@pytest.mark.parametrize("space", [PLANE, MIXED], ids=["plane", "mixed"])
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_it_converges(space: SearchSpace, batch: int) -> None:
    losses = [y for _, y in play(space, sphere, 160, batch)]
    assert np.mean(losses[-16:]) < np.mean(losses[:16]) / 4


def test_a_member_that_fails_is_the_worst_of_its_generation() -> None:
    done = play(PLANE, sphere, 6)
    worst = max(y for _, y in done)
    for k in range(6):
        crashed = [(a, math.inf if j == k else y) for j, (a, y) in enumerate(done)]
        bad = [(a, worst if j == k else y) for j, (a, y) in enumerate(done)]
        assert mean_of(replay(study(PLANE, crashed))) == mean_of(replay(study(PLANE, bad)))
    every = [(a, math.inf) for a, _ in play(PLANE, lambda _: math.inf, 30)]
    assert len(Cmaes().suggest(study(PLANE, every), 3)) == 3


def test_the_first_to_finish_make_the_next_generation() -> None:
    """More are asked for than the generation holds; one of the first is slow."""
    points = Cmaes().suggest(study(PLANE, []), 8)
    slow, quick = points[2], [*points[:2], *points[3:]]
    done = [(a, sphere(a)) for a in quick[:6]]
    ended = [10.0 + k for k in range(6)]
    before = replay(study(PLANE, done, [slow, quick[6]], ended=ended))
    assert before._generation.number == 1
    later = [*done, (slow, 0.0), (quick[6], 0.0)]
    after = replay(study(PLANE, later, ended=[*ended, 30.0, 31.0]))
    assert after._generation.number == 1
    assert mean_of(after) == mean_of(before)
    # What was not told counts for the next generation: 4 more make it complete.
    following = Cmaes().suggest(study(PLANE, later, ended=[*ended, 30.0, 31.0]), 4)
    later += [(a, sphere(a)) for a in following]
    ended = [*ended, 30.0, 31.0, 40.0, 41.0, 42.0, 43.0]
    assert replay(study(PLANE, later, ended=ended))._generation.number == 2


def test_without_completion_times_the_choice_is_found_again() -> None:
    points = Cmaes().suggest(study(PLANE, []), 7)
    quick = [*points[:2], *points[3:]]
    done = [(a, sphere(a)) for a in quick]
    before = replay(study(PLANE, done, [points[2]]))
    following = Cmaes().suggest(study(PLANE, done, [points[2]]), 2)
    # The slow one finishes; in the order of samples it would now be among the first.
    after = replay(study(PLANE, [*done, (points[2], 0.0)], following))
    assert after._generation.number == 1
    assert mean_of(after) == mean_of(before)


def test_what_was_handed_out_and_is_no_trial_yet_is_not_handed_out_again() -> None:
    first = Cmaes().suggest(study(PLANE, []), 3)
    second = Cmaes().suggest(study(PLANE, [], handed=3), 3)
    assert [*first, *second] == list(Cmaes().suggest(study(PLANE, []), 6))


def test_out_of_space_points_do_not_disturb_the_replay() -> None:
    done = play(PLANE, sphere, 20)
    strange: list[tuple[Assignment, float]] = [({"x": 0.25, "y": k / 100}, 0.0) for k in range(20)]
    assert mean_of(replay(study(PLANE, [*strange, *done]))) == mean_of(replay(study(PLANE, done)))
    edited = SearchSpace((Double("x", -1, 1), Double("y", -2, 2)))
    assert len(Cmaes().suggest(study(edited, done), 4)) == 4


def test_what_follows_a_whole_reply_that_is_no_trial_yet_is_new() -> None:
    first, later = (Cmaes().suggest(study(PLANE, [], handed=k), 1) for k in (0, MOST_SUGGESTIONS))
    assert first != later


def test_a_replay_that_was_cut_off_is_continued_by_the_next_request() -> None:
    done = play(PLANE, sphere, 90, batch=6)
    whole = study(PLANE, done)

    def cancelled_after(looks: float, made: Iterator[int]) -> Study:
        return replace(whole, deadline=Deadline(cancelled=lambda: next(made) > looks))

    made = itertools.count()
    replay(cancelled_after(math.inf, made))
    cut, memory = cancelled_after(next(made) - 3, itertools.count()), Memory(1)
    with pytest.raises(Cancelled):
        Replay(cut, 1 / 6, None, memory)
    (snapshot,) = memory._snapshots.values()
    assert snapshot.number > 0
    assert mean_of(Replay(whole, 1 / 6, None, memory)) == mean_of(replay(whole))


@pytest.mark.long
@pytest.mark.parametrize(("space", "seed"), [(PLANE, 1), (MIXED, 3)])
def test_remembering_makes_no_difference(space: SearchSpace, seed: int) -> None:
    """Eight workers that finish in any order, with times and without."""
    rng = random.Random(seed)
    memory = Memory(2)
    done: list[tuple[Assignment, float]] = []
    ended: list[float | None] = []
    running: list[Assignment] = []
    for turn in range(48):
        it = study(space, done, running, ended=ended)
        warm = Replay(it, 1 / 6, None, memory)
        cold = replay(it)
        assert warm._generation.number == cold._generation.number
        found = next(warm.fresh()).assignment
        assert found == next(cold.fresh()).assignment
        running.append(found)
        if len(running) == 8:
            finished = running.pop(rng.randrange(3))
            done.append((finished, math.inf if turn % 13 == 5 else sphere(finished)))
            ended.append(float(turn // 3) if seed != 3 else None)
    assert warm._generation.number >= 3
    assert memory._snapshots


# ------------------------------------------------------------------- restarts


@pytest.mark.long
def test_a_run_that_has_converged_restarts_with_a_larger_population() -> None:
    flat = play(PLANE, lambda _: 1.0, 600, 6)
    none, ipop = replay(study(PLANE, flat)), replay(study(PLANE, flat), "ipop")
    assert none._now.over
    assert ipop._now.run >= 1
    assert ipop._generation.population == 12
    # Without a restart the rest is random.
    found = Cmaes().suggest(study(PLANE, flat), 200)
    assert np.std([float(a["x"]) for a in found]) > 0.4


@pytest.mark.long
def test_bipop_alternates() -> None:
    algorithm = Cmaes(restart_strategy="bipop")
    flat = play(PLANE, lambda _: 1.0, 2000, 50, algorithm)
    it = replay(study(PLANE, flat), "bipop")
    assert it._now.run >= 3
    assert it._now.spent["large"] > 0
    assert it._now.spent["small"] > 0


def test_restarts_are_set_as_users_write_them() -> None:
    done = play(PLANE, sphere, 12)
    texts: list[Restart] = ["none", "None", None, "ipop"]
    found = [Cmaes(restart_strategy=text).suggest(study(PLANE, done), 2) for text in texts]
    assert all(points == found[0] for points in found)


def test_sigma_is_the_spread_at_the_start() -> None:
    for sigma in (0.02, 0.1):
        found = Cmaes(sigma=sigma).suggest(study(PLANE, []), 400)
        spread = np.std([float(a["x"]) / 2 for a in found])
        assert spread == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize(
    "parameters",
    [
        (Double("x", 0, 1), Categorical("c", ("a", "b"))),
        (Int("n", 0, 5), Discrete("d", ("1", "2"))),
    ],
)
def test_below_two_numeric_parameters_it_is_refused(parameters: tuple[Double, ...]) -> None:
    (violation,) = Cmaes().violations(study(SearchSpace(parameters), []))
    assert violation.description == (
        "algorithm 'cmaes' needs 2 or more int or double parameters, got 1; use 'tpe'"
    )

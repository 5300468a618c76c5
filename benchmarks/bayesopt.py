"""Speed and memory of Bayesian optimisation: ``python -m benchmarks.bayesopt``.

CPU seconds of one suggestion and of ten, by number of trials, in eight mixed dimensions; and the
most memory that a server holds through an experiment of many trials.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Before numpy is imported: further threads only wait for each other in a container's half CPU.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import click

from benchmarks import yardstick
from benchmarks.regret import problems
from benchmarks.regret.remote import Remote, server_for
from suggestion.algorithms.bayesopt import BayesianOptimization, evidence, gp
from suggestion.numerics import randomness
from suggestion.numerics.sobol import sobol
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.problem import Metric, Problem
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import History, Observation, Study

LOG = Distribution.LOG_UNIFORM
SPACE = SearchSpace(
    (
        Double("rate", 1e-5, 1, distribution=LOG),
        Double("decay", 1e-6, 0.1, distribution=LOG),
        Double("dropout", 0, 0.7),
        Double("momentum", 0, 1),
        Int("layers", 1, 6),
        Int("width", 8, 512, distribution=LOG),
        Discrete("batch", ("16", "32", "64", "128", "256")),
        Categorical("optimizer", ("sgd", "adam", "rmsprop")),
    )
)


def loss(a: Assignment) -> float:
    """Smooth in the numbers, with a best rate for each optimizer."""
    rate = (
        math.log10(float(a["rate"]))
        + {"sgd": 1.5, "adam": 3.0, "rmsprop": 3.3}[str(a["optimizer"])]
    )
    total = 0.12 * rate**2 + 0.01 * (math.log10(float(a["decay"])) + 4) ** 2
    total += 0.3 * (float(a["dropout"]) - 0.3) ** 2 + 0.1 * (float(a["momentum"]) - 0.9) ** 2
    total += 0.02 * (int(a["layers"]) - 4) ** 2 + 0.02 * (math.log2(float(a["width"])) - 7) ** 2
    return total + 0.01 * abs(math.log2(float(a["batch"])) - 6)


def study_of(trials: int) -> Study:
    """A quarter of `trials` near the optimum, the rest anywhere, as in a real experiment."""
    anywhere = SPACE.decode(randomness.uniforms(0, 0, 4 * trials, SPACE.dimension))
    ordered = sorted(anywhere, key=loss)
    chosen = ordered[: trials // 4] + anywhere[: trials - trials // 4]
    observations = tuple(Observation(f"t{k}", a, {"loss": loss(a)}) for k, a in enumerate(chosen))
    study = Study(
        Problem("speed", SPACE, (Metric("loss"),)),
        seed=1,
        first_index=trials,
        trials=History(observations),
    )
    assert len(study.observations) == trials
    return study


def seconds(trials: int, counts: Sequence[int], repeats: int) -> list[float]:
    """CPU seconds for so many suggestions after `trials`, in turns, the least of `repeats`."""
    least = [math.inf] * len(counts)
    study = study_of(trials)
    for _ in range(repeats):
        for index, count in enumerate(counts):
            gp.forget()
            clock = time.process_time()
            BayesianOptimization().suggest(study, count)
            least[index] = min(least[index], time.process_time() - clock)
    return least


@click.group()
def main() -> None:
    """Speed and memory of bayesianoptimization."""


@main.command()
@click.argument("trials", nargs=-1, type=int)
@click.option("--repeats", default=5, show_default=True)
def speed(trials: Sequence[int], repeats: int) -> None:
    """CPU seconds of one suggestion and of ten."""
    click.echo(yardstick.line())
    click.echo(f"{'trials':>8} {'one':>8} {'ten':>8} {'ratio':>6}")
    for number in trials or (30, 100, 300, 1000, 10000):
        one, ten = seconds(number, (1, 10), repeats)
        click.echo(f"{number:8} {one:8.3f} {ten:8.3f} {ten / one:6.1f}")


@main.command()
@click.option("--trials", default=1000, show_default=True)
@click.option("--batch", default=10, show_default=True)
def memory(trials: int, batch: int) -> None:
    """The most memory a server holds, in MiB, through an experiment (Linux)."""
    remote = Remote(SPACE, 0, "bayesianoptimization", {})
    status = Path(f"/proc/{server_for('bayesianoptimization').pid}/status")
    for done in range(0, trials, batch):
        points = remote.ask(batch)
        remote.tell(points, [loss(point) for point in points])
        if (done + batch) % 100 == 0 or done == 0:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            held, most = (int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
            click.echo(f"{done + batch:6} trials: {held:6.1f} MiB, at most {most:6.1f} MiB")


@main.command()
@click.option("--trials", default=600, show_default=True, help="Sobol points to begin with.")
@click.option("--more", default=6, show_default=True, help="Suggestions after them.")
@click.option("--problem", "names", multiple=True, default=("a-hartmann-6", "a-mixed-7"))
def bounded(trials: int, more: int, names: Sequence[str]) -> None:
    """What holding and fitting only some of many trials costs in regret, against all of them."""
    for name in names:
        problem = problems.load(name)
        points = problem.space.decode(sobol(3, 0, trials, problem.space.dimension))
        start = [Observation(f"t{k}", a, {"loss": problem.loss(a)}) for k, a in enumerate(points)]
        least = min(o.metrics["loss"] for o in start)
        click.echo(f"{name}: {problem.regret(least):.4f} after {trials} Sobol points")
        for label, fitted, kept in (("bounded", None, None), ("all", trials + more, trials + more)):
            told = list(start)
            with _bounds(fitted, kept):
                clock = time.process_time()
                while len(told) < trials + more:
                    study = Study(
                        Problem("bounded", problem.space, (Metric("loss"),)),
                        first_index=len(told),
                        trials=History(tuple(told)),
                    )
                    (point,) = BayesianOptimization().suggest(study, 1)
                    assignment: Assignment = getattr(point, "assignment", point)
                    metrics = {"loss": problem.loss(assignment)}
                    told.append(Observation(f"t{len(told)}", assignment, metrics))
                clock = time.process_time() - clock
            regret = problem.regret(min(o.metrics["loss"] for o in told))
            click.echo(f"  {label:8} {regret:.6f} after {more} more, {clock / more:.2f} s each")


@contextmanager
def _bounds(fitted: int | None, kept: int | None) -> Iterator[None]:
    """Other bounds of the model than its own."""
    before = evidence.MOST_FITTED, evidence.MOST_KEPT
    try:
        if fitted is not None and kept is not None:
            setattr(evidence, "MOST_FITTED", fitted)  # noqa: B010 - Final, except here
            setattr(evidence, "MOST_KEPT", kept)  # noqa: B010
        yield
    finally:
        setattr(evidence, "MOST_FITTED", before[0])  # noqa: B010
        setattr(evidence, "MOST_KEPT", before[1])  # noqa: B010


if __name__ == "__main__":
    main()

"""CPU time and memory of one server: ``python -m benchmarks.speed tpe cmaes``.

A server process is asked for 1 and for 10 suggestions with 1,000 and with 10,000 trials of 8 mixed
parameters; what counts is its CPU time, parsing and serialising included. Then it is led through an
experiment of 1,000 trials, one request each, and its resident memory is read.

``optuna:tpe-multivariate`` and ``optuna:tpe-univariate`` are its samplers in this process, on a
study that is built from the trials for each request, as a server without state would have to.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import click
import numpy as np

from benchmarks import yardstick
from benchmarks.regret.remote import Remote, Server, experiment_of
from benchmarks.regret.rivals.dimensions import Task
from benchmarks.regret.rivals.process import dimension
from suggestion.client.ask_tell import AskTell
from suggestion.numerics import sampling
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace

SPACE = SearchSpace(
    (
        Double("lr", 1e-6, 1, distribution=Distribution.LOG_UNIFORM),
        Double("momentum", 0, 1),
        Double("dropout", 0, 0.8, step=0.05),
        Double("decay", 1e-8, 1e-1, distribution=Distribution.LOG_UNIFORM),
        Int("layers", 1, 20),
        Int("width", 8, 1024, distribution=Distribution.LOG_UNIFORM),
        Discrete("batch", ("16", "32", "64", "128", "256")),
        Categorical("optimizer", ("sgd", "adam", "rmsprop")),
    )
)


def loss_of(values: Mapping[str, str]) -> float:
    """Something smooth."""
    numbers = [float(v) if v[0].isdigit() else len(v) / 10 for v in values.values()]
    return float(np.sum((np.log1p(numbers) - 0.3) ** 2))


def _history(algorithm: str, server: Server, trials: int) -> AskTell:
    """An experiment with `trials` trials: random ones, or for CMA-ES its own, batch by batch."""
    message = experiment_of(SPACE, algorithm, {"random_state": "1"})
    loop = AskTell(message, server.transport, "trial-{:05}".format)
    if algorithm == "cmaes":
        batch = 10 if trials <= 1000 else 50
        while len(loop.trials) < trials:
            for trial in loop.ask(batch):
                loop.tell(trial, loss_of(trial.assignment))
    else:
        for assignment in sampling.independent(SPACE, 1, 0, trials):
            values = SPACE.format(assignment)
            loop.add(values, loss_of(values))
    return loop


def _costs(server: Server, loop: AskTell, counts: Sequence[int], repeats: int) -> list[float]:
    """Mean CPU seconds of the server for so many suggestions, in turns, after a first round."""
    spent = [0.0] * len(counts)
    for number in range(repeats):
        for index, count in enumerate(counts):
            request = loop.request(count)
            request.total_request_number += number
            before = server.cpu
            server.transport.suggest(request)
            if number:
                spent[index] += server.cpu - before
    return [seconds / (repeats - 1) for seconds in spent]


def _optuna(kind: str, trials: int, count: int, repeats: int) -> float:
    """Mean CPU seconds to build a study from `trials` trials and ask it `count` times."""
    import optuna  # noqa: PLC0415

    from benchmarks.regret.rivals import of_optuna  # noqa: PLC0415

    dimensions = [dimension(parameter) for parameter in SPACE.parameters]
    points = sampling.independent(SPACE, 1, 0, trials)
    losses = [loss_of(SPACE.format(point)) for point in points]
    before = 0.0
    for number in range(repeats + 1):
        if number == 1:
            before = time.process_time()
        engine: Any = of_optuna.Rival(Task(f"optuna:{kind}", dimensions, number, trials))
        values = [
            {k: SPACE[k].level(v) if isinstance(v, str) else v for k, v in p.items()}
            for p in points
        ]
        engine._study.add_trials(
            [
                optuna.trial.create_trial(
                    params=params, distributions=engine._distributions, value=loss
                )
                for params, loss in zip(values, losses, strict=True)
            ]
        )
        engine.ask(count)
    return (time.process_time() - before) / repeats


@click.command()
@click.argument("algorithms", nargs=-1, required=True)
def main(algorithms: tuple[str, ...]) -> None:
    """Print a table with a row for each algorithm."""
    click.echo(yardstick.line())
    click.echo("CPU seconds of the server; MiB after start, and after 1,000 trials one by one")
    click.echo("| algorithm | 1,000: one | ten | ratio | 10,000: one | ten | MiB | MiB |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for algorithm in algorithms:
        if algorithm.startswith("optuna:"):
            kind = algorithm.partition(":")[2]
            one, ten = (_optuna(kind, 1000, count, 5) for count in (1, 10))
            late, late_ten = (_optuna(kind, 10000, count, 1) for count in (1, 10))
            click.echo(
                f"| {algorithm} | {one:.3f} | {ten:.3f} | {ten / one:.1f} | {late:.3f} | "
                f"{late_ten:.3f} | | |"
            )
            continue
        server = Server(algorithm)
        remote = Remote(SPACE, 1, algorithm, {}, server)
        start = server.resident
        for _ in range(1000):
            points = remote.ask(1)
            remote.tell(points, [loss_of(SPACE.format(point)) for point in points])
        memory = server.resident
        cells = []
        for trials, repeats in ((1000, 21), (10000, 6)):
            loop = _history(algorithm, Server(algorithm), trials)
            cells.append(_costs(Server(algorithm), loop, (1, 10), repeats))
        (one, ten), (late, late_ten) = cells
        click.echo(
            f"| {algorithm} | {one:.3f} | {ten:.3f} | {ten / one:.1f} | {late:.3f} | "
            f"{late_ten:.3f} | {start:.0f} | {memory:.0f} |"
        )


if __name__ == "__main__":
    main()

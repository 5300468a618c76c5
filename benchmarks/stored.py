"""Runs of a benchmark that are stored one by one, so that it can be stopped and resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
import numpy as np

from suggestion.problem.parameters import Array

FOLDER: Final = Path(__file__).parent / "results"

#: What identifies a run: its problem, engine, seed, and what else there is.
Key: TypeAlias = tuple[str | int, ...]


def read(path: Path) -> dict[Key, Any]:
    """Return the stored result of each run."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {tuple(entry["run"]): entry["result"] for entry in map(json.loads, lines)}


def fill(path: Path, keys: Iterable[Key], run: Callable[[Key], Any], minutes: float) -> None:
    """Run, in their order, those of `keys` that are not stored, and store each when it has ended.

    Args:
        minutes: Of CPU time of this process after which no further run is begun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = read(path)
    begun = time.process_time()
    for key in keys:
        if key in stored:
            continue
        if time.process_time() - begun > minutes * 60:
            click.echo("stopped: the time is over; run the same command to resume")
            return
        clock = time.process_time()
        result = run(key)
        with path.open("a", encoding="utf-8") as file:
            entry = {"run": list(key), "result": result}
            file.write(json.dumps(entry, separators=(",", ":")) + "\n")
        click.echo(f"{' '.join(map(str, key))}  {time.process_time() - clock:.1f} s of CPU")


def commands(
    path: Path,
    keys: Callable[[], Iterable[Key]],
    run: Callable[[Key], Any],
    show: Callable[[dict[Key, Any]], None],
    about: str,
) -> click.Group:
    """Return the commands ``run``, which fills a file of results, and ``report``, which prints it.

    Args:
        path: Of the file, unless another one is given.
        keys: Returns all runs, in their order.
        show: Prints the stored results.
        about: What the benchmark does, in a sentence.
    """
    results = click.option("--results", type=Path, default=path)

    @click.group(help=about)
    def main() -> None: ...

    @main.command("run")
    @results
    @click.option("--minutes", default=60.0, show_default=True, help="Of CPU time.")
    def run_all(results: Path, minutes: float) -> None:
        """Run what is not stored yet."""
        fill(results, keys(), run, minutes)

    @main.command()
    @results
    def report(results: Path) -> None:
        """Print the tables."""
        show(read(results))

    return main


def interval(values: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return the mean over problems of the means over their seeds, with a 90 % bootstrap interval.

    Args:
        values: For each problem those of its seeds; problems are resampled.
    """
    means = np.array([np.mean(each) for each in values])
    rows = np.random.default_rng(0).integers(0, len(means), (4000, len(means)))
    low, high = np.quantile(means[rows].mean(axis=1), [0.05, 0.95])
    return float(means.mean()), float(low), float(high)


def ranks(values: Array) -> Array:
    """Return the rank of each engine in each run, 1 for the least value; shape (engines, runs).

    Of equal values each has the mean of their ranks.
    """
    below = (values[None] < values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)

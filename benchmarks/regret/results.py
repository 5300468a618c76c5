"""Running an engine on a problem, and one JSON file for what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.regret.engines import Factory
from benchmarks.regret.problem import Problem
from suggestion.space import Array

FOLDER: Final = Path(__file__).parent / "results"
#: Points asked for at a time.
MODES: Final = {"sequential": 1, "batch": 8}


@dataclass(frozen=True)
class Result:
    """What one engine did on one problem in one mode.

    Attributes:
        best: For each seed the lowest normalised regret after every trial, shape (trials,); slow
            engines may have run some seeds for longer than others.
        cpu: CPU seconds for a suggestion, the mean of all.
    """

    engine: str
    problem: str
    mode: str
    best: dict[int, Array]
    cpu: float

    def reaching(self, trials: int) -> dict[int, Array]:
        """The seeds that ran for `trials` at least."""
        return {seed: curve for seed, curve in self.best.items() if len(curve) >= trials}


def path_of(folder: Path, engine: str, problem: str, mode: str) -> Path:
    safe = engine.replace(":", "-").replace(",", "_").replace("=", "-")
    return folder / mode / safe / f"{problem}.json"


def run(
    engine: str, start: Factory, problem: Problem, mode: str, seeds: Sequence[int], trials: int
) -> Result:
    """Runs `engine` once for each seed.

    ``random2x`` evaluates two points where the others evaluate one.
    """
    multiple = 2 if engine == "random2x" else 1
    best, cpu = {}, 0.0
    for seed in seeds:
        optimizer, before = start(problem.space, seed), cpu
        losses: list[float] = []
        while len(losses) < trials * multiple:
            count = min(MODES[mode], trials - len(losses) // multiple) * multiple
            clock = time.process_time()
            points = optimizer.ask(count)
            cpu += time.process_time() - clock
            found = [problem.loss(point) for point in points]
            clock = time.process_time()
            optimizer.tell(points, found)
            cpu += time.process_time() - clock
            losses += found
        # Of a server, its own CPU time is what counts, not the client's.
        server_cpu = getattr(optimizer, "server_cpu", None)
        cpu = before + server_cpu if server_cpu is not None else cpu
        regrets = [problem.regret(loss) for loss in losses]
        best[seed] = np.minimum.accumulate(regrets)[multiple - 1 :: multiple]
    return Result(engine, problem.name, mode, best, cpu / (len(seeds) * trials * multiple))


def merged(first: Result, second: Result) -> Result:
    """Both, of the same engine, problem and mode; a seed of both is taken from `second`."""
    best = dict(sorted({**first.best, **second.best}.items()))
    a, b = len(first.best), len(second.best)
    cpu = (first.cpu * a + second.cpu * b) / (a + b)
    return Result(first.engine, first.problem, first.mode, best, cpu)


def save(result: Result, folder: Path = FOLDER) -> Path:
    """Writes `result`: for each seed the trials that improved, and the regret then.

    The number of trials is one for all seeds, or an object by seed where they differ.
    """
    path = path_of(folder, result.engine, result.problem, result.mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    steps: dict[str, list[tuple[int, float]]] = {}
    for seed, best in result.best.items():
        improved = [0, *(np.flatnonzero(np.diff(best) < 0) + 1).tolist()]
        steps[str(seed)] = [(k + 1, float(f"{best[k]:.5g}")) for k in improved]
    lengths = {str(seed): len(best) for seed, best in result.best.items()}
    document = {
        "engine": result.engine,
        "problem": result.problem,
        "mode": result.mode,
        "trials": lengths if len(set(lengths.values())) > 1 else min(lengths.values()),
        "cpu_seconds_a_suggestion": float(f"{result.cpu:.3g}"),
        "improvements": steps,
    }
    lines = json.dumps(document, indent=1)
    path.write_text(_flat(lines) + "\n")
    return path


def _flat(text: str) -> str:
    """One line for each seed."""
    head, _, tail = text.partition('"improvements"')
    seeds = json.loads(tail.lstrip(": ").rsplit("}", 1)[0])
    rows = ",\n".join(f'  "{seed}": {json.dumps(steps)}' for seed, steps in seeds.items())
    return f'{head}"improvements": {{\n{rows}\n }}\n}}'


def read(path: Path) -> Result:
    document: dict[str, Any] = json.loads(path.read_text())
    best, trials = {}, document["trials"]
    for seed, steps in document["improvements"].items():
        curve = np.empty(trials[seed] if isinstance(trials, dict) else trials)
        for trial, regret in steps:
            curve[trial - 1 :] = regret
        best[int(seed)] = curve
    return Result(
        document["engine"],
        document["problem"],
        document["mode"],
        best,
        document["cpu_seconds_a_suggestion"],
    )


def read_all(mode: str, folder: Path = FOLDER) -> list[Result]:
    return [read(path) for path in sorted((folder / mode).glob("*/*.json"))]

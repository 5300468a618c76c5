"""Running engines on problems, and one file a mode for what came of it.

``<mode>.jsonl.gz`` holds one JSON document a line, one for each engine and problem, ordered by
them; the same results give the same bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import io
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.regret import engines
from benchmarks.regret.engines import Factory
from benchmarks.regret.problem import Problem
from suggestion.problem.parameters import Array

FOLDER: Final = Path(__file__).parent / "results"
#: Points asked for at a time.
MODES: Final = {"sequential": 1, "batch": 8}


@dataclass(frozen=True)
class Result:
    """What one engine did on one problem in one mode.

    Attributes:
        best: For each seed the normalised regret of the trial with the lowest loss, after every
            trial, shape (trials,); slow engines may have run some seeds for longer than others.
        cpu: CPU seconds for a suggestion, the mean of all.
        recommended: Under noise, the same of the trial that the engine recommends, for the seeds
            of engines that recommend.
    """

    engine: str
    problem: str
    mode: str
    best: dict[int, Array]
    cpu: float
    recommended: dict[int, Array] = field(default_factory=dict)

    def reaching(self, trials: int) -> dict[int, Array]:
        """What is judged of the seeds that ran for `trials` at least.

        It is the trial that the engine recommends, if it does, else that with the lowest loss.
        """
        judged = self.best | self.recommended
        return {seed: curve for seed, curve in judged.items() if len(curve) >= trials}


def path_of(folder: Path, mode: str) -> Path:
    """The file of all results of `mode`."""
    return folder / f"{mode}.jsonl.gz"


def run(
    engine: str, start: Factory, problem: Problem, mode: str, seeds: Sequence[int], trials: int
) -> Result:
    """Runs `engine` once for each seed.

    ``random2x`` evaluates two points where the others evaluate one.
    """
    multiple = 2 if engine == "random2x" else 1
    best: dict[int, Array] = {}
    recommended: dict[int, Array] = {}
    cpu = 0.0
    for seed in seeds:
        optimizer, before = start(problem.space, seed, trials * multiple), cpu
        noisy = problem.truth is not None
        recommender = optimizer if noisy and engines.recommends(optimizer) else None
        chosen: list[int] = []  # after each trial
        losses: list[float] = []
        judged: list[float] = []
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
            judged += found if problem.truth is None else [problem.truth(p) for p in points]
            if recommender is not None:
                place = recommender.recommended()
                # Within a batch nothing new is known.
                before_last = chosen[-1:] or [0]
                chosen += before_last * (count - 1)
                chosen.append(int(np.argmin(losses)) if place is None else place)
        # Of an engine in another process, its own CPU time is what counts, not the client's.
        elsewhere = getattr(optimizer, "cpu", None)
        cpu = before + elsewhere if elsewhere is not None else cpu
        regrets = np.array([problem.regret(loss) for loss in judged])
        best[seed] = regrets[incumbents(losses)][multiple - 1 :: multiple]
        if recommender is not None:
            recommended[seed] = regrets[chosen]
    mean = cpu / (len(seeds) * trials * multiple)
    return Result(engine, problem.name, mode, best, mean, recommended)


def incumbents(losses: Sequence[float]) -> NDArray[np.intp]:
    """Return, after every trial, which one had the lowest loss so far: shape (trials,)."""
    lowest = np.minimum.accumulate(losses)
    first = np.flatnonzero(np.r_[True, lowest[1:] < lowest[:-1]])
    return first[np.searchsorted(first, np.arange(len(losses)), side="right") - 1]


def merged(first: Result, second: Result) -> Result:
    """Both, of the same engine, problem and mode; a seed of both is taken from `second`."""
    best = dict(sorted({**first.best, **second.best}.items()))
    kept = {s: curve for s, curve in first.recommended.items() if s not in second.best}
    recommended = dict(sorted({**kept, **second.recommended}.items()))
    a, b = len(first.best), len(second.best)
    cpu = (first.cpu * a + second.cpu * b) / (a + b)
    return Result(first.engine, first.problem, first.mode, best, cpu, recommended)


def save(result: Result, folder: Path = FOLDER) -> Path:
    """Store `result` in the place of an earlier one of the same engine, problem and mode.

    Runs of several engines may store at the same time; a reader sees all of a result or nothing.
    """
    path = path_of(folder, result.mode)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        stored = {(r.engine, r.problem): r for r in read_all(result.mode, folder)}
        stored[result.engine, result.problem] = result
        written = path.with_suffix(".part")
        written.write_bytes(_packed(stored[key] for key in sorted(stored)))
        written.replace(path)
    return path


def read(engine: str, problem: str, mode: str, folder: Path = FOLDER) -> Result | None:
    """What is stored of `engine` on `problem`."""
    found = (r for r in read_all(mode, folder) if (r.engine, r.problem) == (engine, problem))
    return next(found, None)


def read_all(mode: str, folder: Path = FOLDER) -> list[Result]:
    """Everything that is stored of `mode`, ordered by engine and problem."""
    path = path_of(folder, mode)
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [_result(json.loads(line)) for line in lines]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Exclude other processes that write into `folder`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _packed(results: Iterable[Result]) -> bytes:
    """The bytes of a file: without a name and a time, so that they depend on the results alone."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        for result in results:
            file.write(json.dumps(_document(result), separators=(",", ":")).encode() + b"\n")
    return buffer.getvalue()


def _document(result: Result) -> dict[str, Any]:
    """Write a result.

    The number of trials is one for all seeds, or an object by seed where they differ.
    """
    lengths = {str(seed): len(best) for seed, best in result.best.items()}
    document = {
        "engine": result.engine,
        "problem": result.problem,
        "mode": result.mode,
        "trials": lengths if len(set(lengths.values())) > 1 else min(lengths.values()),
        "cpu_seconds_a_suggestion": float(f"{result.cpu:.3g}"),
        "improvements": _steps(result.best),
    }
    if result.recommended:
        document["recommended"] = _steps(result.recommended)
    return document


def _steps(curves: Mapping[int, Array]) -> dict[str, list[tuple[int, float]]]:
    """Return for each seed the trials after which the regret is another, and the regret then."""
    steps: dict[str, list[tuple[int, float]]] = {}
    for seed, curve in curves.items():
        rounded = [float(f"{regret:.5g}") for regret in curve]
        changed = [0, *(np.flatnonzero(np.diff(rounded)) + 1).tolist()]
        steps[str(seed)] = [(k + 1, rounded[k]) for k in changed]
    return steps


def _result(document: dict[str, Any]) -> Result:
    trials = document["trials"]

    def curves(steps_by_seed: Mapping[str, Sequence[tuple[int, float]]]) -> dict[int, Array]:
        found = {}
        for seed, steps in steps_by_seed.items():
            curve = np.empty(trials[seed] if isinstance(trials, dict) else trials)
            for trial, regret in steps:
                curve[trial - 1 :] = regret
            found[int(seed)] = curve
        return found

    return Result(
        document["engine"],
        document["problem"],
        document["mode"],
        curves(document["improvements"]),
        document["cpu_seconds_a_suggestion"],
        curves(document.get("recommended", {})),
    )

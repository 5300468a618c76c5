"""Asks and tells a rival in its worker process."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.regret.rivals import environments
from benchmarks.regret.rivals.dimensions import Dimension
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter, Value
from suggestion.problem.space import Assignment, SearchSpace


class RivalError(Exception):
    """A rival raised something, or its worker ended."""


def dimension(parameter: Parameter) -> Dimension:
    """Return how a rival is told of a parameter; a lattice is the place in it, unless log."""
    name = parameter.name
    if isinstance(parameter, Double | Int):
        log = parameter.distribution.is_log
        integer = isinstance(parameter, Int)
        if (integer and (log or parameter.step == 1)) or (not integer and parameter.step is None):
            kind = "integer" if integer else "real"
            return Dimension(name, kind, float(parameter.min), float(parameter.max), log)  # type: ignore[arg-type]
        if log:
            return Dimension(name, "real", float(parameter.min), float(parameter.max), log)
    kind = "index" if parameter.ordered else "category"
    return Dimension(name, kind, 0, (parameter.levels or 1) - 1)  # type: ignore[arg-type]


def value(parameter: Parameter, dimension: Dimension, found: float) -> Value:
    """Return the value of a parameter that a rival means."""
    if dimension.kind in ("index", "category"):
        return parameter.value(int(found))
    (nearest,) = parameter.decode(parameter.encode([_typed(parameter, found)]))
    return nearest


def _typed(parameter: Parameter, found: float) -> Value:
    return round(found) if isinstance(parameter, Int) else float(found)


class Worker:
    """A worker process, one request at a time."""

    def __init__(self, python: Path, module: str) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.regret.rivals.worker", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            cwd=environments.ROOT,
            env={**os.environ, **threads, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
        )
        atexit.register(self.close)

    def request(self, **document: Any) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            RivalError: The rival raised something, or the worker ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # where it has ended there is no answer either
            print(json.dumps(document), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RivalError(f"the worker ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RivalError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@lru_cache
def worker_of(environment: str) -> Worker:
    """Return the worker of an environment, which is started once.

    Raises:
        RivalError: The environment is not built.
    """
    python = environments.python_of(environment)
    if not python.exists():
        raise RivalError(f"the environment {environment!r} is not built; run make rivals")
    return Worker(python, environments.ENVIRONMENTS[environment].module)


class Remote:
    """One run of a rival."""

    def __init__(
        self, space: SearchSpace, seed: int, engine: str, trials: int, worker: Worker | None = None
    ) -> None:
        self._space = space
        self._dimensions = [dimension(parameter) for parameter in space.parameters]
        self._worker = worker or worker_of(environments.ENGINES[engine])
        #: CPU seconds that the rival has used.
        self.cpu = 0.0
        started = self._worker.request(
            start={
                "engine": engine,
                "dimensions": [each.document() for each in self._dimensions],
                "seed": seed,
                "trials": trials,
            }
        )
        self.recommends: bool = started["recommends"]

    def ask(self, count: int) -> Sequence[Assignment]:
        answer = self._worker.request(ask=count)
        self.cpu += answer["cpu"]
        return [self._assignment(point) for point in answer["points"]]

    def _assignment(self, point: Sequence[float]) -> Mapping[str, Value]:
        pairs = zip(self._space.parameters, self._dimensions, point, strict=True)
        return {parameter.name: value(parameter, d, found) for parameter, d, found in pairs}

    def tell(self, points: Sequence[Assignment], losses: Sequence[float]) -> None:
        self.cpu += self._worker.request(tell=[float(loss) for loss in losses])["cpu"]

    def recommended(self) -> int | None:
        place: int | None = self._worker.request(recommend=True)["place"]
        return place

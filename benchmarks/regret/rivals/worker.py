"""``python -m benchmarks.regret.rivals.worker MODULE``: one rival, asked and told in JSON lines.

Each line on standard input is one request, each line on standard output its answer, in order:

- ``{"start": {"engine": "optuna:gp", "seed": 0, "trials": 50, "dimensions": [...]}}`` ->
  ``{"recommends": false}``
- ``{"ask": 8}`` -> ``{"points": [[...], ...], "cpu": 0.1}``
- ``{"tell": [0.5, ...]}`` -> ``{"cpu": 0.1}``, the losses of the points that were asked for last
- ``{"recommend": true}`` -> ``{"place": 3}``, if it recommends: which of the trials it was told

``cpu`` are the seconds that the rival used for the request, of all its threads. What a rival prints
goes to standard error. What it raises is answered as ``{"error": "..."}``, and the worker goes on.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.regret.rivals.dimensions import Dimension, Optimiser, Recommender, Task


class Worker:
    """Answers requests with the class `Rival` of a module."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._rival: Optimiser | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "start" in request:
            task = dict(request["start"])
            dimensions = [Dimension(**each) for each in task.pop("dimensions")]
            self._rival = self._module.Rival(Task(dimensions=dimensions, **task))
            return {"recommends": isinstance(self._rival, Recommender)}
        if self._rival is None:
            raise RuntimeError("nothing was started")
        if "recommend" in request:
            if not isinstance(self._rival, Recommender):
                raise RuntimeError("it does not recommend")
            return {"place": self._rival.recommended()}
        clock = time.process_time()
        if "ask" in request:
            points = self._rival.ask(request["ask"])
            if len(points) != request["ask"]:
                raise RuntimeError(f"{request['ask']} points were asked for, got {len(points)}")
            return {"points": points, "cpu": time.process_time() - clock}
        self._rival.tell(request["tell"])
        return {"cpu": time.process_time() - clock}


def answers(worker: Worker, lines: Iterable[str]) -> Iterator[str]:
    """Yield the answer to each line."""
    for line in lines:
        try:
            yield json.dumps(worker.answer(json.loads(line)))
        except Exception as error:
            yield json.dumps({"error": f"{type(error).__name__}: {error}"[:500]})


def main() -> None:
    # Rivals, and what they call, print to descriptor 1; the answers have a descriptor of their own.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    module = importlib.import_module(f"benchmarks.regret.rivals.{sys.argv[1]}")
    for answer in answers(Worker(module), sys.stdin):
        print(answer, file=out, flush=True)


if __name__ == "__main__":
    main()

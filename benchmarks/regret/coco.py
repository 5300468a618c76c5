"""Functions of the BBOB suites as coco-experiment computes them [Hansen2021]_.

- ``bbob``: 24 functions in 5, 10, 20 and 40 dimensions;
- ``bbob-mixint``: the same functions, four fifths of the variables integers [Tusar2019]_;
- ``bbob-noisy``: 30 functions under noise that is drawn anew for each trial. The trial that
  is recommended is judged by its loss without the noise: the median of `_REPEATS` evaluations.

The first instance of each. Half ``e`` is for choosing, half ``f`` for reporting; ``split.json``
says which function is in which, the same for all dimensions.

.. [Tusar2019] T. Tusar, D. Brockhoff, N. Hansen. Mixed-integer benchmark problems for single- and
   bi-objective optimization. GECCO 2019.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.regret.problem import Problem, vector
from benchmarks.regret.trainings import SPLIT
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array, Parameter
from suggestion.problem.space import Assignment, SearchSpace

DIMENSIONS: Final = {"bbob": (5, 10, 20, 40), "bbob-mixint": (5, 10, 20, 40), "bbob-noisy": (5, 20)}
_REPEATS: Final = 51


def problems() -> Mapping[str, Callable[[], Problem]]:
    """Return what loads each problem, by its name."""
    split = json.loads(SPLIT.read_text(encoding="utf-8"))
    found = {}
    for half in ("e", "f"):
        for suite, functions in split[half].items():
            for function in functions:
                for dimension in DIMENSIONS[suite]:
                    name = f"{half}-{suite}-f{function}-{dimension}"
                    found[name] = partial(load, name, suite, function, dimension)
    return found


def load(name: str, suite: str, function: int, dimension: int) -> Problem:
    """Return a problem.

    Raises:
        ModuleNotFoundError: If the package coco-experiment is not installed.
    """
    import cocoex  # noqa: PLC0415

    chosen = cocoex.Suite(suite, "instances:1", f"dimensions:{dimension}")
    f = chosen.get_problem_by_function_dimension_instance(function, dimension, 1)
    optimum = _optimum(f)

    def loss(assignment: Assignment) -> float:
        return float(f(vector(assignment)))

    def truth(assignment: Assignment) -> float:
        x = vector(assignment)
        return float(np.median([f(x) for _ in range(_REPEATS)]))

    noisy = suite == "bbob-noisy"
    best = float(np.median([f(optimum) for _ in range(_REPEATS if noisy else 1)]))
    return Problem(name, _space(f), loss, best, truth if noisy else None)


def _space(f: Any) -> SearchSpace:
    """The space of a function, whose integers come first."""
    whole = f.number_of_integer_variables
    parameters: list[Parameter] = []
    for k, (low, high) in enumerate(zip(f.lower_bounds, f.upper_bounds, strict=True)):
        name = f"x{k}"
        parameters.append(
            Int(name, int(low), int(high)) if k < whole else Double(name, float(low), float(high))
        )
    return SearchSpace(tuple(parameters))


def _optimum(f: Any) -> Array:
    """Where a function is lowest; the package writes it to a file in the working directory."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            f._best_parameter("print")
        finally:
            os.chdir(before)
        written = Path(folder, "._bbob_problem_best_parameter.txt").read_text(encoding="utf-8")
    return np.array(written.split(), dtype=np.float64)

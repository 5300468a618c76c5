"""Simulated annealing by hyperopt, imported by the first call that has a finished trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import hyperopt
import numpy as np
from hyperopt import anneal, hp

from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Observation

#: Id of the trial that hyperopt is asked for; it is part of hyperopt's seed.
_NEW: Final = 0
#: Number of draws for one suggestion before a random point is used.
_DRAWS: Final = 32
#: Number of parameters that hyperopt draws for one reply, each in about a millisecond; fewer where
#: it is given many trials.
_MOST_WORK: Final = 20_000


class Model:
    """Present finished trials to hyperopt, in the unit cube."""

    #: Number of draws that fit into the time of a request; points after them are random.
    draws_left: int

    def __init__(self, space: SearchSpace, shown: Sequence[Observation]) -> None:
        self._space = space
        self.draws_left = max(1, int(_MOST_WORK / space.dimension / (1 + len(shown) / 100)))
        self._labels = [f"x{column}" for column in range(space.dimension)]
        self._domain = hyperopt.base.Domain(
            lambda _: 0.0,
            {
                label: hp.uniform(label, 0, 1)
                if parameter.ordered
                else hp.randint(label, parameter.levels)
                for label, parameter in zip(self._labels, space.parameters, strict=True)
            },
        )
        points = space.encode([trial.assignment for trial in shown])
        documents = [
            self._document(number, point, rank)
            for rank, (number, point) in enumerate(enumerate(points))
        ]
        self._trials = hyperopt.trials_from_docs(documents, validate=False)

    def _document(self, number: int, point: Array, rank: int) -> Mapping[str, Any]:
        """Make a finished trial; only the order of losses counts, so its rank replaces the loss."""
        values: dict[str, list[float | int]] = {}
        for column, (label, parameter) in enumerate(
            zip(self._labels, self._space.parameters, strict=True)
        ):
            unit = float(point[column])
            if math.isnan(unit):  # an out-of-space trial
                values[label] = []
            elif parameter.ordered:
                values[label] = [unit]
            else:
                assert parameter.levels is not None
                values[label] = [int(unit * parameter.levels)]
        return {
            "tid": number,
            "spec": None,
            "result": {"status": hyperopt.STATUS_OK, "loss": float(rank)},
            "misc": {
                "tid": number,
                "cmd": None,
                "idxs": {label: [number] * len(found) for label, found in values.items()},
                "vals": values,
            },
            "state": hyperopt.JOB_STATE_DONE,
            "owner": None,
            "book_time": None,
            "refresh_time": None,
            "exp_key": None,
            "version": 0,
        }

    def draws(
        self,
        rng: np.random.Generator,
        avg_best_idx: float,
        shrink: float,
        check: Callable[[], None],
    ) -> Iterator[Assignment]:
        """Yield independent draws for one suggestion, as long as there are `draws_left`."""
        for seed in rng.integers(2**31 - 1, size=_DRAWS).tolist():
            if self.draws_left <= 0:
                return
            self.draws_left -= 1
            check()
            (document,) = anneal.suggest(
                [_NEW],
                self._domain,
                self._trials,
                seed,
                avg_best_idx=avg_best_idx,
                shrink_coef=shrink,
            )
            point = np.empty((1, self._space.dimension))
            for column, (label, parameter) in enumerate(
                zip(self._labels, self._space.parameters, strict=True)
            ):
                (value,) = document["misc"]["vals"][label]
                if not parameter.ordered:
                    value = (value + 0.5) / parameter.levels
                point[0, column] = value
            yield self._space.decode(point)[0]

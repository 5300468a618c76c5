"""Simulated annealing, as hyperopt does it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import hyperopt
import numpy as np
from hyperopt import anneal, hp

from suggestion import sampling
from suggestion.algorithm import register
from suggestion.sampling import Untried
from suggestion.settings import setting
from suggestion.space import Array, Assignment, SearchSpace
from suggestion.study import Observation, Study

#: hyperopt is shown this many of the best trials, or more if `avg_best_idx` reaches further.
_SHOWN: Final = 50
#: Number of the trial that hyperopt is asked for; it draws from its seed and this.
_NEW: Final = 0
#: Draws for one suggestion, until a random point is taken instead.
_DRAWS: Final = 32


@register("anneal")
@dataclass(frozen=True, kw_only=True)
class Anneal:
    """Sample near one of the best points, ever nearer [Bergstra2013]_.

    For each suggestion one of the best trials is chosen, the k-th best with a probability that
    falls geometrically, and every parameter is drawn from a window around its value; a category
    keeps its value with a growing probability. After T trials the window is
    1 / (1 + T * shrink_coef) of the range.

    .. [Bergstra2013] J. Bergstra, D. Yamins, D. Cox. Making a science of model search:
       hyperparameter optimization in hundreds of dimensions for vision architectures. ICML 2013.
       The algorithm is described in `hyperopt.anneal` alone.
    """

    avg_best_idx: float = setting(
        2.0,
        above=0,
        help="Mean rank of the trial to sample around, counted from 1; below 1 is as 1.",
    )
    shrink_coef: float = setting(
        0.1, above=0, help="How fast the windows shrink with the number of trials."
    )

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.algorithm.Algorithm`."""
        partly = [trial for trial in study.foreign if isinstance(trial, Observation)]
        finished = sorted([*study.observations, *partly], key=lambda trial: trial.loss)
        trials = sum(map(len, (study.observations, study.pending, study.failed, partly)))
        shown = finished[: max(_SHOWN, math.ceil(20 * self.avg_best_idx))]
        model = _Model(study.space, shown) if shown else None
        untried = Untried(study.space, study.visited())
        suggestions: list[Assignment] = []
        for index in range(study.first_index, study.first_index + count):
            study.deadline.check()
            if model is None:
                proposals = iter(sampling.independent(study.space, study.seed, index, 1))
            else:
                # hyperopt takes T from the trials that it is shown.
                shrink = self.shrink_coef * (trials + len(suggestions)) / len(shown)
                proposals = model.draws(study.rng(index), max(self.avg_best_idx, 1.0), shrink)
            suggestions.append(untried.pick(proposals, study.seed, index))
        return suggestions


class _Model:
    """hyperopt's view of some finished trials, in the unit cube; it remembers nothing more."""

    def __init__(self, space: SearchSpace, shown: Sequence[Observation]) -> None:
        self._space = space
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
        """A finished trial; only the order of losses counts, so its rank stands for the loss."""
        values: dict[str, list[float | int]] = {}
        for column, (label, parameter) in enumerate(
            zip(self._labels, self._space.parameters, strict=True)
        ):
            unit = float(point[column])
            if math.isnan(unit):  # a foreign trial
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
        self, rng: np.random.Generator, avg_best_idx: float, shrink: float
    ) -> Iterator[Assignment]:
        """Independent draws for one suggestion."""
        for seed in rng.integers(2**31 - 1, size=_DRAWS).tolist():
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

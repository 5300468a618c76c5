"""The surrogate of one request, and the points suggested by it one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from suggestion.algorithms.bayesopt import data, evidence, gp, search
from suggestion.algorithms.bayesopt.fitting import TimeBudget
from suggestion.algorithms.bayesopt.forests import Forest
from suggestion.algorithms.bayesopt.joint import SeveralOutputs
from suggestion.algorithms.bayesopt.maximiser import Maximiser, Tracked
from suggestion.algorithms.bayesopt.model import Cost, Prior
from suggestion.algorithms.bayesopt.outputs import transforms
from suggestion.algorithms.bayesopt.single import SingleLoss
from suggestion.numerics import randomness, sampling, streams
from suggestion.numerics.earlier import doubtful
from suggestion.problem.parameters import Array
from suggestion.problem.space import Assignment
from suggestion.problem.study import Study

_SHORTEST: Final = 0.5  # seconds: times have a resolution of one


class Model(Protocol):
    """Surrogates with pending trials, and what is maximised to choose a suggestion."""

    def append(self, features: Array, rng: np.random.Generator) -> None:
        """Add fantasies of a pending point, shape (p,)."""
        ...

    def criterion(self, index: int, later: bool) -> Tracked:
        """Return the function for suggestion `index`, perhaps a `later` one of its reply."""
        ...


class Fitted(Protocol):
    """Surrogates fitted to the trials.

    Attributes:
        incumbents: The best points, shape (k, dimension).
    """

    incumbents: Array

    def model(self, candidates: Array, prior: Prior, cost: Cost | None) -> Model:
        """Return the model that knows `candidates`, features of shape (m, p)."""
        ...


class Proposer:
    """The surrogate of one request, and the points suggested by it one after the other.

    Args:
        study: A study with at least one observation.
        chosen: Points already chosen for the same reply.
        estimator, function, optimizer: The algorithm's settings ``base_estimator``, ``acq_func``
            and ``acq_optimizer``.
    """

    def __init__(
        self,
        study: Study,
        chosen: Sequence[Assignment],
        *,
        estimator: str,
        function: str,
        optimizer: str,
    ) -> None:
        self._study = study
        self._proposed = 0
        go_on = TimeBudget(study.deadline, study.name)
        self._rng = streams.rng(study, study.first_index, "bayesianoptimization")
        self._evidence = evidence.collect(study, study.space.encode(chosen), go_on)
        self._features = self._evidence.features
        # Forests need a feature; where all parameters are constant there is nothing to model.
        self._estimator = estimator if self._features.dimension else "GP"
        fitted = self._fitted(function)
        climbs = self._estimator == "GP" and optimizer != "sampling"
        self._maximiser = Maximiser(
            study.space,
            self._features,
            fitted.incumbents,
            climbs,
            self._rng,
            go_on,
            study.deadline.check,
        )
        cost = self._cost() if function in ("EIps", "PIps") else None
        candidates = self._features(self._maximiser.candidates)
        self._model = fitted.model(candidates, self._features.prior, cost)
        for point in self._evidence.pending:
            study.deadline.check()
            self._append(point)

    def _fitted(self, function: str) -> Fitted:
        problem, known = self._study.problem, self._evidence
        if len(problem.objectives) > 1 or problem.constraints:
            return SeveralOutputs(known)
        forest = None
        if self._estimator != "GP":
            forest = self._forest(known.inputs, known.losses[0][0].values, "forest")
        return SingleLoss(known, forest, function)

    def _forest(self, inputs: Array, y: Array, purpose: str) -> Forest:
        seed = int(randomness.generator(self._study.seed, purpose).integers(2**31))
        return Forest(self._estimator, inputs, y, seed)

    def _cost(self) -> Cost | None:
        """Fit the logarithm of a trial's duration; None if hardly any trial has one."""
        known = self._evidence
        rows = np.flatnonzero(known.trials.durations >= 0)
        if len(rows) < 2:
            return None
        points = known.trials.points[rows]
        distances = data.distances(self._features, points)
        rows = rows[data.select(distances, evidence.MOST_FITTED)]
        logs = np.log(np.maximum(known.trials.durations[rows], _SHORTEST))
        inputs, y, groups = known.inputs[rows], transforms(logs)[0].values, self._features.groups
        if self._estimator != "GP":
            return Cost(self._forest(inputs, y, "duration"), float(np.std(logs)))
        fitted = gp.fit(inputs, groups, y, go_on=known.go_on)
        return Cost(gp.Posterior([fitted], inputs, groups, y[None]), float(np.std(logs)))

    @property
    def doubtful(self) -> bool:
        """Whether the trials contradict earlier studies."""
        known = self._evidence
        if known.sources is None:
            return False
        means = known.sources.means(known.inputs)[known.sources.about(0)]
        return doubtful(known.losses[0][0].values, means)

    def _append(self, point: Array) -> None:
        """Add fantasies of a pending point of the cube, shape (dimension,)."""
        self._model.append(self._features(point[None])[0], self._rng)

    def propose(self, index: int, visited: sampling.Visited) -> Assignment:
        """Return the point that maximises the acquisition function; it is pending for later points.

        Args:
            index: Index of the suggestion.
            visited: Points that are not proposed.
        """
        rng = streams.rng(self._study, index, "search")
        later = self._proposed > 0
        criterion = self._model.criterion(index, later)
        effort = search.BRIEF if later else search.FULL
        assignment = self._maximiser.best(criterion, rng, effort, visited)
        if assignment is None:
            assignment = visited.unvisited(self._study.seed, index)
        self._append(self._study.space.encode([assignment])[0])
        self._proposed += 1
        return assignment

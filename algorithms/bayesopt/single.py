"""The surrogate of one loss without constraints: an average over transforms of it."""

from __future__ import annotations

import numpy as np

from suggestion.algorithms.bayesopt.evidence import Evidence
from suggestion.algorithms.bayesopt.fitting import posterior, probable
from suggestion.algorithms.bayesopt.forests import Forest
from suggestion.algorithms.bayesopt.maximiser import INCUMBENTS
from suggestion.algorithms.bayesopt.model import Cost, Mixture, Prior, Surrogate
from suggestion.algorithms.bayesopt.portfolio import Portfolio
from suggestion.problem.parameters import Array


class SingleLoss:
    """The surrogate of one loss, with an output for each transform that explains it well.

    Args:
        evidence: What it is fitted to.
        forest: A forest that takes the place of Gaussian processes, or None.
        function: The setting ``acq_func``.

    Attributes:
        incumbents: The best points, compared by the mean of the first output; (k, dimension).
    """

    def __init__(self, evidence: Evidence, forest: Forest | None, function: str) -> None:
        self._function = function
        self._improves = not evidence.trials.failed.all()
        self._surrogate: Surrogate
        if forest is not None:
            self._surrogate, self._log_weights = forest, np.zeros(1)
        else:
            members = probable(evidence.fitter().fits(evidence.losses[0], evidence.sources))
            groups, sources = evidence.features.groups, evidence.sources
            self._surrogate = posterior(members, evidence.inputs, groups, sources)
            self._log_weights = np.array([member.log_weight for member in members])
        self._best, self.incumbents = self._lowest(evidence)

    def _lowest(self, evidence: Evidence) -> tuple[Array, Array]:
        """Return the lowest means, shape (k,), and the best points, shape (m, dimension)."""
        trials = evidence.trials
        if not self._improves:  # only earlier studies say anything
            outputs = len(self._surrogate.predict(evidence.inputs[:0])[0])
            return np.zeros(outputs), evidence.learned()
        usable = trials.complete & ~trials.failed
        rows = np.flatnonzero(usable if usable.any() else ~trials.failed)
        means = self._surrogate.predict(evidence.inputs[rows])[0][:, :, 0]
        best = rows[np.argsort(means[0], kind="stable")[:INCUMBENTS]]
        points = np.vstack([trials.points[best], evidence.learned()])
        return means.min(axis=1), np.where(np.isnan(points), 0.5, points)

    def model(self, candidates: Array, prior: Prior, cost: Cost | None) -> Portfolio:
        """Return the model that knows `candidates`, features of shape (m, p)."""
        best, weights = self._best, self._log_weights
        mixture = Mixture(self._surrogate, weights, best, candidates, prior, cost)
        return Portfolio(mixture, self._function, self._improves)

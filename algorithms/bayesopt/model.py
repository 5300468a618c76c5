"""Surrogates of the loss under several transforms, with pending trials, and acquisition
functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np

from suggestion.algorithms.bayesopt.acquisition import (
    KAPPA,
    NARROW_KAPPA,
    Acquisition,
    ExpectedImprovement,
    LowerConfidenceBound,
    ProbabilityOfImprovement,
    Slopes,
)
from suggestion.numerics.normal import quantile
from suggestion.problem.parameters import Array

#: Number of fantasies of each pending outcome.
FANTASIES: Final = 8
#: Returns the log of a factor of acquisition functions, and its slopes: (m,) and (m, p) at (m, p).
Prior: TypeAlias = Callable[[Array], tuple[Array, Array]]
#: Acquisition functions.
Kind: TypeAlias = Literal["EI", "LCB", "PI", "narrow LCB"]


def fantasies(rng: np.random.Generator) -> Array:
    """Return standard normal numbers, evenly spread and in random order, shape (fantasies,)."""
    return rng.permutation(quantile((np.arange(FANTASIES) + 0.5) / FANTASIES))


class Surrogate(Protocol):
    """Predict k outputs at features: k Gaussian processes, or one forest."""

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Return means (k, m, fantasies) and deviations (k, m) at `features` (m, p)."""
        ...

    def track(self, features: Array) -> None:
        """Set the points that `tracked` predicts."""
        ...

    def tracked(self) -> tuple[Array, Array]:
        """Return what `predict` returns at the points set by `track`."""
        ...

    def append(self, features: Array, normals: Array) -> Array:
        """Add a point without outcome; return fantasies of it, shape (k, fantasies)."""
        ...

    def gradients(self, features: Array, slopes: Slopes) -> tuple[Array, Array]:
        """Return an acquisition function and its slopes: (k, m) and (k, m, p) at
        `features` (m, p).
        """
        ...


@dataclass(frozen=True)
class Cost:
    """The duration of a trial: its logarithm is `scale` times the prediction of `surrogate`."""

    surrogate: Surrogate
    scale: float


class Mixture:
    """Surrogates of the same losses under several transforms.

    Args:
        surrogate: Surrogate of the k outputs.
        log_weights: Logarithms of their weights, up to a common constant, shape (k,).
        best: Their lowest values so far, shape (k,).
        candidates: Features of the points that a search starts from, shape (m, p).
        prior: Factor of acquisition functions.
        cost: Divisor of acquisition functions, or None.

    Attributes:
        best: The lowest values in each fantasy, shape (k, fantasies).
        at_candidates: The prior's logarithm, shape (m,).
    """

    def __init__(
        self,
        surrogate: Surrogate,
        log_weights: Array,
        best: Array,
        candidates: Array,
        prior: Prior,
        cost: Cost | None,
    ) -> None:
        self.surrogate = surrogate
        self.log_weights = log_weights
        self.best = best[:, None]
        self.prior = prior
        self.at_candidates, _ = prior(candidates)
        self.cost = cost
        surrogate.track(candidates)
        if cost is not None:
            cost.surrogate.track(candidates)

    def append(self, features: Array, normals: Array) -> None:
        """Add a pending point, shape (p,)."""
        self.best = np.minimum(self.best, self.surrogate.append(features, normals))

    def acquisition(self, kind: Kind) -> Acquisition:
        if kind == "EI":
            return ExpectedImprovement(self.best)
        if kind == "PI":
            return ProbabilityOfImprovement(self.best)
        return LowerConfidenceBound(KAPPA if kind == "LCB" else NARROW_KAPPA)


class Criterion:
    """One acquisition function over a mixture of surrogates, which a search maximises.

    Expected improvements under different transforms have different units: each is divided by its
    largest value among the candidates before they are averaged.

    Attributes:
        tracked: Values at the candidates, shape (m,).
    """

    def __init__(self, mixture: Mixture, kind: Kind) -> None:
        self._surrogate = mixture.surrogate
        self._prior, self._cost = mixture.prior, mixture.cost
        self._acquisition = mixture.acquisition(kind)
        self._kind = kind
        self._log_weights = mixture.log_weights
        found = self._acquisition.values(*self._surrogate.tracked())
        self._tops = found.max(axis=1)
        self.tracked = self._average(found)[0] + mixture.at_candidates
        if self._cost is not None:
            times, _ = self._cost.surrogate.tracked()
            self.tracked = self.tracked - self._cost.scale * times[0, :, 0]

    def _average(self, found: Array) -> tuple[Array, Array]:
        """Return values (m,) and each surrogate's share in their slopes, shape (k, m)."""
        if self._kind in ("LCB", "narrow LCB"):  # no logarithms
            weights = np.exp(self._log_weights - np.max(self._log_weights))
            weights /= weights.sum()
            return weights @ found, np.repeat(weights[:, None], found.shape[1], axis=1)
        logs = found + (self._log_weights - self._tops)[:, None]
        top = logs.max(axis=0)
        exponentials = np.exp(logs - top)
        total = exponentials.sum(axis=0)
        return top + np.log(total), exponentials / total

    def values(self, features: Array) -> Array:
        """Return values at `features`, shape (m, p): shape (m,)."""
        found = self._acquisition.values(*self._surrogate.predict(features))
        values = self._average(found)[0] + self._prior(features)[0]
        if self._cost is not None:
            times, _ = self._cost.surrogate.predict(features)
            values = values - self._cost.scale * times[0, :, 0]
        return values

    def gradients(self, features: Array) -> tuple[Array, Array]:
        """Return values (m,) and slopes (m, p) at `features`."""
        found, slopes = self._surrogate.gradients(features, self._acquisition.slopes)
        values, shares = self._average(found)
        prior, by_prior = self._prior(features)
        values = values + prior
        slopes = np.einsum("km,kmp->mp", shares, slopes) + by_prior
        if self._cost is not None:
            times, by_time = self._cost.surrogate.gradients(features, prediction)
            values = values - self._cost.scale * times[0]
            slopes = slopes - self._cost.scale * by_time[0]
        return values, slopes


def prediction(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """Return the prediction itself as an acquisition function."""
    return mean[..., 0], np.ones_like(mean), np.zeros_like(deviation)

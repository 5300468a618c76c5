"""What the trials say: surrogates of the loss under several transforms, and what is pending."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from algorithms.bayesopt.acquisition import (
    Acquisition,
    expected_improvement,
    lower_confidence_bound,
    probability_of_improvement,
)
from suggestion.space import Array

#: The acquisition functions that one surrogate has.
Kind: TypeAlias = Literal["EI", "LCB", "PI"]


class Surrogate(Protocol):
    """Predicts outputs at features; a Gaussian process or a forest."""

    def predict(self, features: Array) -> tuple[Array, Array]:
        """Means, shape (m, fantasies), and standard deviations (m,) at `features` (m, p)."""
        ...

    def track(self, features: Array) -> None:
        """Names the points that `tracked` predicts."""
        ...

    def tracked(self) -> tuple[Array, Array]:
        """What `predict` gives at the points named to `track`."""
        ...

    def append(self, features: Array, normals: Array) -> Array:
        """Adds a point without outcome; returns fantasies of it, shape (fantasies,)."""
        ...

    def gradients(self, features: Array, acquisition: Acquisition) -> tuple[Array, Array]:
        """An acquisition function and its slopes: (m,) and (m, p) at `features` (m, p)."""
        ...


@dataclass
class Member:
    """One surrogate of a mixture.

    Attributes:
        surrogate: Of the outputs.
        log_weight: Logarithm of its weight, up to a constant common to all.
        best: Lowest output so far in each fantasy, shape (fantasies,).
    """

    surrogate: Surrogate
    log_weight: float
    best: Array

    def acquisition(self, kind: Kind) -> Acquisition:
        if kind == "EI":
            return expected_improvement(self.best)
        if kind == "PI":
            return probability_of_improvement(self.best)
        return lower_confidence_bound


@dataclass(frozen=True)
class Cost:
    """What a trial takes: the logarithm of its duration is `scale` times what `surrogate` says."""

    surrogate: Surrogate
    scale: float


class Mixture:
    """Surrogates that share one list of candidates and of pending points.

    Args:
        members: At least one.
        candidates: Features of the points that a search starts from, shape (m, p).
        cost: By which acquisition functions are divided, if at all.
    """

    def __init__(self, members: list[Member], candidates: Array, cost: Cost | None) -> None:
        self.members = members
        self.cost = cost
        for member in members:
            member.surrogate.track(candidates)
        if cost is not None:
            cost.surrogate.track(candidates)

    def append(self, features: Array, normals: Array) -> None:
        """Adds a pending point, shape (p,)."""
        for member in self.members:
            outcomes = member.surrogate.append(features, normals)
            member.best = np.minimum(member.best, outcomes)


class Criterion:
    """One acquisition function over a mixture of surrogates; what a search maximises.

    Expected improvements under different transforms have different units: each is divided by its
    largest value among the candidates before they are averaged.

    Attributes:
        tracked: Values at the candidates, shape (m,).
    """

    def __init__(self, mixture: Mixture, kind: Kind) -> None:
        self._members = mixture.members
        self._kind = kind
        self._cost = mixture.cost
        self._acquisitions = [member.acquisition(kind) for member in self._members]
        self._log_weights = np.array([member.log_weight for member in self._members])
        found = np.array(
            [
                acquisition(*member.surrogate.tracked())[0]
                for acquisition, member in zip(self._acquisitions, self._members, strict=True)
            ]
        )
        self._tops = found.max(axis=1)
        self.tracked, _ = self._average(found)
        if self._cost is not None:
            times, _ = self._cost.surrogate.tracked()
            self.tracked = self.tracked - self._cost.scale * times[:, 0]

    def _average(self, found: Array) -> tuple[Array, Array]:
        """Values (m,) and each member's share in their slopes, shape (members, m)."""
        if self._kind == "LCB":
            weights = np.exp(self._log_weights - self._log_weights.max())
            weights /= weights.sum()
            return weights @ found, np.repeat(weights[:, None], found.shape[1], axis=1)
        logs = found + (self._log_weights - self._tops)[:, None]
        top = logs.max(axis=0)
        exponentials = np.exp(logs - top)
        total = exponentials.sum(axis=0)
        return top + np.log(total), exponentials / total

    def values(self, features: Array) -> Array:
        """At `features`, shape (m, p): shape (m,)."""
        found = np.array(
            [
                acquisition(*member.surrogate.predict(features))[0]
                for acquisition, member in zip(self._acquisitions, self._members, strict=True)
            ]
        )
        values, _ = self._average(found)
        if self._cost is not None:
            values = values - self._cost.scale * self._cost.surrogate.predict(features)[0][:, 0]
        return values

    def gradients(self, features: Array) -> tuple[Array, Array]:
        """Values (m,) and slopes (m, p) at `features`."""
        found = [
            member.surrogate.gradients(features, acquisition)
            for acquisition, member in zip(self._acquisitions, self._members, strict=True)
        ]
        values, shares = self._average(np.array([values for values, _ in found]))
        slopes = np.einsum("km,kmp->mp", shares, np.array([slopes for _, slopes in found]))
        if self._cost is not None:
            times, by_time = self._cost.surrogate.gradients(features, _mean)
            values = values - self._cost.scale * times
            slopes = slopes - self._cost.scale * by_time
        return values, slopes


def _mean(mean: Array, deviation: Array) -> tuple[Array, Array, Array]:
    """The prediction itself as an acquisition function."""
    return mean[:, 0], np.ones_like(mean), np.zeros_like(deviation)

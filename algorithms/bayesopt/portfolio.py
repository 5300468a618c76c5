"""Which acquisition function chooses a suggestion, by the setting ``acq_func``."""

from __future__ import annotations

from typing import Final

import numpy as np

from suggestion.algorithms.bayesopt.model import Criterion, Kind, Mixture, fantasies
from suggestion.problem.parameters import Array

#: Functions of gp_hedge, and how sharply it prefers the best: the paper's eta.
PORTFOLIO: Final[tuple[Kind, ...]] = ("EI", "LCB", "PI")
HEDGE_RATE: Final = 1.0
#: Index of the first suggestion for which gp_hedge uses a portfolio.
HEDGE_FROM: Final = 25

_GOLDEN: Final = 0.6180339887498949  # multiples of it fill the unit interval evenly
_KINDS: Final[dict[str, Kind]] = {"LCB": "LCB", "PI": "PI", "PIps": "PI"}


class Portfolio:
    """Surrogates of the losses, and the acquisition functions of the setting ``acq_func``.

    Before suggestion `HEDGE_FROM`, gp_hedge chooses the first point of a reply by EI and those
    after it by a narrow LCB: EI over fantasies explores with most of a batch, at a time when there
    is more to gain near good points. Measured in docs/research/bayesopt.md.

    Args:
        mixture: Surrogates of the losses.
        function: The setting.
        improves: Whether there is a loss to improve on.
    """

    def __init__(self, mixture: Mixture, function: str, improves: bool) -> None:
        self._mixture, self._function, self._improves = mixture, function, improves

    def append(self, features: Array, rng: np.random.Generator) -> None:
        """Add fantasies of a pending point, shape (p,)."""
        self._mixture.append(features, fantasies(rng))

    def criterion(self, index: int, later: bool) -> Criterion:
        """Return the function for suggestion `index`, perhaps a `later` one of its reply."""
        if not self._improves:
            return Criterion(self._mixture, "narrow LCB")
        if self._function != "gp_hedge":
            return Criterion(self._mixture, _KINDS.get(self._function, "EI"))
        if index >= HEDGE_FROM:
            return self._hedge(index)
        return Criterion(self._mixture, "narrow LCB" if later else "EI")

    def _hedge(self, index: int) -> Criterion:
        """Return the acquisition function whose turn it is in the portfolio GP-Hedge
        [Hoffman2011]_.

        At first LCB explores more than it gains, so the portfolio begins at suggestion
        `HEDGE_FROM`. Each function nominates a point and is chosen with a frequency that grows with
        the surrogate's present prediction for its nominee. Unlike the paper, gains of earlier
        nominees are not summed, because a reply is a function of the request and requests do not
        hold nominees; and turns are taken in proportion instead of drawn.

        .. [Hoffman2011] M. Hoffman, E. Brochu, N. de Freitas. Portfolio allocation for Bayesian
           optimization. UAI 2011.
        """
        criteria = [Criterion(self._mixture, kind) for kind in PORTFOLIO]
        means = np.mean(self._mixture.surrogate.tracked()[0][0], axis=1)
        gains = np.array([-means[int(np.argmax(each.tracked))] for each in criteria])
        shares = np.cumsum(np.exp(HEDGE_RATE * (gains - gains.max())))
        turn = (index * _GOLDEN + 0.5) % 1.0
        return criteria[int(np.searchsorted(shares / shares[-1], turn, side="right"))]

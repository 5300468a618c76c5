"""Training of an LSTM on the architectures of finished trials, by policy gradient.

.. [Williams1992] R. J. Williams. Simple statistical gradient-following algorithms for
   connectionist reinforcement learning. Machine Learning 8, 1992. REINFORCE.
.. [Kingma2015] D. P. Kingma, J. Ba. Adam: a method for stochastic optimization. ICLR 2015.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.nas.goal import Measured
from suggestion.algorithms.nas.lstm import Network, Shape
from suggestion.numerics.normal import quantile
from suggestion.problem.deadline import NEVER
from suggestion.problem.parameters import Array

#: Groups of trials that are trained on one after another, and youngest trials that count.
GROUPS: Final = 50
LEARNED: Final = 200
#: Microseconds that a training may take, on one core that does nothing else.
_LONGEST: Final = 30e6
_FIRST, _SECOND, _SMALL = 0.9, 0.999, 1e-8  # Adam's

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Training:
    """How the LSTM is trained.

    Attributes:
        steps: Gradient steps for each group of trials.
        rate: Learning rate of Adam.
        baseline_decay: Share of the baseline that remains after a step.
        log_every: Steps between two lines of the log.
    """

    steps: int = 50
    rate: float = 5e-5
    baseline_decay: float = 0.999
    log_every: int = 10


def rewards_of(losses: Array) -> Array:
    """Return standardised rewards: normal scores of the ranks of `losses`, shape (n,).

    The least loss has the largest reward; equal ones have the same; their mean is 0. A loss that
    is far off counts no more than the worst one has to, and no scale of losses matters.
    """
    ordered = np.sort(losses)
    below = np.searchsorted(ordered, losses, "left")
    upto = np.searchsorted(ordered, losses, "right")
    scores = quantile((below + upto) / (2 * len(losses)))
    return np.asarray(scores.mean() - scores)


@dataclass(slots=True)
class _Adam:
    """Ascent by [Kingma2015]_, algorithm 1."""

    mean: Array
    square: Array
    steps: int = 0

    def climb(self, weights: Array, slope: Array, rate: float) -> None:
        """Change `weights`, and `slope`, which is of no use afterwards."""
        self.steps += 1
        self.mean *= _FIRST
        self.mean += (1 - _FIRST) * slope
        np.square(slope, out=slope)
        slope *= 1 - _SECOND
        self.square *= _SECOND
        self.square += slope
        np.sqrt(self.square, out=slope)
        slope /= (1 - _SECOND**self.steps) ** 0.5
        slope += _SMALL
        np.divide(self.mean, slope, out=slope)
        slope *= rate / (1 - _FIRST**self.steps)
        weights += slope


def most_steps(shape: Shape, hidden: int) -> int:
    """Return the largest `Training.steps` with which a training ends in time, whatever the trials.

    Args:
        shape: What is written.
        hidden: Units of the LSTM.
    """
    # Microseconds of a step, measured.
    layer = 50 + hidden**2 / 40 + hidden * shape.choices / 1000
    weights = 10 * hidden**2 + 2 * hidden * shape.choices
    return int(_LONGEST / (GROUPS * (shape.layers * layer + weights / 200)))


def train(
    network: Network,
    training: Training,
    decisions: NDArray[np.int64],
    rewards: Array,
    name: str = "",
    check: Callable[[], None] = NEVER.check,
) -> None:
    """Train `network` on architectures in the order of their trials [Williams1992]_.

    Each trial gives `Training.steps` gradient steps on its architecture's log-probability times
    its advantage: its reward minus the baseline, a moving average of the rewards of the steps so
    far. Where there are more than `GROUPS` trials, neighbours share their steps, as those that
    run at the same time do on the usual servers.

    Args:
        network: Its weights change.
        training: How it is trained.
        decisions: At most `LEARNED` architectures, shape (n, D), see `Shape.decisions`.
        rewards: Of the architectures, with mean 0; shape (n,).
        name: Of the experiment, for the log.
        check: Called before each gradient step; what it raises ends the training.
    """
    weights = network.weights.flat
    adam = _Adam(np.zeros_like(weights), np.zeros_like(weights))
    baseline = 0.0
    groups = np.array_split(np.arange(len(rewards)), min(len(rewards), GROUPS))
    for place, group in enumerate(groups, 1):
        choices, reads = network.shape.split(decisions[group])
        for step in range(1, training.steps + 1):
            check()
            advantages = rewards[group] - baseline
            measured, slopes = network.gradient(choices, reads, advantages)
            adam.climb(weights, slopes.flat, training.rate)
            # Steps for older trials were logged when those were the newest ones.
            if place == len(groups) and step % training.log_every == 0:
                _log(name, f"{step} of {training.steps}", measured, baseline)
            remaining = training.baseline_decay
            baseline = remaining * baseline + (1 - remaining) * float(rewards[group].mean())


def _log(name: str, step: str, measured: Measured, baseline: float) -> None:
    _LOGGER.info(
        "experiment %r: controller step %s: loss %.6g, baseline %.6g, entropy %.6g, skip "
        "penalty %.6g",
        name,
        step,
        -measured.value,
        baseline,
        measured.entropy,
        measured.penalty,
    )

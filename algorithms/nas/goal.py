"""What a controller is trained for, and how its logits become probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from suggestion.problem.parameters import Array

#: A target of 1 counts as slightly less: the divergence from it would be infinite.
_CERTAIN: Final = 1 - 1e-6
#: Beyond these, derivatives overflow and decisions are certain anyhow.
_COLDEST: Final = 1e-60
_MOST_LOGIT: Final = 1e9


class Measured(NamedTuple):
    """What an architecture gets, means over a batch.

    Attributes:
        value: What is maximised: advantage times log-probability, plus the weighted entropy, minus
            the weighted penalty.
        entropy: Of its decisions, summed, in nats.
        penalty: Kullback-Leibler divergence of the skip connections from their target, in nats:
            summed over those of a layer, the mean over layers.
    """

    value: float
    entropy: float
    penalty: float


@dataclass(frozen=True, slots=True)
class Goal:
    """What the LSTM is trained for, and how it turns what it computes into probabilities.

    Attributes:
        hidden: H, units of the LSTM.
        temperature: Divides logits; None for 1.
        tanh_const: c in c tanh(logit), which then bounds logits; None for none.
        entropy_weight: Of the entropy of the decisions; None for 0.
        skip_target: Probability of a skip connection that the penalty draws to.
        skip_weight: Of the penalty; None for 0.
    """

    hidden: int = 64
    temperature: float | None = 5.0
    tanh_const: float | None = 2.25
    entropy_weight: float | None = 1e-5
    skip_target: float = 0.4
    skip_weight: float | None = 0.8

    @property
    def scale(self) -> float:
        """The factor that a temperature is."""
        return 1.0 if self.temperature is None else 1 / max(self.temperature, _COLDEST)

    def skips(self, logits: Array, reads: Array, each: Array) -> tuple[Measured, Array]:
        """Return what skip connections get, and its derivative by their logits.

        A skip connection has the logits x and -x, as in [Pham2018]_: its log-odds are 2 x.

        Args:
            logits: As `squash` returns them, shape (n, L, L).
            reads: 1 for each skip connection that there is, else 0; likewise.
            each: Advantage of each architecture over n, shape (n, 1, 1).
        """
        count, layers = reads.shape[:2]
        exists = np.tri(layers, k=-1)
        yes, no = _log_sigmoid(2 * logits), _log_sigmoid(-2 * logits)
        likely = np.exp(yes)
        value = float((each * exists * np.where(reads > 0, yes, no)).sum())
        entropies = -(likely * yes + (1 - likely) * no)
        entropy = float((entropies * exists).sum()) / count
        target = min(self.skip_target, _CERTAIN)
        far = yes - np.log(target), no - np.log1p(-target)
        apart = float(((likely * far[0] + (1 - likely) * far[1]) * exists).sum())
        penalty = apart / (count * (layers - 1))
        # d likely / d x = 2 likely (1 - likely); entropy and divergence have the slopes no - yes
        # and far[0] - far[1] by it.
        by_likely = (self.entropy_weight or 0) / count * (no - yes)
        by_likely -= (self.skip_weight or 0) / (count * (layers - 1)) * (far[0] - far[1])
        slope = 2 * each * (reads - likely) + by_likely * 2 * likely * (1 - likely)
        return Measured(value, entropy, penalty), slope * exists

    def squash(self, logits: Array) -> Array:
        """Return `logits` after temperature and tanh; any shape."""
        logits = np.clip(logits * self.scale, -_MOST_LOGIT, _MOST_LOGIT)
        tanh_const = self.tanh_const
        return logits if tanh_const is None else tanh_const * np.tanh(logits)

    def slope(self, squashed: Array) -> Array | float:
        """Return the derivative of `squash`, by what it returns."""
        scale, tanh_const = self.scale, self.tanh_const
        return scale if tanh_const is None else scale * (tanh_const - squashed**2 / tanh_const)


def log_softmax(logits: Array) -> Array:
    """Return the logarithms of probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def _log_sigmoid(logits: Array) -> Array:
    result: Array = np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits)))
    return result


def sigmoid(logits: Array) -> Array:
    """Return the logistic function of `logits`."""
    return 0.5 + 0.5 * np.tanh(0.5 * logits)

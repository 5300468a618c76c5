"""A policy gradient with an LSTM controller on NAS-Bench-201: many runs of it at once.

The controller writes a network edge by edge, each operation given those before it; REINFORCE with
a running baseline moves its weights after each training, by Adam.

.. [Zoph2017] B. Zoph, Q. V. Le. Neural architecture search with reinforcement learning. ICLR 2017.
   Its equation 2 is the gradient, for batches of one network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HIDDEN: Final = 24
_SPREAD: Final = 0.1  # of the first weights
_BASELINE: Final = 0.9
_FIRST, _SECOND = 0.9, 0.999  # moments of Adam


class _Step(NamedTuple):
    """What one edge leaves for its gradient; each array has a row for each run."""

    inputs: Floats
    gates: tuple[Floats, Floats, Floats, Floats]  # input, forget, output, update
    before: Floats  # the cell
    squashed: Floats  # tanh of the cell after it
    hidden: Floats
    chances: Floats
    chosen: Ints
    previous: Ints


class Controllers:
    """The controllers of `runs` runs, each with weights of its own.

    Args:
        edges: Of a network.
        operations: That an edge may have.
    """

    def __init__(self, runs: int, edges: int, operations: int, rng: np.random.Generator) -> None:
        def weights(*shape: int) -> Floats:
            return rng.uniform(-_SPREAD, _SPREAD, (runs, *shape))

        self._edges, self._operations, self._rng = edges, operations, rng
        self._rows = np.arange(runs)
        self._embedding = weights(operations + 1, _HIDDEN)
        self._gates = weights(2 * _HIDDEN, 4 * _HIDDEN)
        self._bias = np.zeros((runs, 4 * _HIDDEN))
        self._output = weights(edges, _HIDDEN, operations)
        self._weights = (self._embedding, self._gates, self._bias, self._output)
        self._moments = [(np.zeros_like(each), np.zeros_like(each)) for each in self._weights]
        self._updates = 0

    def sample(self) -> Sequence[_Step]:
        """Return a network of each run, edge by edge."""
        hidden = cell = np.zeros((len(self._rows), _HIDDEN))
        chosen = np.full(len(self._rows), self._operations)
        steps = []
        for edge in range(self._edges):
            previous = chosen
            inputs = np.concatenate([self._embedding[self._rows, previous], hidden], axis=1)
            sums = _times(inputs, self._gates) + self._bias
            entry, forget, output, update = np.split(sums, 4, axis=1)
            gates = _sigmoid(entry), _sigmoid(forget + 1), _sigmoid(output), np.tanh(update)
            before, cell = cell, gates[1] * cell + gates[0] * gates[3]
            squashed = np.tanh(cell)
            hidden = gates[2] * squashed
            logits = _times(hidden, self._output[:, edge])
            chances = np.exp(logits - logits.max(axis=1, keepdims=True))
            chances /= chances.sum(axis=1, keepdims=True)
            drawn = (chances.cumsum(axis=1) < self._rng.random((len(self._rows), 1))).sum(axis=1)
            chosen = np.minimum(drawn, self._operations - 1)
            steps.append(_Step(inputs, gates, before, squashed, hidden, chances, chosen, previous))
        return steps

    def learn(self, steps: Sequence[_Step], advantages: Floats, rate: float) -> None:
        """Make each run's network likelier by how much better than its baseline it was."""
        slopes = [np.zeros_like(each) for each in self._weights]
        to_hidden = to_cell = np.zeros((len(self._rows), _HIDDEN))
        for edge, step in reversed(list(enumerate(steps))):
            to_logits = -step.chances * advantages[:, None]
            to_logits[self._rows, step.chosen] += advantages
            slopes[3][:, edge] += step.hidden[:, :, None] * to_logits[:, None, :]
            to_hidden = to_hidden + _back(to_logits, self._output[:, edge])
            entry, forget, output, update = step.gates
            to_cell = to_cell + to_hidden * output * (1 - step.squashed**2)
            to_sums = np.concatenate(
                [
                    to_cell * update * entry * (1 - entry),
                    to_cell * step.before * forget * (1 - forget),
                    to_hidden * step.squashed * output * (1 - output),
                    to_cell * entry * (1 - update**2),
                ],
                axis=1,
            )
            slopes[1] += step.inputs[:, :, None] * to_sums[:, None, :]
            slopes[2] += to_sums
            to_inputs = _back(to_sums, self._gates)
            np.add.at(slopes[0], (self._rows, step.previous), to_inputs[:, :_HIDDEN])
            to_hidden, to_cell = to_inputs[:, _HIDDEN:], to_cell * forget
        self._climb(slopes, rate)

    def _climb(self, slopes: Sequence[Floats], rate: float) -> None:
        self._updates += 1
        for place, slope in enumerate(slopes):
            mean, square = self._moments[place]
            mean[...] += (1 - _FIRST) * (slope - mean)
            square[...] += (1 - _SECOND) * (slope**2 - square)
            unbiased = mean / (1 - _FIRST**self._updates)
            spread = np.sqrt(square / (1 - _SECOND**self._updates)) + 1e-8
            self._weights[place][...] += rate * unbiased / spread


def best(
    train: Callable[[Ints], float],
    runs: int,
    trials: int,
    rate: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> list[Ints]:
    """Return the network of each run that looked best.

    Args:
        train: Returns the accuracy of a training of a network, in per cent.
        rate: Learning rate of Adam.
        shape: Edges of a network, and operations of an edge.
    """
    controllers = Controllers(runs, *shape, rng)
    found: list[tuple[float, Ints]] = [(-np.inf, np.empty(0, int))] * runs
    baseline: Floats | None = None
    for _ in range(trials):
        steps = controllers.sample()
        networks = np.stack([step.chosen for step in steps], axis=1)
        accuracies = np.array([train(network) for network in networks])
        for run, pair in enumerate(zip(accuracies, networks, strict=True)):
            found[run] = max(found[run], pair, key=lambda each: each[0])
        if baseline is None:
            baseline = accuracies
        else:
            baseline = _BASELINE * baseline + (1 - _BASELINE) * accuracies
        controllers.learn(steps, (accuracies - baseline) / 100, rate)
    return [network for _, network in found]


def _sigmoid(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-values))


def _times(rows: Floats, matrices: Floats) -> Floats:
    """Return each row times its matrix."""
    product: Floats = np.matmul(rows[:, None], matrices)[:, 0]
    return product


def _back(rows: Floats, matrices: Floats) -> Floats:
    """Return each row times its matrix, transposed."""
    product: Floats = np.matmul(matrices, rows[:, :, None])[:, :, 0]
    return product

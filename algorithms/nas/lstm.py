"""An LSTM that writes architectures layer by layer, and the gradient of what it is trained for.

For each layer one step of the LSTM, then one choice of an operation, then one decision for each
skip connection into the layer: whether it reads an earlier output, by attention of the layer to it.

.. [Zoph2017] B. Zoph, Q. V. Le. Neural architecture search with reinforcement learning. ICLR 2017.
.. [Pham2018] H. Pham, M. Y. Guan, B. Zoph, Q. V. Le, J. Dean. Efficient neural architecture
   search via parameter sharing. ICML 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suggestion.algorithms.nas.goal import Goal, Measured, log_softmax, sigmoid
from suggestion.problem.parameters import Array

#: Initial weights are uniform between -INITIAL and INITIAL, as in [Pham2018]_.
INITIAL: Final = 0.1


@dataclass(frozen=True, slots=True)
class Shape:
    """What is written.

    Attributes:
        layers: L, of an architecture.
        choices: C, that a layer has.
        skips: Whether a layer can read outputs of layers before the one below it.
    """

    layers: int
    choices: int
    skips: bool = True

    @property
    def decisions(self) -> int:
        """How many make an architecture: the choice of layer 1, that of layer 2, whether layer 2
        reads the input, the choice of layer 3, and so on.
        """
        return self.layers * (self.layers + 1) // 2 if self.skips else self.layers

    def split(self, decisions: NDArray[np.int64]) -> tuple[NDArray[np.intp], Array]:
        """Return what `decisions`, shape (n, D), say.

        Returns:
            Choices, shape (n, L); and shape (n, L, L): [:, l, k] is 1 where layer l + 1 reads the
            output of layer k, the input being that of layer 0, else 0.
        """
        count = len(decisions)
        reads = np.zeros((count, self.layers, self.layers))
        if not self.skips:
            return decisions.astype(np.intp), reads
        choices = np.empty((count, self.layers), np.intp)
        for layer in range(self.layers):
            start = layer * (layer + 1) // 2
            choices[:, layer] = decisions[:, start]
            reads[:, layer, :layer] = decisions[:, start + 1 : start + 1 + layer]
        return choices, reads


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights as one vector, and parts of it under their names.

    Attributes:
        embedding: Of each choice, shape (C, H).
        start: Output of layer 0, the input, and what the LSTM reads first; shape (1, H).
        gates: Shape (2H, 4H), from what is read and the last output to input, forget and output
            gate and update; `bias` has shape (4H,).
        output: From the LSTM's output to the logits of choices, shape (H, C).
        attention: Between a layer and an earlier one, shape (H, H); `skip` is added, shape (1,).
    """

    flat: Array
    embedding: Array
    start: Array
    gates: Array
    bias: Array
    output: Array
    attention: Array
    skip: Array

    @classmethod
    def zeros(cls, shape: Shape, hidden: int) -> Weights:
        """Return weights that are all 0."""
        sizes = (
            (shape.choices, hidden),
            (1, hidden),
            (2 * hidden, 4 * hidden),
            (4 * hidden,),
            (hidden, shape.choices),
            (hidden, hidden),
            (1,),
        )
        ends = np.cumsum([int(np.prod(size)) for size in sizes]).tolist()
        flat = np.zeros(ends[-1])
        parts = np.split(flat, ends[:-1])
        return cls(flat, *(part.reshape(size) for part, size in zip(parts, sizes, strict=True)))


@dataclass(slots=True)
class _Trace:
    """What the LSTM computes for a batch of n architectures, and its gradient needs.

    Attributes:
        anchors: Outputs of layers 0 to L, shape (n, L + 1, H).
        read: What the LSTM reads at each layer and its output before it, shape (n, L, 2H).
        gates: Shape (n, L, 4H).
        cells: Before each layer, and after it; shape (n, L + 1, H).
        squashed: tanh of the cells after each layer, shape (n, L, H).
        shares: Of each earlier output in what the layer above reads, shape (n, L, L).
    """

    anchors: Array
    read: Array
    gates: Array
    cells: Array
    squashed: Array
    shares: Array

    @classmethod
    def empty(cls, count: int, layers: int, hidden: int) -> _Trace:
        return cls(
            np.zeros((count, layers + 1, hidden)),
            np.zeros((count, layers, 2 * hidden)),
            np.empty((count, layers, 4 * hidden)),
            np.zeros((count, layers + 1, hidden)),
            np.empty((count, layers, hidden)),
            np.zeros((count, layers, layers)),
        )


@dataclass(frozen=True, slots=True)
class Network:
    """The LSTM with its weights.

    Unlike [Zoph2017]_ and [Pham2018]_, there is one step for each layer and not one for each
    decision, and the attention is bilinear: a[k] W (h[l] + e[l]) + b for the output a[k] of layer
    k, the output h[l] of the LSTM and the embedding e[l] of the choice.
    """

    shape: Shape
    goal: Goal
    weights: Weights = field(repr=False)

    @classmethod
    def initial(cls, shape: Shape, goal: Goal, rng: np.random.Generator) -> Network:
        """Return one with random weights."""
        weights = Weights.zeros(shape, goal.hidden)
        weights.flat[:] = rng.uniform(-INITIAL, INITIAL, len(weights.flat))
        weights.bias[:] = weights.skip[:] = 0
        return cls(shape, goal, weights)

    def sample(self, uniform: Array) -> NDArray[np.int64]:
        """Return architectures, decision by decision.

        Args:
            uniform: Random numbers from [0, 1), shape (n, D), one for each decision.

        Returns:
            Shape (n, D); each is the number of a choice, or 1 for a skip connection.
        """
        shape, weights = self.shape, self.weights
        found = np.empty(uniform.shape, np.int64)
        trace = _Trace.empty(len(uniform), shape.layers, self.goal.hidden)
        trace.anchors[:, 0] = trace.read[:, 0, : self.goal.hidden] = weights.start
        at = 0
        for layer in range(shape.layers):
            self._step(trace, layer)
            hidden = trace.anchors[:, layer + 1]
            chances = np.exp(log_softmax(self.goal.squash(hidden @ weights.output)))
            below = (chances.cumsum(axis=1) <= uniform[:, at, None]).sum(axis=1)
            choices = np.minimum(below, shape.choices - 1)
            found[:, at] = choices
            at += 1
            reads = np.zeros((len(uniform), 0))
            if shape.skips:
                query = (hidden + weights.embedding[choices]) @ weights.attention
                raw = np.matmul(trace.anchors[:, :layer], query[:, :, None])[:, :, 0]
                likely = sigmoid(2 * self.goal.squash(raw + weights.skip))
                reads = (uniform[:, at : at + layer] < likely).astype(float)
                found[:, at : at + layer] = reads
                at += layer
            self._feed(trace, layer, choices, reads)
        return found

    def gradient(
        self, choices: NDArray[np.intp], reads: Array, advantages: Array
    ) -> tuple[Measured, Weights]:
        """Return what a batch of architectures gets, and its derivative by the weights.

        Args:
            choices: Shape (n, L).
            reads: Shape (n, L, L), as `Shape.split` returns them.
            advantages: Of the architectures, shape (n,); constants.
        """
        shape, goal, weights = self.shape, self.goal, self.weights
        count, layers, hidden = len(choices), shape.layers, goal.hidden
        trace = _Trace.empty(count, layers, hidden)
        trace.anchors[:, 0] = trace.read[:, 0, :hidden] = weights.start
        for layer in range(layers):
            self._step(trace, layer)
            self._feed(trace, layer, choices[:, layer], reads[:, layer, :layer])
        hiddens = trace.anchors[:, 1:]
        slopes = Weights.zeros(shape, hidden)
        each = advantages[:, None] / count

        logits = self.goal.squash(hiddens @ weights.output)
        logs = log_softmax(logits)
        chances = np.exp(logs)
        entropies = -(chances * logs).sum(axis=2)
        rows = np.arange(count)[:, None], np.arange(layers)[None], choices
        value = float((each * logs[rows]).sum())
        entropy = float(entropies.sum()) / count
        weight = (goal.entropy_weight or 0) / count
        to_logits = -chances * (each[:, :, None] + weight * (logs + entropies[:, :, None]))
        to_logits[rows] += each
        to_logits *= goal.slope(logits)
        slopes.output[:] = np.tensordot(hiddens, to_logits, ((0, 1), (0, 1)))
        to_anchors = np.zeros_like(trace.anchors)
        to_anchors[:, 1:] = to_logits @ weights.output.T

        penalty = 0.0
        if shape.skips and layers > 1:
            embedded = hiddens + weights.embedding[choices]
            queries = embedded @ weights.attention
            raw = queries @ trace.anchors[:, :layers].transpose(0, 2, 1)
            logits = self.goal.squash(raw + weights.skip)
            gained, to_raw = goal.skips(logits, reads, each[:, :, None])
            value += gained.value
            entropy += gained.entropy
            penalty = gained.penalty
            to_raw *= goal.slope(logits)
            slopes.skip[:] = to_raw.sum()
            to_queries = to_raw @ trace.anchors[:, :layers]
            to_anchors[:, :layers] += to_raw.transpose(0, 2, 1) @ queries
            slopes.attention[:] = np.tensordot(embedded, to_queries, ((0, 1), (0, 1)))
            to_embedded = to_queries @ weights.attention.T
            to_anchors[:, 1:] += to_embedded
            np.add.at(slopes.embedding, choices, to_embedded)
        self._back(trace, choices, to_anchors, slopes)
        value += (goal.entropy_weight or 0) * entropy - (goal.skip_weight or 0) * penalty
        return Measured(value, entropy, penalty), slopes

    def _step(self, trace: _Trace, layer: int) -> None:
        """Compute the output of the LSTM at a layer from what it reads."""
        size = self.goal.hidden
        gates = trace.read[:, layer] @ self.weights.gates
        gates += self.weights.bias
        # A sigmoid is a tanh of half the argument.
        gates[:, : 3 * size] *= 0.5
        np.tanh(gates, out=gates)
        gates[:, : 3 * size] *= 0.5
        gates[:, : 3 * size] += 0.5
        trace.gates[:, layer] = gates
        entry, forget = gates[:, :size], gates[:, size : 2 * size]
        cells = forget * trace.cells[:, layer] + entry * gates[:, 3 * size :]
        trace.cells[:, layer + 1] = cells
        trace.squashed[:, layer] = np.tanh(cells)
        trace.anchors[:, layer + 1] = gates[:, 2 * size : 3 * size] * trace.squashed[:, layer]

    def _feed(self, trace: _Trace, layer: int, choices: NDArray[np.intp], reads: Array) -> None:
        """Let the LSTM read what was decided about a layer: its choice and the mean of outputs."""
        if layer + 1 == self.shape.layers:
            return
        size = self.goal.hidden
        trace.read[:, layer + 1, size:] = trace.anchors[:, layer + 1]
        trace.read[:, layer + 1, :size] = self.weights.embedding[choices]
        if self.shape.skips and layer:
            shares = reads / (1 + reads.sum(axis=1, keepdims=True))
            trace.shares[:, layer, :layer] = shares
            mean = np.matmul(shares[:, None], trace.anchors[:, :layer])[:, 0]
            trace.read[:, layer + 1, :size] += mean

    def _back(
        self, trace: _Trace, choices: NDArray[np.intp], to_anchors: Array, slopes: Weights
    ) -> None:
        """Take derivatives by the outputs of layers back through the LSTM, into `slopes`."""
        size = self.goal.hidden
        to_sums = np.empty_like(trace.gates)
        to_read = np.empty_like(trace.read)
        to_cell = np.zeros_like(trace.cells[:, 0])
        gates = trace.gates.reshape(*trace.gates.shape[:2], 4, size)
        # Derivatives of the gates by their sums.
        slope = gates * (1 - gates)
        slope[:, :, 3] = 1 - gates[:, :, 3] ** 2
        through = gates[:, :, 2] * (1 - trace.squashed**2)
        for layer in range(self.shape.layers - 1, -1, -1):
            to_hidden = to_anchors[:, layer + 1]
            to_cell += to_hidden * through[:, layer]
            sums = to_sums[:, layer].reshape(-1, 4, size)
            sums[:, 0] = to_cell * gates[:, layer, 3]
            sums[:, 1] = to_cell * trace.cells[:, layer]
            sums[:, 2] = to_hidden * trace.squashed[:, layer]
            sums[:, 3] = to_cell * gates[:, layer, 0]
            sums *= slope[:, layer]
            to_sums[:, layer] = sums.reshape(-1, 4 * size)
            to_cell *= gates[:, layer, 1]
            read = to_sums[:, layer] @ self.weights.gates.T
            to_read[:, layer] = read
            if layer:
                to_anchors[:, layer] += read[:, size:]
                if self.shape.skips and layer > 1:
                    shares = trace.shares[:, layer - 1, : layer - 1, None]
                    to_anchors[:, : layer - 1] += shares * read[:, None, :size]
        slopes.gates[:] = np.tensordot(trace.read, to_sums, ((0, 1), (0, 1)))
        slopes.bias[:] = to_sums.sum(axis=(0, 1))
        np.add.at(slopes.embedding, choices[:, :-1], to_read[:, 1:, :size])
        slopes.start[:] = to_read[:, 0, :size].sum(axis=0) + to_anchors[:, 0].sum(axis=0)

"""A chain of layers that are searched by gradients on scikit-learn's digits: for nas-darts.yaml.

Each layer is the sum of all operations, weighted by a softmax (DARTS; Liu, Simonyan and Yang,
2019, first order). Weights learn on one half of the training images, the softmaxes on the other. It
prints ``epoch=3 loss=0.21 accuracy=0.94`` after each epoch, and in the end each layer's operation.
A layer has one image as its input and output, so ``init_channels``, ``num_nodes`` and
``stem_multiplier`` say nothing here, nor does ``num_workers``: no process loads data.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from train import digits
from train_architecture import document, softmax

Array = np.ndarray
#: What an operation returns: its output, and a function from the gradient of that to that of its
#: input.
Result = tuple[Array, Callable[[Array], Array]]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithm-settings", type=document, required=True)
    parser.add_argument("--search-space", type=document, required=True)
    parser.add_argument("--num-layers", type=lambda text: int(text.strip('"')), required=True)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def patches(images: Array, size: int) -> Array:
    """The surroundings of each pixel, shape (images, 8, 8, size * size)."""
    before = (size - 1) // 2
    padded = np.pad(images, ((0, 0), (before, size - 1 - before), (before, size - 1 - before)))
    height, width = images.shape[1:]
    shifts = [padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]
    return np.stack(shifts, axis=-1)


def gathered(gradient: Array, size: int) -> Array:
    """The gradient of images, from that of their patches."""
    before = (size - 1) // 2
    count, height, width = gradient.shape[:3]
    padded = np.zeros((count, height + size - 1, width + size - 1))
    for place in range(size * size):
        i, j = divmod(place, size)
        padded[:, i : i + height, j : j + width] += gradient[..., place]
    return padded[:, before : before + height, before : before + width]


class Operation:
    """One operation of a layer, by its name: ``max_pooling_3x3``."""

    def __init__(self, name: str, random: np.random.Generator) -> None:
        self.kind, _, size = name.rpartition("_")
        if name == "skip_connection":
            self.kind, size = name, "1x1"
        if self.kind not in ("convolution", "max_pooling", "average_pooling", "skip_connection"):
            raise SystemExit(
                f"operation {name!r}: must be a convolution, pooling or skip_connection"
            )
        self.size = int(size.partition("x")[0])
        self.weights = random.normal(size=self.size**2) / self.size
        self.gradient = np.zeros_like(self.weights)

    def forward(self, images: Array) -> Result:
        """Its output; going backward, the gradient of its weights is left in `gradient`."""
        if self.kind == "skip_connection":
            return images, lambda gradient: gradient
        around = patches(images, self.size)
        if self.kind == "average_pooling":
            share = np.full(self.size**2, 1 / self.size**2)
            return around @ share, lambda g: gathered(g[..., None] * share, self.size)
        if self.kind == "max_pooling":
            chosen = np.eye(self.size**2)[around.argmax(axis=-1)]
            return around.max(axis=-1), lambda g: gathered(g[..., None] * chosen, self.size)
        output = np.tanh(around @ self.weights)

        def backward(gradient: Array) -> Array:
            inner = gradient * (1 - output**2)
            self.gradient = np.tensordot(inner, around, axes=3)
            return gathered(inner[..., None] * self.weights, self.size)

        return output, backward


class Network:
    """Layers of all operations, and a softmax on top.

    Args:
        operations: Names, the same for each layer.
        layers: Their number.
    """

    def __init__(self, operations: list[str], layers: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.layers = [[Operation(name, random) for name in operations] for _ in range(layers)]
        self.alphas = random.normal(size=(layers, len(operations))) * 1e-3
        self.alpha_gradients = np.zeros_like(self.alphas)
        self.top = random.normal(size=(65, 10)) * 0.1
        self.top_gradient = np.zeros_like(self.top)

    def loss(self, images: Array, labels: Array) -> float:
        """The loss of a batch; leaves the gradients of weights and of alphas."""
        logits, inputs, backward = self._forward(images)
        chances = softmax(logits)
        rows = np.arange(len(labels))
        loss = -np.log(chances[rows, labels] + 1e-12).mean()
        chances[rows, labels] -= 1
        gradient = chances / len(labels)
        self.top_gradient = inputs.T @ gradient
        passed = (gradient @ self.top[:-1].T).reshape(-1, 8, 8)
        for back in reversed(backward):
            passed = back(passed)
        return float(loss)

    def predict(self, images: Array) -> Array:
        """The most probable label of each image."""
        return self._forward(images)[0].argmax(axis=1)

    def _forward(self, images: Array) -> tuple[Array, Array, list[Callable[[Array], Array]]]:
        signal, backward = images.reshape(-1, 8, 8), []
        for number in range(len(self.layers)):
            signal, back = self._layer(number, signal)
            backward.append(back)
        inputs = np.hstack([signal.reshape(-1, 64), np.ones((len(signal), 1))])
        return inputs @ self.top, inputs, backward

    def _layer(self, number: int, signal: Array) -> Result:
        shares = softmax(self.alphas[number : number + 1])[0]
        results = [operation.forward(signal) for operation in self.layers[number]]
        output = np.add.reduce([s * out for s, (out, _) in zip(shares, results, strict=True)])

        def backward(gradient: Array) -> Array:
            of_shares = np.array([(gradient * out).sum() for out, _ in results])
            self.alpha_gradients[number] = shares * (of_shares - shares @ of_shares)
            pairs = zip(shares, results, strict=True)
            return np.add.reduce([back(gradient * share) for share, (_, back) in pairs])

        return output, backward


class Momentum:
    """Stochastic gradient descent with momentum, weight decay and clipped gradients."""

    def __init__(self, network: Network, settings: dict[str, Any]) -> None:
        self.network, self.settings = network, settings
        self.speeds: dict[int, Array] = {}

    def step(self, rate: float) -> None:
        """Change the weights by their gradients."""
        network, settings = self.network, self.settings
        operations = [o for layer in network.layers for o in layer if o.kind == "convolution"]
        pairs = [(network.top, network.top_gradient)]
        pairs += [(operation.weights, operation.gradient) for operation in operations]
        norm = math.sqrt(sum((gradient**2).sum() for _, gradient in pairs))
        scale = min(1.0, settings["w_grad_clip"] / (norm + 1e-12))
        for place, (weights, gradient) in enumerate(pairs):
            change = gradient * scale + settings["w_weight_decay"] * weights
            speed = settings["w_momentum"] * self.speeds.get(place, 0.0) + change
            self.speeds[place] = speed
            np.subtract(weights, rate * speed, out=weights)


def main() -> None:
    """Search, and print what a metrics collector reads."""
    options = arguments()
    settings = options.algorithm_settings
    images, labels, others, truth = digits()
    network = Network(options.search_space, options.num_layers, options.seed)
    momentum = Momentum(network, settings)
    random = np.random.default_rng(options.seed)
    half = len(images) // 2
    epochs = settings["num_epochs"]
    size = settings["batch_size"] or half
    for epoch in range(1, epochs + 1):
        low, high = settings["w_lr_min"], settings["w_lr"]
        rate = low + (high - low) * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        rows, others_rows = random.permutation(half), half + random.permutation(half)
        losses = []
        for step, first in enumerate(range(0, half, size), 1):
            batch = others_rows[first : first + size]
            network.loss(images[batch], labels[batch])
            change = network.alpha_gradients + settings["alpha_weight_decay"] * network.alphas
            network.alphas -= settings["alpha_lr"] * change
            batch = rows[first : first + size]
            losses.append(network.loss(images[batch], labels[batch]))
            momentum.step(rate)
            if step % settings["print_step"] == 0:
                print(f"epoch {epoch}, batch {step}: {losses[-1]:.4f}", flush=True)
        accuracy = (network.predict(others) == truth).mean()
        print(f"epoch={epoch} loss={np.mean(losses):.4f} accuracy={accuracy:.4f}", flush=True)
    chosen = [options.search_space[place] for place in network.alphas.argmax(axis=1)]
    print(f"the operations of the layers: {', '.join(chosen)}")


if __name__ == "__main__":
    main()

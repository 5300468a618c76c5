"""A network of a given architecture on scikit-learn's digits: the trial's program of nas-enas.yaml.

It prints ``epoch=3 loss=0.21 accuracy=0.94`` after each epoch. A layer is dense, a normalization of
each example, or dropout; it reads the layer before it, and beside it those that it has a skip
connection from.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from train import digits

Array = np.ndarray
#: What a layer returns: its output, and a function from the gradient of that to that of its input.
Layer = tuple[Array, Callable[[Array], Array]]


def document(text: str) -> Any:
    """What servers write: JSON with ' in place of ", perhaps within quotation marks of a shell."""
    return json.loads(text.strip('"').replace("'", '"'))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", type=document, required=True)
    parser.add_argument("--nn_config", type=document, required=True)
    parser.add_argument("--lr", type=float, default=0.003)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


class Weights:
    """A matrix that learns by Adam (Kingma and Ba, 2015)."""

    def __init__(self, value: Array, rate: float) -> None:
        self.value, self.rate = value, rate
        self.mean = self.square = np.zeros_like(value)
        self.steps = 0

    def learn(self, gradient: Array) -> None:
        """Take a step against `gradient`."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.999 * self.square + 0.001 * gradient**2
        mean = self.mean / (1 - 0.9**self.steps)
        square = self.square / (1 - 0.999**self.steps)
        self.value = self.value - self.rate * mean / (np.sqrt(square) + 1e-8)


class Network:
    """The layers of an architecture, and a softmax on top."""

    def __init__(self, layers: list[list[int]], config: dict[str, Any], rate: float, seed: int):
        self.random = np.random.default_rng(seed)
        self.layers = [config["embedding"][str(layer[0])] for layer in layers]
        # Layer 0 is the input; every layer reads the one before it.
        self.sources = [
            [k for k, on in enumerate(layer[1:]) if on] + [number]
            for number, layer in enumerate(layers)
        ]
        sizes = list(config["input_sizes"])
        self.weights: list[Weights | None] = []
        for layer, sources in zip(self.layers, self.sources, strict=True):
            width = sum(sizes[source] for source in sources)
            units = width
            if layer["opt_type"] == "dense":
                units = int(layer["opt_params"]["units"])
                self.weights.append(self._weights(width, units, rate))
            else:
                self.weights.append(None)
            sizes.append(units)
        self.top = self._weights(sizes[-1], config["output_sizes"][0], rate)

    def _weights(self, width: int, units: int, rate: float) -> Weights:
        drawn = self.random.normal(size=(width + 1, units)) * np.sqrt(2 / width)
        return Weights(drawn, rate)

    def learn(self, images: Array, labels: Array) -> float:
        """Take a step for a batch, and return its loss."""
        outputs, backward = [images], []
        for number in range(len(self.layers)):
            read = np.hstack([outputs[source] for source in self.sources[number]])
            output, back = self._forward(number, read, training=True)
            outputs.append(output)
            backward.append(back)
        logits, back = linear(outputs[-1], self.top)
        chances = softmax(logits)
        rows = np.arange(len(labels))
        loss = -np.log(chances[rows, labels] + 1e-12).mean()
        chances[rows, labels] -= 1
        gradients = [np.zeros_like(output) for output in outputs]
        gradients[-1] += back(chances / len(labels))
        for number in range(len(self.layers) - 1, -1, -1):
            parts = backward[number](gradients[number + 1])
            for source in self.sources[number]:
                width = outputs[source].shape[1]
                gradients[source] += parts[:, :width]
                parts = parts[:, width:]
        return float(loss)

    def predict(self, images: Array) -> Array:
        """Return the most probable label of each image."""
        outputs = [images]
        for number, sources in enumerate(self.sources):
            read = np.hstack([outputs[source] for source in sources])
            outputs.append(self._forward(number, read, training=False)[0])
        return linear(outputs[-1], self.top)[0].argmax(axis=1)

    def _forward(self, number: int, read: Array, training: bool) -> Layer:
        kind, options = self.layers[number]["opt_type"], self.layers[number]["opt_params"]
        if kind == "dense":
            weights = self.weights[number]
            assert weights is not None
            output, back = linear(read, weights)
            if options["activation"] == "tanh":
                active = np.tanh(output)
                return active, lambda gradient: back(gradient * (1 - active**2))
            return np.maximum(output, 0), lambda gradient: back(gradient * (output > 0))
        if kind == "normalization":
            centred = read - read.mean(axis=1, keepdims=True)
            scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
            made = centred / scale

            def backward(gradient: Array) -> Array:
                along = made * (gradient * made).mean(axis=1, keepdims=True)
                return (gradient - gradient.mean(axis=1, keepdims=True) - along) / scale

            return made, backward
        if kind == "dropout":
            rate = float(options["rate"]) if training else 0.0
            kept = (self.random.random(read.shape) >= rate) / (1 - rate)
            return read * kept, lambda gradient: gradient * kept
        raise SystemExit(f"operation {kind!r}: must be dense, normalization or dropout")


def linear(read: Array, weights: Weights) -> Layer:
    """A linear layer with a bias; going backward, its weights learn."""
    inputs = np.hstack([read, np.ones((len(read), 1))])

    def backward(gradient: Array) -> Array:
        passed = gradient @ weights.value[:-1].T
        weights.learn(inputs.T @ gradient)
        return passed

    return inputs @ weights.value, backward


def softmax(logits: Array) -> Array:
    """Return the probabilities of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def main() -> None:
    """Train, and print what a metrics collector reads."""
    options = arguments()
    images, labels, others, truth = digits()
    network = Network(options.architecture, options.nn_config, options.lr, options.seed)
    for epoch in range(1, options.epochs + 1):
        order = network.random.permutation(len(images))
        batches = np.array_split(order, len(order) // options.batch)
        loss = np.mean([network.learn(images[rows], labels[rows]) for rows in batches])
        accuracy = (network.predict(others) == truth).mean()
        print(f"epoch={epoch} loss={loss:.4f} accuracy={accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()

"""A small network on scikit-learn's digits: the trial's program of the examples.

It prints ``epoch=3 loss=0.21 accuracy=0.94`` after each epoch; with --log it appends the same line
to a file, with --json a line of JSON, with --logdir TensorFlow events, with --push it reports to
the DBManager by itself. With --checkpoint it goes on from the folder's network, if there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np

Array = np.ndarray


def arguments() -> argparse.Namespace:
    """The command line; every hyperparameter has a default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--optimizer", choices=["sgd", "adam", "ftrl"], default="sgd")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds after each epoch")
    parser.add_argument("--weights", action="store_true", help="print their number first")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--logdir", type=Path)
    parser.add_argument("--push", action="store_true")
    parser.add_argument("--checkpoint", type=Path)
    return parser.parse_args()


def digits() -> tuple[Array, Array, Array, Array]:
    """Images and labels to train on, then those to judge by; always the same."""
    # What sklearn.datasets.load_digits() reads; importing that takes longer than the training.
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("this needs scikit-learn: pip install scikit-learn")
    file = Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    data = np.loadtxt(file, delimiter=",")
    data = data[np.random.default_rng(0).permutation(len(data))]
    images, labels = data[:, :64] / 16.0, data[:, 64].astype(int)
    return images[:1300], labels[:1300], images[1300:], labels[1300:]


class Network:
    """Layers of rectified units, and a softmax on top."""

    def __init__(self, sizes: list[int], rng: np.random.Generator) -> None:
        pairs = list(pairwise(sizes))
        self.weights = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairs]
        self.weights += [np.zeros((1, b)) for _, b in pairs]
        self.depth = len(pairs)

    def forward(self, x: Array, drop: Callable[[Array], Array]) -> list[Array]:
        """Outputs of every layer, the last being probabilities."""
        outputs = [x]
        for layer in range(self.depth):
            x = outputs[-1] @ self.weights[layer] + self.weights[self.depth + layer]
            if layer < self.depth - 1:
                outputs.append(drop(np.maximum(x, 0)))
        x = np.exp(np.clip(x - x.max(axis=1, keepdims=True), -50, 0))
        outputs.append(x / x.sum(axis=1, keepdims=True))
        return outputs

    def gradients(self, outputs: list[Array], labels: Array) -> list[Array]:
        """Of the mean cross-entropy, in the order of `weights`."""
        delta = outputs[-1].copy()
        delta[np.arange(len(labels)), labels] -= 1
        delta /= len(labels)
        found: list[Array] = [np.empty(0)] * len(self.weights)
        for layer in reversed(range(self.depth)):
            found[layer] = outputs[layer].T @ delta
            found[self.depth + layer] = delta.sum(axis=0, keepdims=True)
            if layer:
                delta = (delta @ self.weights[layer].T) * (outputs[layer] > 0)
        return found


def steps(name: str, lr: float, momentum: float) -> Callable[[int, Array, Array], Array]:
    """The optimiser: what to add to weight number `index`, given it and its gradient."""
    first: dict[int, Array] = {}
    second: dict[int, Array] = {}
    count: dict[int, int] = {}

    def sgd(index: int, weight: Array, gradient: Array) -> Array:
        first[index] = momentum * first.get(index, np.zeros_like(weight)) - lr * gradient
        return first[index]

    def adam(index: int, weight: Array, gradient: Array) -> Array:
        count[index] = count.get(index, 0) + 1
        first[index] = momentum * first.get(index, 0.0) + (1 - momentum) * gradient
        second[index] = 0.999 * second.get(index, 0.0) + 0.001 * gradient**2
        mean = first[index] / (1 - momentum ** count[index])
        spread = second[index] / (1 - 0.999 ** count[index])
        return -lr * mean / (np.sqrt(spread) + 1e-8)

    def ftrl(index: int, weight: Array, gradient: Array) -> Array:
        # Follow the regularised leader, without regularisation.
        before = second.get(index, np.full_like(weight, 0.1))
        second[index] = before + gradient**2
        sigma = (np.sqrt(second[index]) - np.sqrt(before)) / lr
        start = -weight * np.sqrt(before) / lr
        first[index] = first.get(index, start) + gradient - sigma * weight
        return -lr * first[index] / np.sqrt(second[index]) - weight

    return {"sgd": sgd, "adam": adam, "ftrl": ftrl}[name]


def train(args: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Loss and accuracy on the images to judge by, after each epoch."""
    images, labels, test_images, test_labels = digits()
    rng = np.random.default_rng(args.seed)
    network = Network([64, *[args.units] * args.layers, 10], rng)
    done = 0
    saved = args.checkpoint / "network.npz" if args.checkpoint else None
    if saved is not None and saved.exists():
        with np.load(saved) as state:
            network.weights = [state[f"w{index}"] for index in range(len(network.weights))]
            done = int(state["epoch"])
    step = steps(args.optimizer, args.lr, args.momentum)

    def drop(x: Array) -> Array:
        return x * (rng.random(x.shape) >= args.dropout) / (1 - args.dropout)

    for epoch in range(done + 1, done + max(round(args.epochs), 1) + 1):
        order = rng.permutation(len(labels))
        for begin in range(0, len(order), args.batch):
            batch = order[begin : begin + args.batch]
            outputs = network.forward(images[batch], drop)
            for index, gradient in enumerate(network.gradients(outputs, labels[batch])):
                network.weights[index] += step(index, network.weights[index], gradient)
        chance = network.forward(test_images, lambda x: x)[-1]
        right = chance[np.arange(len(test_labels)), test_labels]
        loss = float(-np.log(np.maximum(right, 1e-12)).mean())
        accuracy = float((chance.argmax(axis=1) == test_labels).mean())
        if saved is not None:
            saved.parent.mkdir(parents=True, exist_ok=True)
            kept = {f"w{index}": weight for index, weight in enumerate(network.weights)}
            np.savez(saved.with_suffix(".tmp.npz"), epoch=epoch, **kept)
            os.replace(saved.with_suffix(".tmp.npz"), saved)
        yield {"epoch": epoch, "loss": round(loss, 6), "accuracy": round(accuracy, 6)}


def events(folder: Path) -> Callable[[dict[str, float]], None]:
    """Writes TensorFlow events."""
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
    from tensorboard.summary.writer.event_file_writer import EventFileWriter  # noqa: PLC0415

    writer = EventFileWriter(str(folder))

    def write(entry: dict[str, float]) -> None:
        values = [Summary.Value(tag=tag, simple_value=entry[tag]) for tag in ("loss", "accuracy")]
        event = Event(step=int(entry["epoch"]), wall_time=time.time())
        event.summary.CopyFrom(Summary(value=values))
        writer.add_event(event)
        writer.flush()

    return write


def push(entry: dict[str, float]) -> None:
    """Reports to the DBManager, as trials with the Push collector do."""
    import grpc  # noqa: PLC0415

    from suggestion.api.v1beta1 import api_pb2, api_pb2_grpc  # noqa: PLC0415

    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    request = api_pb2.ReportObservationLogRequest(trial_name=os.environ["KATIB_TRIAL_NAME"])
    for name in ("loss", "accuracy"):
        request.observation_log.metric_logs.add(
            time_stamp=f"{now}.{int(entry['epoch']):06}Z",
            metric=api_pb2.Metric(name=name, value=str(entry[name])),
        )
    # `suggest run` names its own; this is Katib's.
    address = os.environ.get("SUGGEST_DB_MANAGER", "katib-db-manager.kubeflow:6789")
    with grpc.insecure_channel(address) as channel:
        api_pb2_grpc.DBManagerStub(channel).ReportObservationLog(request)


def main() -> None:
    """Trains, and reports after each epoch."""
    args = arguments()
    if args.weights:
        sizes = [64, *[args.units] * args.layers, 10]
        print(f"weights={sum((a + 1) * b for a, b in pairwise(sizes))}", flush=True)
    write_events = events(args.logdir) if args.logdir else None
    for entry in train(args):
        line = " ".join(f"{name}={value}" for name, value in entry.items())
        print(line, flush=True)
        if args.log:
            with args.log.open("a") as file:
                file.write(f"{line}\n")
        if args.json:
            with args.json.open("a") as file:
                # A cluster's collector takes values that are texts.
                texts = {name: str(value) for name, value in entry.items()}
                file.write(json.dumps({**texts, "timestamp": time.time()}) + "\n")
        if write_events:
            write_events(entry)
        if args.push:
            push(entry)
        time.sleep(args.pause)


if __name__ == "__main__":
    main()

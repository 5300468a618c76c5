"""Plays the controller: whole experiments against a server, with an objective of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import Transport
from tests.nas.support import network
from tests.support.cases import ARCHITECTURES, case_of
from tests.support.requests import categorical, double, integer

#: Far more than 1,000 points, on a lattice, so that every algorithm takes it.
SPACE = (
    double("x", "-5", "5", step="0.01"),
    double("momentum", "0.1", "0.9", step="0.1"),
    integer("layers", "1", "9"),
    integer("units", "16", "512", step="16"),
    categorical("optimizer", "sgd", "adam", "ftrl"),
)


def experiment(algorithm: str, trials: int) -> api.Experiment:
    """An experiment of `algorithm` with the settings of its example."""
    if algorithm in ARCHITECTURES:
        return network(algorithm, layers=8, max_trials=trials)
    made = case_of(algorithm).experiment(SPACE, name=f"images-{algorithm}", max_trials=trials)
    assert made is not None
    return made


def loss(point: Mapping[str, str]) -> float:
    """Lower near x = 1 with more units; of an architecture, the sum of its operations and skips."""
    if "x" not in point:
        return float(sum(map(int, re.findall("[0-9]+", point.get("architecture", "")))))
    value = (float(point["x"]) - 1) ** 2 + abs(math.log2(float(point["units"]) / 128))
    return value + (0.5 if point["optimizer"] != "adam" else 0.0)


def run(
    transport: Transport,
    message: api.Experiment,
    trials: int,
    at_once: int,
    between: Callable[[int], None] = lambda done: None,
) -> list[Mapping[str, str]]:
    """Return all points of an experiment of `trials` trials, `at_once` of them at a time.

    Args:
        transport: The way to the server.
        message: The experiment.
        trials: In all.
        at_once: Trials of one request, which finish together.
        between: Called with the number of trials after each request.
    """
    loop = AskTell(message, transport, f"{message.name}-{{}}".format)
    while len(loop.trials) < trials:
        for trial in loop.ask(min(at_once, trials - len(loop.trials))):
            loop.tell(trial, loss(trial.assignment))
        between(len(loop.trials))
    return [trial.assignment for trial in loop.trials]

"""Plays the controller: whole experiments against a server, with an objective of its own."""

from __future__ import annotations

import math
from collections.abc import Callable

from suggestion.api.v1beta1 import api_pb2 as api
from tests.support.cases import case_of
from tests.support.requests import ask_for, categorical, double, integer, points_of, trial

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
    made = case_of(algorithm).experiment(SPACE, name=f"images-{algorithm}", max_trials=trials)
    assert made is not None
    return made


def loss(point: dict[str, str]) -> str:
    """Lower near x = 1 with more units."""
    value = (float(point["x"]) - 1) ** 2 + abs(math.log2(float(point["units"]) / 128))
    return repr(value + (0.5 if point["optimizer"] != "adam" else 0.0))


def run(
    ask: Callable[[api.GetSuggestionsRequest], api.GetSuggestionsReply],
    message: api.Experiment,
    trials: int,
    at_once: int,
    between: Callable[[int], None] = lambda done: None,
) -> list[dict[str, str]]:
    """All points of an experiment of `trials` trials, `at_once` of them at a time.

    Args:
        ask: One call.
        message: The experiment.
        trials: In all.
        at_once: Trials of one request, which finish together.
        between: Called with the number of trials after each request.
    """
    done: list[api.Trial] = []
    points: list[dict[str, str]] = []
    while len(done) < trials:
        count = min(at_once, trials - len(done))
        reply = ask(ask_for(message, count, len(done) + count, done))
        asked = reply.parameter_assignments
        assert len(asked) == count
        for entry, point in zip(asked, points_of(reply), strict=True):
            name = entry.trial_name or f"{message.name}-{len(done)}"
            done.append(trial(name, point, loss(point)))
            points.append(point)
        # What the server wants to be told again lies over the experiment's own settings.
        settings = message.spec.algorithm.algorithm_settings
        told = {item.name: item.value for item in reply.algorithm.algorithm_settings}
        for item in settings:
            item.value = told.pop(item.name, item.value)
        for name, value in told.items():
            settings.add(name=name, value=value)
        between(len(done))
    return points

"""Experiments that tests play in this process, and the space and objective that they share."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import InProcess, Transport
from tests.support.requests import (
    CONDITION,
    categorical,
    discrete,
    double,
    integer,
    trial,
    values_of,
)

# Every parameter can be enumerated, so that grid takes part too.
LATTICE = (
    double("momentum", "0.5", "0.99", step="0.01"),
    integer("layers", "1", "64", prior=api.LOG_UNIFORM),
    double("decay", "0", "1", step="0.05", prior=api.NORMAL),
    discrete("batch", "16", "32", "64", "1e2"),
    categorical("optimizer", "sgd", "adam", "ftrl"),
)
_CONDITIONS = {5: CONDITION.FAILED, 7: CONDITION.KILLED, 9: CONDITION.EARLYSTOPPED}


def loss_of(values: Mapping[str, str]) -> float:
    """Some objective: smooth in the numbers, different for every text."""
    total = 0.0
    for name, text in values.items():
        try:
            number = float(text)
        except ValueError:
            number = float(len(text))
        total += math.atan(number / (1 + len(name))) ** 2
    return total


def history(trials: Sequence[tuple[str, Mapping[str, str]]]) -> list[api.Trial]:
    """Trials of these names and values: some run, some failed, some have no number."""
    made = []
    for index, (name, values) in enumerate(trials):
        loss = "nan" if index % 11 == 3 else repr(loss_of(values))
        running = index >= len(trials) - 3
        made.append(trial(name, values, None if running else loss, _CONDITIONS.get(index % 11)))
    return made


class Varied:
    """A transport that gives the trials of a request the conditions of `history`.

    Args:
        shuffle: Seed of the order in which they are sent.
    """

    def __init__(self, inner: Transport, shuffle: int = 0) -> None:
        self._inner = inner
        self._shuffle = shuffle

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        sent = api.GetSuggestionsRequest()
        sent.CopyFrom(request)
        trials = history([(t.name, values_of(t.spec.parameter_assignments)) for t in sent.trials])
        random.Random(self._shuffle).shuffle(trials)
        del sent.trials[:]
        sent.trials.extend(trials)
        return self._inner.suggest(sent)

    def validate(self, experiment: api.Experiment) -> None:
        self._inner.validate(experiment)


def play(
    message: api.Experiment, batches: Sequence[int], shuffle: int = 0
) -> tuple[list[dict[str, str]], list[api.Trial]]:
    """Run an experiment in this process; return all suggestions, and the trials at the end."""
    loop = AskTell(message, Varied(InProcess(), shuffle), f"{message.name}-{{:04d}}".format)
    for count in batches:
        loop.ask(count)
    points = [dict(t.assignment) for t in loop.trials]
    return points, history([(t.name, t.assignment) for t in loop.trials])

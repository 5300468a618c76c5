"""A controller in miniature: it plays an experiment against a service, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import InProcess
from tests.support.requests import CONDITION, ask_for
from tests.support.requests import trial as trial_message


def experiment(
    algorithm: str,
    parameters: Sequence[Mapping[str, Any]],
    settings: Mapping[str, object],
    *,
    name: str = "simulated",
    parallel: int = 3,
) -> api.Experiment:
    """The message for an experiment that minimises ``loss``."""
    return wire.write_experiment(
        {
            "metadata": {"name": name},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {
                    "algorithmName": algorithm,
                    "algorithmSettings": [
                        {"name": key, "value": str(value)} for key, value in settings.items()
                    ],
                },
                "parallelTrialCount": parallel,
                "parameters": [
                    {
                        "name": p["name"],
                        "parameterType": p["type"],
                        "feasibleSpace": {k: v for k, v in p.items() if k not in ("name", "type")},
                    }
                    for p in parameters
                ],
            },
        }
    )


def validate(message: api.Experiment) -> None:
    """Raises Invalid if a server would refuse the experiment."""
    InProcess().validate(message)


def ask(
    message: api.Experiment, trials: Sequence[api.Trial], count: int, total: int
) -> list[api.GetSuggestionsReply.ParameterAssignments]:
    """What a server that was started just now replies."""
    return list(InProcess().suggest(ask_for(message, count, total, trials)).parameter_assignments)


@dataclass
class Trial:
    """A trial as the test sees it.

    Attributes:
        index: Its place among all suggestions.
        outcome: Its loss, or None if it fails.
    """

    name: str
    index: int
    texts: Mapping[str, str]
    labels: Mapping[str, str]
    outcome: float | None = None
    done: bool = False

    def number(self, name: str) -> float:
        return float(self.texts[name])

    def as_message(self) -> api.Trial:
        if self.done and self.outcome is None:
            return trial_message(self.name, self.texts, condition=CONDITION.FAILED)
        return trial_message(self.name, self.texts, repr(self.outcome) if self.done else None)


class Controller:
    """Runs trials of random duration, up to `parallel` at a time.

    A fresh service answers each call, and trials are sent in random order.

    Args:
        evaluate: The loss of a trial's texts, or None if that trial fails.
        hide: Whether a finished trial is missing from all later requests.
    """

    def __init__(
        self,
        message: api.Experiment,
        evaluate: Callable[[Trial], float | None],
        *,
        parallel: int,
        seed: int,
        hide: Callable[[Trial], bool] = lambda trial: False,
    ) -> None:
        self.trials: list[Trial] = []
        self._random = random.Random(seed)
        self._loop = AskTell(message, self, self._name)
        self._evaluate = evaluate
        self._parallel = parallel
        self._hide = hide
        self._running: list[tuple[float, int]] = []
        self._now = 0.0

    def _name(self, index: int) -> str:
        return f"{self._loop.experiment.name}-{self._random.getrandbits(32):08x}"

    # ------------------------------------------------------- the transport of its loop

    def suggest(self, request: api.GetSuggestionsRequest) -> api.GetSuggestionsReply:
        """Ask a fresh service; some trials of `request` are missing, the rest in any order."""
        sent = api.GetSuggestionsRequest()
        sent.CopyFrom(request)
        del sent.trials[:]
        sent.trials.extend(self._visible(request))
        return InProcess().suggest(sent)

    def validate(self, experiment: api.Experiment) -> None:
        validate(experiment)

    def _visible(self, request: api.GetSuggestionsRequest) -> list[api.Trial]:
        pairs = zip(self.trials, request.trials, strict=True)
        messages = [message for t, message in pairs if not (t.done and self._hide(t))]
        self._random.shuffle(messages)
        return messages

    # ------------------------------------------------------------------ what tests use

    def visible(self) -> list[api.Trial]:
        """The trials as a request has them."""
        return self._visible(self._loop.request())

    def edit(self, message: api.Experiment) -> None:
        """Ask with another experiment from now on."""
        self._loop.experiment.CopyFrom(message)

    def add(self, texts: Mapping[str, str], outcome: float) -> None:
        """Add a finished trial that nobody suggested."""
        trial = self._loop.add(texts, outcome)
        self.trials.append(Trial(trial.name, trial.index, texts, {}, outcome, done=True))

    def step(self) -> None:
        """Fills all free places, then lets one trial finish."""
        count = self._parallel - len(self._running)
        for asked in self._loop.ask(count) if count else ():
            trial = Trial(asked.name, asked.index, asked.assignment, asked.labels)
            trial.outcome = self._evaluate(trial)
            self.trials.append(trial)
            duration = self._random.uniform(0.2, 1.0)
            heapq.heappush(self._running, (self._now + duration, trial.index))
        self._now, index = heapq.heappop(self._running)
        self._finish(self.trials[index])

    def _finish(self, trial: Trial) -> None:
        trial.done = True
        asked = self._loop.trials[trial.index]
        if trial.outcome is None:
            self._loop.fail(asked)
        else:
            self._loop.tell(asked, trial.outcome)

    def run(self, until: Callable[[], bool], limit: int) -> None:
        """Steps until `until()` holds; fails after `limit` trials."""
        while not until():
            assert len(self.trials) <= limit, "the experiment does not come to its end"
            self.step()

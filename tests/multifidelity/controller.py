"""A controller in miniature: it plays an experiment against a service, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.client.transports import InProcess

CONDITIONS = api.TrialStatus.TrialConditionType


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
    request = api.GetSuggestionsRequest(
        experiment=message,
        trials=trials,
        current_request_number=count,
        total_request_number=total,
    )
    reply = InProcess().suggest(request)
    return list(reply.parameter_assignments)


@dataclass
class Trial:
    """A trial as the test sees it.

    Attributes:
        index: Its place among all suggestions.
        outcome: Its loss, or None if it fails.
    """

    name: str
    index: int
    texts: dict[str, str]
    labels: dict[str, str]
    outcome: float | None
    done: bool = False
    _message: api.Trial | None = None
    _written: bool = False

    def number(self, name: str) -> float:
        return float(self.texts[name])

    def as_message(self) -> api.Trial:
        if self._message is None or self.done != self._written:
            self._message, self._written = self._write(), self.done
        return self._message

    def _write(self) -> api.Trial:
        condition = CONDITIONS.RUNNING
        if self.done:
            condition = CONDITIONS.FAILED if self.outcome is None else CONDITIONS.SUCCEEDED
        message = api.Trial(name=self.name)
        for key, value in self.texts.items():
            message.spec.parameter_assignments.assignments.add(name=key, value=value)
        message.status.condition = condition
        if self.done and self.outcome is not None:
            message.status.observation.metrics.add(name="loss", value=repr(self.outcome))
        return message


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
        names: bool = True,
    ) -> None:
        self.message = message
        self.trials: list[Trial] = []
        self._evaluate = evaluate
        self._parallel = parallel
        self._hide = hide
        self._names = names
        self._random = random.Random(seed)
        self._running: list[tuple[float, int]] = []
        self._now = 0.0

    def visible(self) -> list[api.Trial]:
        messages = [t.as_message() for t in self.trials if not (t.done and self._hide(t))]
        self._random.shuffle(messages)
        return messages

    def step(self) -> None:
        """Fills all free places, then lets one trial finish."""
        count = self._parallel - len(self._running)
        if count:
            total = len(self.trials) + count
            suggestions = ask(self.message, self.visible(), count, total)
            assert len(suggestions) == count
            for suggestion in suggestions:
                self._start(suggestion)
        self._now, index = heapq.heappop(self._running)
        self.trials[index].done = True

    def _start(self, suggestion: api.GetSuggestionsReply.ParameterAssignments) -> None:
        index = len(self.trials)
        texts = {item.name: item.value for item in suggestion.assignments}
        name = suggestion.trial_name if self._names else ""
        trial = Trial(
            name=name or f"{self.message.name}-{self._random.getrandbits(32):08x}",
            index=index,
            texts=texts,
            labels=dict(suggestion.labels),
            outcome=None,
        )
        trial.outcome = self._evaluate(trial)
        self.trials.append(trial)
        duration = self._random.uniform(0.2, 1.0)
        heapq.heappush(self._running, (self._now + duration, index))

    def run(self, until: Callable[[], bool], limit: int) -> None:
        """Steps until `until()` holds; fails after `limit` trials."""
        while not until():
            assert len(self.trials) <= limit, "the experiment does not come to its end"
            self.step()

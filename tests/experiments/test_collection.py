"""How often the output of a trial is looked at."""

from __future__ import annotations

from typing import Any, cast

from suggestion.controller.collection import Collection
from suggestion.controller.observation import Objective, Report
from suggestion.controller.state import Attempt
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import Workspace
from suggestion.runtimes.simulator.world import Virtual


class Quiet:
    """The output of a trial that says nothing."""

    position = None
    behind = False
    notes = ()

    def __init__(self) -> None:
        self.reads = 0

    def read(self, last: bool) -> list[Report]:
        self.reads += 1
        return []


class Outputs:
    """Outputs of trials, in place of their folders."""

    def __init__(self) -> None:
        self.by_trial: dict[int, Quiet] = {}

    def source(self, trial: Trial) -> Quiet:
        return self.by_trial.setdefault(trial.number, Quiet())

    def trim(self, *_: Any) -> None: ...


def test_trials_that_wait_for_a_place_are_looked_at_once_a_second() -> None:
    """A thousand that wait cost no more than some that run."""
    clock, outputs = Virtual(), Outputs()
    objective = Objective("loss", maximize=False, goal=None, additional=(), strategies={})
    collection = Collection(cast(Workspace, outputs), objective, clock, 0, lambda text: None)
    trials = {number: Trial(number, f"t-{number}", {}) for number in range(3)}
    attempts = {
        0: Attempt(launched=True),
        1: Attempt(launched=True, queued=True),
        2: Attempt(launched=True, queued=True, ended=True, status=1),
    }
    for _ in range(20):
        collection.read(attempts, trials)
        clock.seconds += 0.1
    assert [outputs.by_trial[number].reads for number in range(3)] == [20, 2, 20]


def test_trials_of_a_runtime_that_announces_are_looked_at_when_they_have_written() -> None:
    """And once a second, and at their end."""
    clock, outputs = Virtual(), Outputs()
    objective = Objective("loss", maximize=False, goal=None, additional=(), strategies={})
    workspace = cast(Workspace, outputs)
    collection = Collection(workspace, objective, clock, 0, lambda text: None, announced=True)
    trials = {number: Trial(number, f"t-{number}", {}) for number in range(3)}
    attempts = {
        0: Attempt(launched=True),
        1: Attempt(launched=True),
        2: Attempt(launched=True, ended=True, status=1),
    }
    for step in range(20):
        if step in (3, 4, 15):
            collection.grown(1)
        collection.read(attempts, trials)
        clock.seconds += 0.1
    assert [outputs.by_trial[number].reads for number in range(3)] == [2, 5, 20]

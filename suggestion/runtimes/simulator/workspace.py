"""What simulated trials report, without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suggestion.client.template import Invocation
from suggestion.controller.observation import Report
from suggestion.controller.runtime import LaunchSpec, TrialFiles
from suggestion.controller.slots import Slot
from suggestion.controller.trials import Trial
from suggestion.runtimes.simulator.world import World


@dataclass
class _Said:
    """What a trial has reported behind `position`."""

    world: World
    trial: str
    attempt: int
    position: int
    behind: bool = False
    notes: tuple[str, ...] = ()
    _next: float = 0.0

    def read(self, last: bool) -> list[Report]:
        if self.world.clock.seconds < self._next:
            return []
        said = self.world.said(self.trial, self.attempt)
        self._next = self.world.next_said(self.trial, self.attempt, len(said))
        if len(said) == self.position:
            return []
        fresh = said[self.position :]
        self.position = len(said)
        return [Report(metric, value) for _, metric, value in fresh]


@dataclass(frozen=True, slots=True)
class SimulatedWorkspace:
    """The workspace of trials in a `World`."""

    world: World

    def rules_file(self, trial: Trial) -> Path | None:
        return None

    def files(self, trial: Trial) -> TrialFiles:
        nowhere = Path()
        return TrialFiles(trial.name, nowhere, nowhere, Path(str(trial.attempt)))

    def source(self, trial: Trial) -> _Said:
        return _Said(self.world, trial.name, trial.attempt, int(trial.position or 0))

    def launch(self, trial: Trial, slot: Slot, variables: Mapping[str, str]) -> LaunchSpec:
        nothing = Invocation((), {}, None, "")
        return LaunchSpec(self.files(trial), nothing, [], variables, "", False, slot, Path(), "")

    def explain(self, trial: Trial) -> str:
        return ""

    def command(self, trial: Trial) -> Sequence[str]:
        return ()

    def trim(self, trial: Trial, keep: int, position: Any) -> tuple[int, int] | None:
        return None

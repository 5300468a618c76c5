"""The simulator behind the protocol of runtimes, and the waiting that moves its clock."""

from __future__ import annotations

from collections.abc import Sequence

from suggestion.controller.runtime import (
    Exit,
    Handle,
    LaunchSpec,
    Loss,
    Running,
    RuntimeEvent,
    TrialFiles,
)  # fmt: skip
from suggestion.runtimes.simulator.world import World


class SimulatedRuntime:
    """Trials of one session in a `World`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._followed: dict[str, None] = {}
        self._looked: float | None = None  # when nothing has happened since

    def launch(self, spec: LaunchSpec) -> Handle:
        trial, attempt = spec.files.trial, int(spec.files.status.name)
        self._world.launch(trial, attempt)
        return {"trial": trial, "attempt": attempt}

    def begin(self, trial: str) -> None:
        self._world.begin(trial)
        self._followed[trial] = None
        self._looked = None

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        made = self._world.trials.get(files.trial)
        if made is None or made.begun is None or made.attempt != handle["attempt"]:
            return Loss(files.trial, begun=(files.trial, handle["attempt"]) in self._world.begun)
        if self._world.over(made):
            return Exit(files.trial, made.status)
        self._followed[files.trial] = None
        return Running(self._world.clock.seconds - made.begun)

    def stop(self, trial: str, grace: float) -> None:
        self._world.stop(trial, grace)
        self._looked = None

    def tell(self, trial: str, rules: str) -> None:
        """Nothing in a `World` listens."""

    def events(self) -> Sequence[RuntimeEvent]:
        now = self._world.clock.seconds
        if self._looked == now:
            return []
        self._looked = now
        trials = self._world.trials
        ended = [name for name in self._followed if self._world.over(trials[name])]
        for name in ended:
            del self._followed[name]
        return [Exit(name, trials[name].status) for name in ended]

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._world.let_go()


class VirtualWaiter:
    """Waiting that moves the clock of a `World`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def wait(self, until: float | None) -> None:
        self._world.advance(until)

    def ring(self) -> None:
        """Nothing waits longer than until something happens."""

    def close(self) -> None:
        """Nothing is held."""

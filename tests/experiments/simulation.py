"""A whole experiment in a simulated world, with crashes wherever a process can die."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suggestion.controller.commands import Changes, Command
from suggestion.controller.context import Answer, Options
from suggestion.controller.driver import Controller
from suggestion.controller.events import Event, Suggestion
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report, Series
from suggestion.controller.requests import Action
from suggestion.controller.rim import Rim
from suggestion.controller.rules import GREATER, Rule
from suggestion.controller.slots import Slot
from suggestion.controller.state import Policy
from suggestion.controller.store import Store
from suggestion.controller.trials import Trial
from suggestion.earlystopping.rule import Curve, Threshold
from suggestion.earlystopping.stepwise import Asking, next_threshold
from suggestion.runtimes.simulator import (
    Play,
    SimulatedRuntime,
    SimulatedWorkspace,
    VirtualWaiter,
    World,
    scripted,
)


class Crash(BaseException):
    """Stands for the end of the process: nothing catches it."""


@dataclass
class Points:
    """The moments at which a process can die.

    Attributes:
        crash: Chooses where it does, by the number of the moment and what was about to happen.
        crashes: Number of crashes by the latter.
    """

    crash: Callable[[int, str], bool] = lambda number, name: False
    count: int = 0
    crashes: dict[str, int] = field(default_factory=dict)

    def reach(self, name: str) -> None:
        self.count += 1
        if self.crash(self.count, name):
            self.crashes[name] = self.crashes.get(name, 0) + 1
            raise Crash(name)


class CrashingStore(Store):
    """A store beside whose transactions the process can die."""

    def __init__(self, folder: Path, points: Points) -> None:
        self._points = points
        super().__init__(folder, create=True)
        # Only processes die here, never the machine.
        self._db.execute("PRAGMA synchronous = OFF")

    def commit(self, changes: Changes, events: Sequence[Event] = ()) -> None:
        self._points.reach("before a transaction")
        super().commit(changes, events)
        self._points.reach("after a transaction")


class CrashingController(Controller):
    """A controller that can die between any two steps and any two commands."""

    def __init__(self, points: Points, *arguments: Any, **more: Any) -> None:
        self._points = points
        super().__init__(*arguments, **more)

    def _take(self, happened: list[Event]) -> None:
        if happened:
            self._points.reach("before a step")
        super()._take(happened)

    def _perform(self, command: Command) -> list[Event]:
        name = type(command).__name__
        self._points.reach(f"before {name}")
        events = super()._perform(command)
        self._points.reach(f"after {name}")
        return events


class Inline:
    """A worker that makes each call at once."""

    def submit(self, call: Callable[[], None], /) -> None:
        call()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


@dataclass
class InProcess:
    """Random suggestions, a median rule, and an observation log, without a server.

    Attributes:
        rule: Judges trials again and again, in place of the median.
        log: Reports by trial and time; the same report twice is one, as in the DBManager.
        stops: Trials that the early-stopping service was told of.
    """

    seed: int
    log: dict[str, dict[str, Report]] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    rule: Any = None

    def remember(self, trial: Trial) -> None:
        pass

    def suggest(
        self, experiment: Experiment, active: Iterable[Trial], count: int, total: int
    ) -> Callable[[], Answer | None]:
        def call() -> Answer:
            made = [
                Suggestion({"x": repr(random.Random(f"{self.seed}/{number}").random())})
                for number in range(total - count, total)
            ]
            if self.rule is not None:
                return Answer(made, {}, self._rules(self.rule.threshold(self._curves())))
            known = self._second_reports()
            median = [Rule("loss", statistics.median(known), GREATER, 2)] if known[2:] else []
            return Answer(made, {}, median)

        return call

    def next_rules(
        self, experiment: Experiment, active: Iterable[Trial], trial: Trial, step: int
    ) -> Callable[[], Sequence[Rule]]:
        asking = Asking(trial.name, step)
        return lambda: self._rules(next_threshold(self.rule, asking, self._curves()))

    def _curves(self) -> list[Curve]:
        return [
            Curve(name, [float(report.value) for report in log.values()])
            for name, log in self.log.items()
        ]

    def _rules(self, found: Threshold | None) -> list[Rule]:
        return [] if found is None else [Rule("loss", found.loss, GREATER, found.step)]

    def _second_reports(self) -> list[float]:
        """Of the latest 50 trials that have gone further."""
        found: list[float] = []
        for log in reversed(self.log.values()):
            if len(log) > 2:
                found.append(float(list(log.values())[1].value))
                if len(found) == 50:
                    break
        return found

    def report(self, trial: str, reports: Sequence[Report]) -> Callable[[], None]:
        def call() -> None:
            self.log.setdefault(trial, {}).update({report.time: report for report in reports})

        return call

    def forget(self, trial: str) -> Callable[[], None]:
        def call() -> None:
            self.log.pop(trial, None)

        return call

    def pushed(self, trial: str) -> Callable[[], Mapping[str, Series]]:
        raise NotImplementedError

    def stopped(self, trial: str) -> Callable[[], None]:
        return lambda: self.stops.append(trial)

    def database(self) -> str:
        return ""


class Nobody:
    """A view that nobody looks at."""

    def note(self, text: str) -> None:
        pass

    def changed(self, trial: Trial) -> None:
        pass

    def refresh(self, controller: Controller) -> None:
        pass


def document(trials: int, parallel: int) -> dict[str, Any]:
    return {
        "spec": {
            "maxTrialCount": str(trials),
            "parallelTrialCount": str(parallel),
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "parameters": [{"name": "x"}],
        }
    }


class WaiterWithUser(VirtualWaiter):
    """Waiting during which a user asks for something, at moments of the world's clock.

    Args:
        wanted: Seconds and actions that are still to come, in order; outlives the sessions.
    """

    def __init__(self, world: World, folder: Path, wanted: list[tuple[float, Action]]) -> None:
        super().__init__(world)
        self._clock = world.clock
        self._folder = folder
        self._wanted = wanted

    def wait(self, until: float | None) -> None:
        if self._wanted:
            next_one = max(self._wanted[0][0], self._clock.seconds)
            until = next_one if until is None else min(until, next_one)
        super().wait(until)
        while self._wanted and self._wanted[0][0] <= self._clock.seconds:
            store = Store(self._folder)  # as another process
            try:
                store.ask(self._wanted.pop(0)[1], "")
            finally:
                store.close()


@dataclass
class Simulation:
    """One experiment, from its beginning to its end over all crashes."""

    folder: Path
    trials: int
    parallel: int
    seed: int = 1
    crash: Callable[[int, str], bool] = lambda number, name: False
    play: Play | None = None
    runtime: Callable[[World], SimulatedRuntime] = SimulatedRuntime
    workspace: Callable[[World], SimulatedWorkspace] = SimulatedWorkspace
    policy: dict[str, Any] = field(default_factory=dict)
    rule: Any = None
    wanted: Sequence[tuple[float, Action]] = ()
    sessions: int = 0

    def __post_init__(self) -> None:
        self.points = Points(self.crash)
        self._wanted = list(self.wanted)
        self.world = World(self.play or scripted(self.seed))
        self.servers = InProcess(self.seed, rule=self.rule)
        self.folder.mkdir(parents=True, exist_ok=True)
        made = document(self.trials, self.parallel)
        self._policy = Policy(
            Objective.of(made), self.parallel, **{"grace": 5.0, "stops_early": True, **self.policy}
        )
        store = Store(self.folder, create=True)
        fresh = Experiment("sim", made, started="2026")
        store.save_experiment(fresh.mark("Created", "ExperimentCreated", "", "2026"))
        store.close()

    def session(self, begin: Callable[[Controller], None] = lambda controller: None) -> Controller:
        """Run until the end, or until a crash."""
        self.sessions += 1
        store = CrashingStore(self.folder, self.points)
        try:
            runtime = self.runtime(self.world)
            waiter = WaiterWithUser(self.world, self.folder, self._wanted)
            rim = Rim(
                store, runtime, self.servers, Inline(), Inline(), waiter, Nobody(), self.world.clock
            )
            controller = CrashingController(
                self.points,
                rim,
                self.workspace(self.world),
                [Slot(number) for number in range(self.parallel)],
                self._policy,
                Options(),
            )
            controller.begun = 0.0  # crashes do not prolong the time limit
            begin(controller)
            controller.run()
            return controller
        finally:
            store.close()

    def run(self) -> Simulation:
        while True:
            try:
                self.session()
                return self
            except Crash:
                continue

    def ended(self) -> list[Trial]:
        """The trials in the end; all that they reported has been delivered."""
        store = Store(self.folder)
        try:
            assert store.undelivered() == []
            return store.trials()
        finally:
            store.close()

    def outcome(self) -> tuple[Any, ...]:
        """All that a crash must not change."""
        store = Store(self.folder)
        experiment = store.experiment()
        store.close()
        return (
            experiment,
            self.ended(),
            self.servers.log,
            set(self.servers.stops),
            self.world.clock.seconds,
            self.world.begun,
        )

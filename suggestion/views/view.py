"""What a person sees while an experiment runs: a live view, or plain lines without a terminal."""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING, Final, TextIO

from suggestion.client.numbers import short
from suggestion.client.parameters import columns_of, parameters_of
from suggestion.controller import standings
from suggestion.controller.shown import plain
from suggestion.controller.state import HALT
from suggestion.controller.trials import FAILED, JUDGED, Condition, Trial
from suggestion.views import tradeoff
from suggestion.views.advice import advice
from suggestion.views.live import PAUSED, Frame, assigned, value_of, why

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from suggestion.controller.driver import Controller

_REFRESH_SECONDS: Final = 0.25
_RECENT: Final = 6


def describe(controller: Controller, trial: Trial) -> str:
    """One trial in a few words: its parameters."""
    space = columns_of(controller.experiment.document)
    return " ".join(
        f"{name}={value}" for name, value in assigned(trial, space, controller.inactive).items()
    )


def _why(controller: Controller, trial: Trial) -> str:
    return why(trial, controller.workspace.files(trial).output)


def seconds_left(controller: Controller) -> float | None:
    """Until `maxTrialCount` at the pace of this run, and at most until the time limit."""
    elapsed = controller.clock.monotonic() - controller.begun
    counts = controller.counts
    done = counts.completed - controller.completed_before
    left = None
    if controller.max_trials is not None and done > 0:
        left = elapsed / done * max(controller.max_trials - counts.completed, 0)
    limit = controller.options.time_limit
    if limit is not None:
        left = min(left if left is not None else limit - elapsed, limit - elapsed)
    return left


class Plain:
    """A line for each event."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._controller: Controller | None = None
        self._pending: list[Trial] = []
        self._closed = False

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()

    def note(self, text: str) -> None:
        self._print(f"note: {text}")

    def _print(self, line: str) -> None:
        """Nobody may be reading any more, as after ``| head``: no reason to end an experiment."""
        if not self._closed:
            try:
                print(plain(line), file=self._out, flush=True)
            except OSError:
                self._closed = True

    def changed(self, trial: Trial) -> None:
        self._pending.append(trial)
        self._flush()

    def refresh(self, controller: Controller) -> None:
        self._controller = controller
        self._flush()

    def _flush(self) -> None:
        if self._controller is None:
            return
        for trial in self._pending:
            self._print(self._line(self._controller, trial))
        self._pending.clear()

    @staticmethod
    def _line(controller: Controller, trial: Trial) -> str:
        words = [trial.name, str(trial.condition)]
        if trial.condition is Condition.RUNNING:
            words.append(describe(controller, trial))
        elif trial.condition is not Condition.CREATED:
            value = short(value_of(trial, controller.objective))
            objective = controller.objective
            words.append(f"{objective.metric}={value}")
            words += [
                f"{name}={short(objective.shown(trial.series, name)) or '-'}"
                for name in dict.fromkeys(each.name for each in objective.roles)
            ]
            if trial.condition in JUDGED and not objective.feasible(trial.series):
                words.append("infeasible")
            counts = controller.counts
            total = f"/{controller.max_trials}" if controller.max_trials is not None else ""
            words.append(f"[{counts.completed}{total}]")
            if controller.best is not None and controller.best.name == trial.name:
                words.append("best so far")
        if trial.reason:
            words.append(f"({_why(controller, trial)})")
        return " ".join(words)


class Rich:
    """A live view that is redrawn in place, with the notes above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._drawn = 0.0
        self._recent: list[Trial] = []
        self._failed: Trial | None = None

    def __enter__(self) -> Rich:
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(
            console=self._console, auto_refresh=False, transient=False, redirect_stdout=False
        )
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.__exit__(None, None, None)

    def note(self, text: str) -> None:
        self._console.print(f"note: {plain(text)}", markup=False, highlight=False, style="yellow")

    def changed(self, trial: Trial) -> None:
        if trial.condition.active:
            return
        if trial.condition in FAILED:
            self._failed = trial
        self._recent = [*self._recent[-_RECENT + 1 :], trial]
        self._drawn = 0.0

    def refresh(self, controller: Controller) -> None:
        now = time.monotonic()
        if now - self._drawn < _REFRESH_SECONDS or self._live is None:
            return
        self._drawn = now
        self._live.update(self.render(controller), refresh=True)

    def render(self, controller: Controller) -> Frame:
        """Return the whole view."""
        experiment, counts = controller.experiment, controller.counts
        state = PAUSED if experiment.paused else ""
        if controller.level == 1:
            state = "letting the running trials finish (Ctrl-C again stops them)"
        elif controller.level == HALT:
            state = "stopping the running trials"
        failed = self._failed
        return Frame(
            experiment.name,
            controller.objective,
            columns_of(experiment.document),
            counts.completed,
            counts.failed,
            controller.max_trials,
            controller.clock.monotonic() - controller.begun,
            None if experiment.done else seconds_left(controller),
            state,
            controller.best,
            "" if failed is None else f"{failed.name}: {_why(controller, failed)}",
            [*self._recent, *(controller.trials[number] for number in controller.running)],
            controller.inactive,
        )


def ending(controller: Controller, directory: str) -> str:
    """The last words: how it ended, the best trial, and the command that uses it."""
    experiment = controller.experiment
    condition = experiment.condition()
    lines = []
    counts = controller.counts
    if experiment.done:
        kind = condition["type"].lower()
        lines.append(f"{experiment.name} {kind} after {counts.completed} trials: "
                     f"{condition['message']}")  # fmt: skip
    else:
        lines.append(
            f"{experiment.name} is incomplete ({counts.completed} trials done); "
            f"run the same command to resume"
        )
    best = controller.best
    if best is not None:
        objective = controller.objective
        value = short(value_of(best, objective))
        lines.append(f"best trial {best.name}: {objective.metric} {value}")
        if text := tradeoff.infeasible(objective, best):
            lines.append(f"  {text}")
        if len(objective.objectives) > 1:
            number = len(standings.front([*controller.trials.values()], objective))
            names = ", ".join(objective.objectives)
            lines.append(f"  one of {number} trials that are the trade-off of {names}")
        shown = assigned(best, parameters_of(experiment.document), controller.inactive)
        lines += [f"  {name} = {value}" for name, value in shown.items()]
        argv = controller.workspace.command(best)
        if argv:
            lines += ["to run it again:", f"  {shlex.join(argv)}"]
    elif experiment.done:
        lines.append(f"no trial has a value of {controller.objective.metric}")
    failed = [trial for trial in controller.trials.values() if trial.condition in FAILED]
    if failed:
        last = max(failed, key=lambda trial: trial.completed)
        lines.append(f"{len(failed)} failed, at last {last.name}: {_why(controller, last)}")
        lines.append(f"  all that it printed: suggest logs {shlex.quote(directory)} {last.name}")
    if best is None or condition["type"] == "Failed":
        lines += advice(experiment, len(failed), controller.policy.first_failures)
    lines.append(f"more: suggest status {directory}; suggest plot {directory}")
    return plain("\n".join(lines))

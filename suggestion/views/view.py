"""What a person sees while an experiment runs: a live view, or plain lines without a terminal."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TextIO

from suggestion.client.numbers import short
from suggestion.controller.output import last_line
from suggestion.controller.shown import one_line, plain
from suggestion.controller.trials import FAILED, Condition, Trial
from suggestion.views.advice import advice

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

    from suggestion.controller.driver import Controller

_REFRESH_SECONDS: Final = 0.25
_RECENT: Final = 6


def describe(controller: Controller, trial: Trial) -> str:
    """One trial in a few words: its parameters."""
    return " ".join(f"{name}={value}" for name, value in trial.assignment.items())


def value_of(controller: Controller, trial: Trial) -> str:
    """The objective value of a trial as text; ``-`` without one."""
    objective = controller.objective
    series = trial.series.get(objective.metric)
    return "-" if series is None else series.by(objective.strategies[objective.metric])


def why(controller: Controller, trial: Trial) -> str:
    """Why a trial is in its condition; of one that has failed also the last line of its output."""
    if trial.condition is not Condition.FAILED:
        return trial.reason
    last = last_line(controller.workspace.files(trial).output)
    return f"{trial.reason}: {last}" if last else trial.reason


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


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 20 s``, ``12 s``."""
    whole = max(round(seconds), 0)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


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
            words.append(f"{controller.objective.metric}={value_of(controller, trial)}")
            counts = controller.counts
            total = f"/{controller.max_trials}" if controller.max_trials is not None else ""
            words.append(f"[{counts.completed}{total}]")
            if controller.best is not None and controller.best.name == trial.name:
                words.append("best so far")
        if trial.reason:
            words.append(f"({why(controller, trial)})")
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

    def render(self, controller: Controller) -> RenderableType:
        """The whole view."""
        from rich.console import Group  # noqa: PLC0415
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        counts = controller.counts
        head = Table.grid(padding=(0, 2))
        bar: RenderableType = Text("")
        total = f"/{controller.max_trials}" if controller.max_trials is not None else ""
        if controller.max_trials is not None:
            bar = ProgressBar(total=controller.max_trials, completed=counts.completed, width=30)
        words = f"{counts.completed}{total} trials"
        if counts.failed:
            words += f", {counts.failed} failed"
        elapsed = controller.clock.monotonic() - controller.begun
        words += f" · {duration(elapsed)}"
        left = seconds_left(controller)
        if left is not None and not controller.experiment.done:
            words += f", about {duration(left)} left"
        if controller.level == 1:
            words += " · letting the running trials finish (Ctrl-C again stops them)"
        elif controller.level == 2:
            words += " · stopping the running trials"
        head.add_row(Text(controller.experiment.name, style="bold"), bar, Text(words))
        parts: list[RenderableType] = [head]
        best = controller.best
        if best is not None:
            metric = controller.objective.metric
            line = f"best {metric} {value_of(controller, best)}  {describe(controller, best)}"
            parts.append(Text(one_line(f"{line}  ({best.name})"), style="green"))
        if self._failed is not None:
            failed = self._failed
            line = one_line(f"{failed.name}: {why(controller, failed)}")
            parts.append(Text(line, style="red"))
        rows = [controller.trials[number] for number in controller.running]
        parts.append(self._table(controller, [*self._recent, *rows]))
        return Group(*parts)

    @staticmethod
    def _table(controller: Controller, trials: Iterable[Trial]) -> RenderableType:
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        styles = {
            Condition.RUNNING: "cyan",
            Condition.FAILED: "red",
            Condition.METRICS_UNAVAILABLE: "red",
            Condition.EARLY_STOPPED: "magenta",
        }
        space = controller.experiment.document["spec"]["parameters"]
        names = [parameter["name"] for parameter in space]
        doubles = {entry["name"] for entry in space if entry["parameterType"] == "double"}
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        metric = controller.objective.metric
        for heading in ("trial", "condition", metric, "reports", *names):
            table.add_column(Text(one_line(heading)), no_wrap=True, overflow="ellipsis")
        for trial in trials:
            series = trial.series.get(metric)
            shown = value_of(controller, trial)
            if trial.condition is Condition.RUNNING and series is not None:
                shown = series.latest
            table.add_row(
                Text(trial.name.removeprefix(f"{controller.experiment.name}-")),
                Text(str(trial.condition), style=styles.get(trial.condition, "")),
                Text(short(shown)),
                Text(str(series.count) if series else ""),
                *(
                    Text(short(value) if name in doubles else one_line(value))
                    for name in names
                    for value in (trial.assignment[name],)
                ),
            )
        return table


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
        metric = controller.objective.metric
        lines.append(f"best trial {best.name}: {metric} {value_of(controller, best)}")
        lines += [f"  {name} = {value}" for name, value in best.assignment.items()]
        argv = controller.workspace.command(best)
        if argv:
            lines += ["to run it again:", f"  {shlex.join(argv)}"]
    elif experiment.done:
        lines.append(f"no trial has a value of {controller.objective.metric}")
    failed = [trial for trial in controller.trials.values() if trial.condition in FAILED]
    if failed:
        last = max(failed, key=lambda trial: trial.completed)
        lines.append(f"{len(failed)} failed, at last {last.name}: {why(controller, last)}")
        lines.append(f"  all that it printed: suggest logs {shlex.quote(directory)} {last.name}")
    if best is None or condition["type"] == "Failed":
        lines += advice(experiment, len(failed), controller.policy.first_failures)
    lines.append(f"more: suggest status {directory}; suggest plot {directory}")
    return plain("\n".join(lines))

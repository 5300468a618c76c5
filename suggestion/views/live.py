"""The live view of an experiment in a terminal, as wide as the terminal is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from suggestion.client.numbers import short
from suggestion.controller.activity import Inactive, none
from suggestion.controller.observation import Objective
from suggestion.controller.output import last_line
from suggestion.controller.shown import one_line
from suggestion.controller.trials import Condition, Trial

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text

#: What goes on in an experiment that a user has paused.
PAUSED: Final = "paused; 'suggest resume' goes on"
_GAP: Final = 2
_WIDEST: Final = 20
_BAR: Final = 60
# Columns before those of parameters, which are always shown.
_FIXED: Final = 4
_STYLES: Final = {
    Condition.RUNNING: "cyan",
    Condition.FAILED: "red",
    Condition.METRICS_UNAVAILABLE: "red",
    Condition.EARLY_STOPPED: "magenta",
}


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 20 s``, ``12 s``."""
    whole = max(round(seconds), 0)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def value_of(trial: Trial, objective: Objective) -> str:
    """Return the objective value of a trial as text; ``-`` without one."""
    series = trial.series.get(objective.metric)
    return "-" if series is None else series.by(objective.strategies[objective.metric])


def why(trial: Trial, output: Path) -> str:
    """Say why a trial is in its condition; of one that has failed also its last line of output.

    Args:
        output: The file that it prints to.
    """
    last = last_line(output) if trial.condition is Condition.FAILED else ""
    return f"{trial.reason}: {last}" if last else trial.reason


def assigned(
    trial: Trial, parameters: Sequence[Mapping[str, Any]], inactive: Inactive
) -> dict[str, str]:
    """Return the values of `parameters` for people; of doubles, five significant digits.

    The value of an inactive one is ``-``.
    """
    left_out = inactive(trial.assignment)
    return {
        entry["name"]: "-"
        if entry["name"] in left_out
        else one_line(short(text) if entry["parameterType"] == "double" else text)
        for entry in parameters
        if (text := trial.assignment.get(entry["name"])) is not None
    }


@dataclass(frozen=True, slots=True)
class Frame:
    """What the live view shows at one moment.

    Attributes:
        parameters: As in the Experiment document.
        completed, failed, total: Numbers of trials; the latter None without a limit.
        seconds, left: That the experiment has run, and is expected to run; None if unknown.
        state: What goes on besides, for people; may be empty.
        failure: About the trial that failed last; empty if none has.
        rows: Trials for the table.
        inactive: Tells which parameters are inactive in a trial.
    """

    name: str
    objective: Objective
    parameters: Sequence[Mapping[str, Any]]
    completed: int
    failed: int
    total: int | None
    seconds: float
    left: float | None
    state: str
    best: Trial | None
    failure: str
    rows: Sequence[Trial]
    inactive: Inactive = none

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        width = options.max_width
        head = Text(one_line(self.name), style="bold")
        yield head.append(f"  {self._progress()}", style="not bold")
        if self.total is not None:
            yield ProgressBar(total=self.total, completed=self.completed, width=min(width, _BAR))
            yield Text()
        if self.best is not None:
            yield Text(self._best(self.best), style="green")
        if self.failure:
            line = Text(one_line(self.failure), style="red", no_wrap=True, overflow="ellipsis")
            yield line
        yield self._table(width)

    def _progress(self) -> str:
        total = f"/{self.total}" if self.total is not None else ""
        words = f"{self.completed}{total} trials"
        if self.failed:
            words += f", {self.failed} failed"
        words += f" · {duration(self.seconds)}"
        if self.left is not None:
            words += f", about {duration(self.left)} left"
        return words + (f" · {self.state}" if self.state else "")

    def _best(self, best: Trial) -> str:
        metric = one_line(self.objective.metric)
        words = [f"best {metric} {short(value_of(best, self.objective))}", self._short_name(best)]
        if not self.objective.feasible(best.series):
            words.append("(infeasible)")
        words += [
            f"{one_line(name)}={value}"
            for name, value in assigned(best, self.parameters, self.inactive).items()
        ]
        return one_line("  ".join(words))

    def _short_name(self, trial: Trial) -> str:
        return trial.name.removeprefix(f"{self.name}-")

    def _table(self, width: int) -> Table:
        """Return the trials, with as many parameters as there is room for."""
        from rich.cells import cell_len  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        columns = self._columns()
        room = width
        fitting: list[tuple[str, list[Text]]] = []
        for heading, cells in columns:
            widest = max([cell_len(one_line(heading)), *(cell.cell_len for cell in cells)])
            room -= min(widest, _WIDEST) + _GAP
            # The last one may use the room that a word about further ones would need.
            reserve = len("+99") if len(fitting) < len(columns) - 1 else 0
            if len(fitting) >= _FIXED and room + _GAP < reserve:
                break
            fitting.append((heading, cells))
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
        for heading, _ in fitting:
            table.add_column(_plain(heading), no_wrap=True, overflow="ellipsis", max_width=_WIDEST)
        more = len(columns) - len(fitting)
        if more:
            table.add_column(_plain(f"+{more}"), no_wrap=True)
        for row in range(len(self.rows)):
            table.add_row(*(cells[row] for _, cells in fitting))
        return table

    def _columns(self) -> list[tuple[str, list[Text]]]:
        shown = [assigned(trial, self.parameters, self.inactive) for trial in self.rows]
        series = [trial.series.get(self.objective.metric) for trial in self.rows]
        values = [
            s.latest
            if trial.condition is Condition.RUNNING and s is not None
            else value_of(trial, self.objective)
            for trial, s in zip(self.rows, series, strict=True)
        ]
        conditions = [
            _plain(str(trial.condition), _STYLES.get(trial.condition, "")) for trial in self.rows
        ]
        return [
            ("trial", [_plain(self._short_name(trial)) for trial in self.rows]),
            ("condition", conditions),
            (self.objective.metric, [_plain(short(value)) for value in values]),
            ("reports", [_plain(str(s.count) if s else "") for s in series]),
            *(
                (name, [_plain(short(self.objective.shown(t.series, name))) for t in self.rows])
                for name in dict.fromkeys(each.name for each in self.objective.roles)
            ),
            *(
                (entry["name"], [_plain(row.get(entry["name"], "")) for row in shown])
                for entry in self.parameters
            ),
        ]


def _plain(text: str, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text(one_line(text), style=style)

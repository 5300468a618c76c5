"""What has come of tuning a function."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from suggestion.client.parameters import parameters_of, with_values
from suggestion.controller import objectives
from suggestion.controller import trials as stored
from suggestion.controller.activity import Inactive, active_texts, inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, number
from suggestion.runtimes.python.calls import error_of
from suggestion.tuning import ranking
from suggestion.tuning.errors import NoResult
from suggestion.tuning.space import Space, from_json
from suggestion.tuning.trials import State, Trial
from suggestion.views import listing, recommended, status

if TYPE_CHECKING:
    from pandas import DataFrame

_STATES: Final = {
    stored.Condition.CREATED: State.WAITING,
    stored.Condition.RUNNING: State.RUNNING,
    stored.Condition.SUCCEEDED: State.SUCCEEDED,
    stored.Condition.EARLY_STOPPED: State.STOPPED,
    stored.Condition.FAILED: State.FAILED,
    stored.Condition.METRICS_UNAVAILABLE: State.FAILED,
    stored.Condition.KILLED: State.FAILED,
}
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """The trials of an experiment, as they stand when it is read.

    Attributes:
        directory: Where the experiment is kept; ``suggest status``, ``trials``, ``logs``,
            ``plot`` and ``export`` work on it too.
        complete: Whether the experiment has ended; else `tune` with the same arguments goes on.
        reason: Why it has ended.
        metric: Name of the main objective.
        maximize: Whether more of it is better.
        trials: In the order of their numbers.
        objectives: All objectives, the main one first: by name ``minimize`` or ``maximize``.
        constraints: Bounds on metrics: ``memory <= 8000000000``.
    """

    directory: Path
    complete: bool
    reason: str
    metric: str
    maximize: bool
    trials: Sequence[Trial]
    objectives: Mapping[str, str]
    constraints: Sequence[str]
    _space: Space
    _experiment: Experiment
    _function: Callable[..., object] | None = None
    _stored: Sequence[stored.Trial] = ()

    @property
    def best(self) -> Trial:
        """The trial with the best value of the main objective; of equal ones the first.

        It is feasible if any is, else the one that violates the metric constraints least.

        Raises:
            NoResult: If no trial has a value.
        """
        found = ranking.best(self.trials, self._directions)
        if found is None:
            raise NoResult("no trial has a value")
        return found

    @property
    def recommended(self) -> Trial:
        """The trial to use where values are noisy, as `Study.recommended` chooses it.

        Raises:
            NoResult: If no trial has a value.
        """
        best = self.best
        found = recommended.find(self._experiment, self._stored)
        return best if found is None else self.trials[found.trial.number]

    @property
    def front(self) -> Sequence[Trial]:
        """The trade-off of several objectives: the feasible trials that no feasible one dominates.

        A trial dominates another one if no objective of it is worse and at least one is better.
        """
        return ranking.front(self.trials, self._directions)

    @property
    def _directions(self) -> Mapping[str, bool]:
        return {name: word == "maximize" for name, word in self.objectives.items()}

    def dataframe(self) -> DataFrame:
        """Return a row for each trial: number, state, objectives, parameters, metrics, duration.

        With metric constraints it also tells whether the trial is ``feasible``. A parameter that
        has the name of another column is called ``parameter NAME``.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415
        except ImportError as error:
            text = "dataframe() needs pandas: pip install 'suggestion-servers[pandas]'"
            raise ImportError(text) from error
        return pandas.DataFrame([self._row(trial) for trial in self.trials])

    def _row(self, trial: Trial) -> dict[str, object]:
        """Return what is known of a trial, by the name of the column."""
        values = {**dict.fromkeys(self.objectives), self.metric: trial.value, **trial.objectives}
        row: dict[str, object] = {"number": trial.number, "state": str(trial.state), **values}
        taken = {*row, "duration", "feasible"}
        for name in self._space.parameters:
            column = f"parameter {name}" if name in taken else name
            row[column] = trial.parameters.get(name)
        row |= {name: value for name, value in trial.metrics.items() if name not in row}
        if self.constraints:
            row["feasible"] = trial.feasible if trial.objectives else None
        row["duration"] = trial.duration
        return row

    def plot(self) -> Plot:
        """Return the page that ``suggest plot`` draws; a notebook shows it."""
        from suggestion.views.plot import page  # noqa: PLC0415

        return Plot(page(self.directory))

    def experiment_file(
        self,
        path: str | os.PathLike[str],
        *,
        image: str,
        command: Sequence[str] | None = None,
        namespace: str | None = None,
    ) -> Path:
        """Write an Experiment file that runs the same space on a cluster, and return its path.

        Args:
            path: Of the file.
            image: Container image with the function, and with this package.
            command: Of a trial, with ``${trialParameters.NAME}`` where a value goes; it prints the
                objective as ``name=value``. By default it calls the function by its module, or by
                its script in the image's working directory.
            namespace: In which the experiment is to run.

        Raises:
            InvalidArgument: If a value or the function cannot be named on a command line.
        """
        from suggestion.tuning.manifests import write  # noqa: PLC0415

        target = Path(path)
        document = cast("Mapping[str, object]", self._experiment.document)
        write(target, document, self._space, self._function, image, command, namespace)
        return target

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Sequence[str]:
        ended = self.reason if self.complete else "incomplete; call tune again to resume"
        count = len(self.trials)
        failed = sum(trial.state is State.FAILED for trial in self.trials)
        stopped = sum(trial.state is State.STOPPED for trial in self.trials)
        words = f"{count} trials" + (f", {failed} failed" if failed else "")
        words += f", {stopped} stopped early" if stopped else ""
        lines = [f"Result of {self._experiment.name!r}: {words} ({ended})"]
        try:
            best = self.best
        except NoResult:
            return [*lines, "no trial has a value"]
        words = "" if best.feasible else ", which is infeasible, as every trial is"
        lines.append(f"best {self.metric} {best.value:.5g} in trial {best.number}{words}:")
        lines += [f"  {name} = {_short(value)}" for name, value in best.parameters.items()]
        if len(self.objectives) > 1:
            front = self.front
            names = ", ".join(self.objectives)
            lines.append(f"trade-off of {names}: {len(front)} trials, in result.front")
        return [*lines, f"kept in {self.directory}"]

    def _repr_html_(self) -> str:
        """Return a table of the best trials, for notebooks."""
        head, *rest = self._lines()
        front = self.front if len(self.objectives) > 1 else ()
        shown = {trial.number for trial in front}
        ranked = ranking.best_first(self.trials, self._directions)
        others = [trial for trial in ranked if trial.number not in shown]
        ranked = [*front, *others][:_SHOWN]
        names = list(self._space.parameters)
        heads = ("trial", *self.objectives, *names)
        titles = "".join(f"<th>{escape(title)}</th>" for title in heads)
        rows = "".join(f"<tr>{self._cells(trial)}</tr>" for trial in ranked)
        return (
            f"<p>{escape(head)}<br>{escape(rest[-1])}</p>"
            f"<table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _cells(self, trial: Trial) -> str:
        values = [_short(trial.objectives[name]) for name in self.objectives]
        values += [_short(trial.parameters.get(name, "-")) for name in self._space.parameters]
        return "".join(f"<td>{escape(text)}</td>" for text in (str(trial.number), *values))


@dataclass(frozen=True, slots=True, repr=False)
class Plot:
    """A page about an experiment, which needs no network.

    Attributes:
        html: The page.
    """

    html: str

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, and return its path."""
        target = Path(path)
        target.write_text(self.html, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return "<Plot: save('plot.html') writes it to a file; a notebook shows it>"

    def _repr_html_(self) -> str:
        page = escape(self.html, quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="700" frameborder="0"></iframe>'


def _short(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def load_result(directory: str | os.PathLike[str], space: object = None) -> Result:
    """Return what `tune`, or ``suggest run``, has left in a directory, finished or not.

    Args:
        directory: Of the experiment.
        space: The space as it was, where its choices are objects that JSON cannot hold.

    Raises:
        FileNotFoundError: If there is no experiment.
        InvalidArgument: If the values of a choice cannot be read back without `space`.
    """
    from suggestion.tuning.reading import SpaceLike, read_space  # noqa: PLC0415

    return load(Path(directory), None if space is None else read_space(cast("SpaceLike", space)))


def load(
    directory: Path, space: Space | None = None, function: Callable[..., object] | None = None
) -> Result:
    """Return what an experiment has come to; see `load_result`."""
    experiment, trials = status.load(directory)
    objective = objectives.read(experiment.document)
    if space is None:
        assigned = [trial.assignment for trial in trials]
        declared = experiment.options.get("space") or with_values(
            parameters_of(experiment.document), assigned
        )
        space = from_json(declared, str(directory))
    condition = experiment.condition()
    inactive = inactive_of(experiment.document)
    return Result(
        directory,
        experiment.done,
        _in_words_of_tune(condition["message"]),
        objective.metric,
        objective.maximize,
        [_trial(directory, trial, objective, space, inactive) for trial in trials],
        {
            name: "maximize" if maximize else "minimize"
            for name, maximize in zip(objective.objectives, objective.directions, strict=True)
        },
        [bound.rule for bound in objective.constraints],
        space,
        experiment,
        function,
        trials,
    )


def _in_words_of_tune(reason: str) -> str:
    """Return why an experiment has ended, with the names of arguments for those of fields."""
    named = reason.replace("maxTrialCount ", "trials=")
    return named.replace("maxFailedTrialCount", "max_failures")


def _trial(
    directory: Path,
    trial: stored.Trial,
    objective: Objective,
    space: Space,
    inactive: Inactive,
) -> Trial:
    folder = directory / "trials" / trial.name
    output = folder / f"output-{trial.attempt}.log"
    state = _STATES[trial.condition]
    values = objective.values(trial.series) if trial.condition in stored.JUDGED else None
    error = error_of(folder, trial.attempt) if state is State.FAILED else ""
    return Trial(
        trial.number,
        trial.name,
        space.decode_active(active_texts(trial.assignment, inactive)),
        state,
        objective.value(trial.series) if state.ended and state is not State.FAILED else None,
        {name: number(series.latest) for name, series in trial.series.items()},
        error or (trial.reason if state is State.FAILED else ""),
        listing.elapsed(trial),
        output if output.exists() else None,
        dict(zip(objective.objectives, values or (), strict=False)),
        _violations(trial, objective) if state.ended else {},
    )


def _violations(trial: stored.Trial, objective: Objective) -> dict[str, float]:
    rules = [bound.rule for bound in objective.constraints]
    return dict(zip(rules, objective.violations(trial.series), strict=True))

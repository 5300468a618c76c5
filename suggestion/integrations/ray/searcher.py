"""A search algorithm of Ray Tune whose points are those of our algorithms (extra ``ray``)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, SupportsFloat, TypeAlias

from ray import cloudpickle
from ray.tune.search import Searcher

from suggestion.integrations.ray.goals import Metrics, check_metric, listed, read_goals
from suggestion.integrations.ray.spaces import NOTHING, Path_, at, nest, read_config
from suggestion.tuning.errors import BrokenRule, InvalidArgument, SpaceExhausted
from suggestion.tuning.goals import Method, Settings
from suggestion.tuning.objectives import Objective, Statements
from suggestion.tuning.solvers import Solver, check_method, open_solver
from suggestion.tuning.space import Space
from suggestion.tuning.tls import TLS

_FORMAT: Final = 2
_TIMEOUT: Final = 60.0

Result: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Record:
    """A trial; `metrics` is None while it runs, and if it has failed."""

    id: str
    name: str
    texts: Mapping[str, str]
    ended: bool = False
    metrics: Mapping[str, float] | None = None


class SuggestionSearcher(Searcher):
    """Choose the configurations of a Ray Tune experiment by one of the algorithms here.

    The space is that of ``Tuner(param_space=...)``: Ray's own domains, nested ones too, and
    `uniform` and its like. Trials that run count, so that several at a time differ; a trial counts
    with the last result that it has reported, also if a scheduler has stopped it, and as failed if
    it raised an exception or its last result has no finite value.

    Ray saves the searcher with the experiment, and ``Tuner.restore`` goes on where it was.

    Args:
        algorithm: Its name; ``suggest algorithms`` lists them.
        settings: Of the algorithm, by name.
        seed: Random seed; derived from `name` if None.
        metric, mode: What is optimised, and whether its ``min`` or ``max`` is best; by default
            those of ``TuneConfig``. Lists name several objectives, the main one first.
        metric_constraints: Bounds on other metrics: ``"memory <= 8e9"``, or a list.
        name: Of the study; with it, or with `seed`, the suggestions are those of `Study`.
        target: Address of a server, ``HOST:PORT``; None for the algorithms installed here. The
            suggestions are the same.
        tls: For a server that speaks TLS.
        timeout: Seconds to wait for each reply of a server.

    Raises:
        InvalidArgument: A `ValueError` with every rule that the arguments break, or, when Ray hands
            over the space, with every rule that this breaks.
    """

    _metric: Metrics | None
    _mode: Metrics | None

    def __init__(
        self,
        algorithm: str = "tpe",
        settings: Settings | None = None,
        *,
        seed: int | None = None,
        metric: Metrics | None = None,
        mode: Metrics | None = None,
        metric_constraints: Statements | None = None,
        name: str = "ray",
        target: str | None = None,
        tls: TLS | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        check_metric(metric, mode)
        super().__init__(metric=listed(metric), mode=listed(mode))
        self._constraints = metric_constraints
        objective = Objective()
        if metric is not None and mode is not None:
            objective = read_goals(metric, mode, metric_constraints)
        self._method = Method.of(algorithm, settings, seed).without_checkpoints()
        if target is None:
            check_method(self._method.declaring(objective), objective)
        self._name = name
        self._server = (target, tls, timeout)
        self._space: Space | None = None
        self._paths: Mapping[str, Path_] = {}
        self._records: list[_Record] = []
        self._solver: Solver | None = None

    # ------------------------------------------------------------------- what Ray calls

    def set_search_properties(
        self,
        metric: Metrics | None,
        mode: Metrics | None,
        config: Mapping[str, object],
        **spec: object,
    ) -> bool:
        """Take the space of an experiment, and what it optimises.

        Raises:
            InvalidArgument: With every rule that these break.
        """
        check_metric(metric, mode)
        self._metric = listed(metric) or self._metric
        self._mode = listed(mode) or self._mode
        if self._mode is None or self._metric is None:
            broken = [
                BrokenRule(name, "must be given, here or in TuneConfig, got none")
                for name, given in (("metric", self._metric), ("mode", self._mode))
                if given is None
            ]
            raise InvalidArgument(broken)
        check_metric(self._metric, self._mode)  # one may be from here, the other from there
        space, paths = read_config(config)
        _ = read_goals(self._metric, self._mode, self._constraints, space)
        if self._records and (self._space is None or space.to_json() != self._space.to_json()):
            rule = "must be the space that the trials so far are from, got another one"
            raise InvalidArgument([BrokenRule("param_space", rule)])
        self._space, self._paths = space, paths
        self._close()
        self._open()
        return True

    def suggest(self, trial_id: str) -> dict[object, object] | str | None:
        """Return the configuration of a trial; ``FINISHED`` once a finite space is used up.

        Raises:
            ConnectionError: If a server does not answer.
        """
        solver, space = self._open()
        try:
            made = solver.suggest(1)[0]
        except SpaceExhausted:
            return str(self.FINISHED)
        number = len(self._records)
        record = _Record(trial_id, made.name or f"{self._name}-{number:05}", dict(made.texts))
        self._start(solver, record)
        return nest(space.decode_active(record.texts), self._paths)

    def on_trial_complete(
        self, trial_id: str, result: Result | None = None, error: bool = False
    ) -> None:
        """Record what has come of a trial."""
        number = next((n for n, known in enumerate(self._records) if known.id == trial_id), None)
        if number is None:  # of another searcher
            return
        told = None
        if result and not error:
            told = self._objective.told(_numbers(result, self._objective))
        known = self._records[number]
        self._records[number] = replace(known, ended=True, metrics=told)
        if known.ended:  # it has been run again
            self._close()
        elif self._solver is not None:
            self._solver.finish(number, told)

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """Nothing is learnt before a trial has ended."""

    def add_evaluated_point(
        self,
        parameters: Mapping[str, object],
        value: float | Sequence[float],
        error: bool = False,
        pruned: bool = False,
        intermediate_values: Sequence[float] | None = None,
    ) -> None:
        """Add a trial that nobody suggested.

        Args:
            parameters: Its configuration.
            value: Its objective, or all of them in their order.

        Raises:
            InvalidArgument: If it is not in the space.
        """
        solver, space = self._open()
        point = {
            name: found
            for name, path in self._paths.items()
            if (found := at(parameters, path)) is not NOTHING
        }
        number = len(self._records)
        self._start(solver, _Record("", f"{self._name}-{number:05}", space.encode(point)))
        values = value if isinstance(value, Sequence) else [value]
        metrics = dict(zip(self._objective.directions, values, strict=False))
        told = None if error else self._objective.told(metrics)
        self._records[number] = replace(self._records[number], ended=True, metrics=told)
        solver.finish(number, told)

    # ------------------------------------------------------------------------- storage

    def save(self, checkpoint_path: str | os.PathLike[str]) -> None:
        """Write the state to a file; Ray does so with each of its checkpoints."""
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(self.get_state()))

    def restore(self, checkpoint_path: str | os.PathLike[str]) -> None:
        """Go on from a file that `save` wrote, with its space, algorithm and trials."""
        self.set_state(cloudpickle.loads(Path(checkpoint_path).read_bytes()))

    def get_state(self) -> dict[str, object]:
        """Return all but the server, and the connection to it."""
        state = {name: value for name, value in vars(self).items() if name not in _OWN}
        return {"format": _FORMAT, **state}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Go on from what `get_state` returned."""
        if state.get("format") != _FORMAT:
            rule = f"must be of format {_FORMAT}, got {state.get('format')!r}"
            raise InvalidArgument([BrokenRule("state", rule)])
        self._close()
        self.__dict__.update({name: value for name, value in state.items() if name != "format"})

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_solver": None}

    # ------------------------------------------------------------------------ the solver

    @property
    def _objective(self) -> Objective:
        assert self._metric is not None
        assert self._mode is not None
        return read_goals(self._metric, self._mode, self._constraints)

    def _open(self) -> tuple[Solver, Space]:
        """Return the solver, which knows all trials, and the space."""
        if self._space is None:
            rule = "must be given to the Tuner, got none"
            raise InvalidArgument([BrokenRule("param_space", rule)])
        if self._solver is None:
            objective = self._objective
            method = self._method.declaring(objective)
            solver = open_solver(self._name, self._space, objective, method, *self._server)
            try:
                solver.validate()
                for number, record in enumerate(self._records):
                    solver.start(number, record.name, record.texts)
                    if record.ended:
                        solver.finish(number, record.metrics)
            except BaseException:
                solver.close()
                raise
            self._solver = solver
        return self._solver, self._space

    def _start(self, solver: Solver, record: _Record) -> None:
        solver.start(len(self._records), record.name, record.texts)
        self._records.append(record)

    def _close(self) -> None:
        if self._solver is not None:
            self._solver.close()
            self._solver = None


#: What is not stored: it belongs to the process.
_OWN: Final = ("_solver", "_server")


def _numbers(result: Result, objective: Objective) -> dict[str, float]:
    """Return the metrics that count; without those that are no numbers.

    What else a result holds may be anything: arrays, say, which have a method for one number.
    """
    found = {}
    for name in (objective.metric, *objective.additional):
        value = result.get(name)
        if isinstance(value, SupportsFloat):
            with suppress(TypeError, ValueError, OverflowError):
                found[name] = float(value)
    return found

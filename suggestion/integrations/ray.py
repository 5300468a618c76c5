"""A search algorithm of Ray Tune whose points are those of our algorithms (extra ``ray``)."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, SupportsFloat, TypeAlias, cast

from ray import cloudpickle
from ray.tune.search import Searcher
from ray.tune.search.sample import (
    Categorical,
    Domain,
    Float,
    Integer,
    LogUniform,
    Normal,
    Quantized,
    Uniform,
)

from suggestion.tuning.errors import BrokenRule, InvalidArgument, SpaceExhausted
from suggestion.tuning.goals import Method, Objective, Settings
from suggestion.tuning.solvers import Solver, check_method, open_solver
from suggestion.tuning.space import Space
from suggestion.tuning.spaces import (
    Listed,
    Parameter,
    integer,
    log_integer,
    log_uniform,
    normal,
    uniform,
)
from suggestion.tuning.tls import TLS

_FORMAT: Final = 1
_TIMEOUT: Final = 60.0
_MODES: Final = ("min", "max")

#: Where a parameter is in a configuration: the keys that lead to it.
Path_: TypeAlias = tuple[object, ...]
Result: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Record:
    """A trial; `value` is None while it runs, and if it has failed."""

    id: str
    name: str
    texts: Mapping[str, str]
    ended: bool = False
    value: float | None = None


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
            those of ``TuneConfig``.
        name: Of the study; with it, or with `seed`, the suggestions are those of `Study`.
        target: Address of a server, ``HOST:PORT``; None for the algorithms installed here. The
            suggestions are the same.
        tls: For a server that speaks TLS.
        timeout: Seconds to wait for each reply of a server.

    Raises:
        InvalidArgument: A `ValueError` with every rule that the arguments break, or, when Ray hands
            over the space, with every rule that this breaks.
    """

    _metric: str | None
    _mode: str | None

    def __init__(
        self,
        algorithm: str = "tpe",
        settings: Settings | None = None,
        *,
        seed: int | None = None,
        metric: str | None = None,
        mode: str | None = None,
        name: str = "ray",
        target: str | None = None,
        tls: TLS | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        _check_metric(metric, mode)
        super().__init__(metric=metric, mode=mode)
        self._method = Method.of(algorithm, settings, seed)
        if target is None:
            check_method(self._method)
        self._name = name
        self._server = (target, tls, timeout)
        self._space: Space | None = None
        self._paths: Mapping[str, Path_] = {}
        self._records: list[_Record] = []
        self._solver: Solver | None = None

    # ------------------------------------------------------------------- what Ray calls

    def set_search_properties(
        self,
        metric: str | None,
        mode: str | None,
        config: Mapping[str, object],
        **spec: object,
    ) -> bool:
        """Take the space of an experiment, and what it optimises.

        Raises:
            InvalidArgument: With every rule that these break.
        """
        _check_metric(metric, mode)
        self._metric = metric or self._metric
        self._mode = mode or self._mode
        if self._mode is None or self._metric is None:
            broken = [
                BrokenRule(name, "must be given, here or in TuneConfig, got none")
                for name, given in (("metric", self._metric), ("mode", self._mode))
                if given is None
            ]
            raise InvalidArgument(broken)
        space, paths = read_config(config)
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
        return _nest(space.decode_active(record.texts), self._paths)

    def on_trial_complete(
        self, trial_id: str, result: Result | None = None, error: bool = False
    ) -> None:
        """Record what has come of a trial."""
        number = next((n for n, known in enumerate(self._records) if known.id == trial_id), None)
        if number is None:  # of another searcher
            return
        value = None if error or not result else _finite(result.get(str(self._metric)))
        known = self._records[number]
        self._records[number] = replace(known, ended=True, value=value)
        if known.ended:  # it has been run again
            self._close()
        elif self._solver is not None:
            self._solver.finish(number, value)

    def on_trial_result(self, trial_id: str, result: Result) -> None:
        """Nothing is learnt before a trial has ended."""

    def add_evaluated_point(
        self,
        parameters: Mapping[str, object],
        value: float,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: Sequence[float] | None = None,
    ) -> None:
        """Add a trial that nobody suggested.

        Args:
            parameters: Its configuration.

        Raises:
            InvalidArgument: If it is not in the space.
        """
        solver, space = self._open()
        point = {
            name: found
            for name, path in self._paths.items()
            if (found := _at(parameters, path)) is not _NOTHING
        }
        number = len(self._records)
        self._start(solver, _Record("", f"{self._name}-{number:05}", space.encode(point)))
        told = None if error else _finite(value)
        self._records[number] = replace(self._records[number], ended=True, value=told)
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

    def _open(self) -> tuple[Solver, Space]:
        """Return the solver, which knows all trials, and the space."""
        if self._space is None:
            rule = "must be given to the Tuner, got none"
            raise InvalidArgument([BrokenRule("param_space", rule)])
        if self._solver is None:
            objective = Objective(maximize=self._mode == "max")
            solver = open_solver(self._name, self._space, objective, self._method, *self._server)
            try:
                solver.validate()
                for number, record in enumerate(self._records):
                    solver.start(number, record.name, record.texts)
                    if record.ended:
                        solver.finish(number, record.value)
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
_NOTHING: Final = object()


def _check_metric(metric: object, mode: object) -> None:
    """Check what is optimised.

    Raises:
        InvalidArgument: If there are several, or the mode is none.
    """
    broken = []
    if metric is not None and not isinstance(metric, str):
        rule = f"must be the name of one metric, got {metric!r:.80}"
        broken.append(BrokenRule("metric", rule))
    if mode is not None and mode not in _MODES:
        broken.append(BrokenRule("mode", f"must be 'min' or 'max', got {mode!r:.80}"))
    if broken:
        raise InvalidArgument(broken)


def _finite(value: object) -> float | None:
    if value is None or not isinstance(value, SupportsFloat):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


# ------------------------------------------------------------------------------- spaces


def read_config(config: Mapping[str, object]) -> tuple[Space, Mapping[str, Path_]]:
    """Return the space of a ``param_space``, and where each parameter is in it.

    The name of a parameter has the keys that lead to it: ``model/depth``. What is neither a domain
    nor a parameter is a constant, which Ray adds to each configuration.

    Raises:
        InvalidArgument: With all domains that have no equivalent here.
    """
    parameters: dict[str, Parameter[object]] = {}
    paths: dict[str, Path_] = {}
    places: dict[str, str] = {}
    broken: list[BrokenRule] = []
    for path, entry in _walk(config, ()):
        name = "/".join(map(str, path))
        place = "param_space" + "".join(f"[{key!r}]" for key in path)
        try:
            found = _parameter(entry, place)
        except InvalidArgument as error:
            broken += error.broken
            continue
        if name in parameters:
            rule = f"must have a name of its own, got {name!r}, which another parameter has"
            broken.append(BrokenRule(place, rule))
        parameters[name], paths[name], places[name] = found, path, place
    space = Space(parameters, places)
    if parameters or not broken:
        try:
            _ = space.domain
        except InvalidArgument as error:
            broken += error.broken
    if broken:
        raise InvalidArgument(broken)
    return space, paths


def _walk(entry: object, path: Path_) -> Iterator[tuple[Path_, object]]:
    """Yield each domain and parameter with its path."""
    if isinstance(entry, Domain | Parameter) or _is_grid(entry):
        yield path, entry
    elif isinstance(entry, Mapping):
        for key, value in entry.items():
            yield from _walk(value, (*path, key))
    elif isinstance(entry, list | tuple):
        for index, value in enumerate(entry):
            for place, _ in _walk(value, (*path, index)):
                yield place, list  # no name for it


def _is_grid(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.keys() == {"grid_search"}


def _parameter(entry: object, place: str) -> Parameter[object]:
    """Return the parameter that a domain of Ray stands for.

    Raises:
        InvalidArgument: If there is none.
    """
    if isinstance(entry, Parameter):
        return entry
    if entry is list:
        raise InvalidArgument(
            [BrokenRule(place, "must not be in a list; give it a key of its own")]
        )
    if _is_grid(entry):
        rule = "grid_search is not supported; take ray.tune.choice and SuggestionSearcher('grid')"
        raise InvalidArgument([BrokenRule(place, rule)])
    domain = cast("Domain", entry)
    sampler = domain.get_sampler()
    step = None
    if isinstance(sampler, Quantized):
        step, sampler = sampler.q, sampler.sampler
    found: Parameter[object] | None = None
    if isinstance(domain, Float) and isinstance(sampler, Normal) and step is None:
        # As its own bounds say: three standard deviations from the mean.
        found = normal(sampler.mean - 3 * sampler.sd, sampler.mean + 3 * sampler.sd)
    elif isinstance(domain, Float) and isinstance(sampler, Uniform | LogUniform):
        make = log_uniform if isinstance(sampler, LogUniform) else uniform
        found = make(domain.lower, domain.upper, step=step)
    elif isinstance(domain, Integer) and isinstance(sampler, Uniform | LogUniform):
        least, most = domain.lower, domain.upper - 1
        if step is not None:  # its multiples, the upper bound included
            least, most = -(-domain.lower // step) * step, domain.upper // step * step
        whole = log_integer if isinstance(sampler, LogUniform) else integer
        found = whole(least, most, step=None if step == 1 else step)
    elif isinstance(domain, Categorical) and isinstance(sampler, Uniform):
        found = Listed(domain.categories)
    if found is None:
        kind = type(sampler if step is None else domain.sampler).__name__
        rule = f"must be uniform, normal or a choice, got {type(domain).__name__} with {kind}"
        raise InvalidArgument([BrokenRule(place, rule)])
    return found


def _nest(values: Mapping[str, object], paths: Mapping[str, Path_]) -> dict[object, object]:
    """Return values by name as the configuration that has them at their paths."""
    made: dict[object, object] = {}
    for name, value in values.items():
        *before, last = paths[name]
        inner = made
        for key in before:
            inner = cast("dict[object, object]", inner.setdefault(key, {}))
        inner[last] = value
    return made


def _at(config: object, path: Path_) -> object:
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return _NOTHING
        config = config[key]
    return config

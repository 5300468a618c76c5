"""An Optuna sampler whose points are those of our algorithms (extra ``optuna``)."""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

from suggestion.tuning.errors import BrokenRule, InvalidArgument, SpaceExhausted
from suggestion.tuning.goals import Method, Objective, Settings
from suggestion.tuning.reading import read_space
from suggestion.tuning.solvers import Solver, Suggested, check_method, open_solver
from suggestion.tuning.space import Space
from suggestion.tuning.tls import TLS

#: Attribute of a trial with what it was suggested, for the other workers of a storage.
_ATTRIBUTE: Final = "suggestion:point"
# Workers may ask at the same moment and get one point; each then asks again, with the other's.
_ATTEMPTS: Final = 8
_TIMEOUT: Final = 60.0


class SuggestionSampler(BaseSampler):
    """Sample the parameters of an Optuna study by one of the algorithms here.

    All parameters that every completed trial has had, with the same distribution, are sampled
    together; with `space` from the first trial on. Those that only some trials have, as in a
    conditional space, are sampled one by one by `independent_sampler`, as Optuna's own samplers
    do. A pruned trial counts with its last intermediate value, one without a value as failed.

    The points are a function of the study's name, the number of the trial and the history in the
    storage: a restarted program goes on, and workers of one storage get distinct points.

    Args:
        algorithm: Its name; ``suggest algorithms`` lists them.
        settings: Of the algorithm, by name.
        seed: Random seed; derived from the study's name if None.
        space: Optuna's distributions by name, where they are known before the first trial; some
            algorithms, such as grid, need them.
        independent_sampler: For parameters that are not sampled together; random by default.
        warn_independent_sampling: Whether to warn when it is used after the first trials.
        constraints_func: Not supported; refused unless None.
        target: Address of a server, ``HOST:PORT``; None for the algorithms installed here. The
            suggestions are the same.
        tls: For a server that speaks TLS.
        timeout: Seconds to wait for each reply of a server.

    Raises:
        InvalidArgument: A `ValueError` with every rule that the arguments break. What can only be
            known of the study, such as several objectives, is refused at its first trial.

    >>> import optuna
    >>> sampler = SuggestionSampler(algorithm="tpe", seed=1)
    >>> study = optuna.create_study(sampler=sampler)
    >>> study.optimize(lambda trial: trial.suggest_float("x", -5, 5) ** 2, n_trials=30)
    >>> study.best_value < 0.1
    True
    """

    def __init__(
        self,
        algorithm: str = "tpe",
        settings: Settings | None = None,
        *,
        seed: int | None = None,
        space: Mapping[str, BaseDistribution] | None = None,
        independent_sampler: BaseSampler | None = None,
        warn_independent_sampling: bool = True,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        target: str | None = None,
        tls: TLS | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        if constraints_func is not None:
            raise InvalidArgument([BrokenRule("constraints_func", "is not supported yet")])
        self._method = Method.of(algorithm, settings, seed)
        self._seed = seed
        self._space = None if space is None else dict(space)
        self._independent = independent_sampler
        self._warn = warn_independent_sampling
        self._server = (target, tls, timeout)
        if space is not None:
            self._open("study", read_space(_several_valued(space)), Objective()).close()
        elif target is None:
            check_method(self._method)
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()  # threads of `Study.optimize(n_jobs=...)` share the sampler
        self._intersection: tuple[object, IntersectionSearchSpace] | None = None
        self._replay: _Replay | None = None

    def _open(self, name: str, space: Space, objective: Objective) -> Solver:
        solver = open_solver(name, space, objective, self._method, *self._server)
        try:
            solver.validate()
        except BaseException:
            solver.close()
            raise
        return solver

    def __getstate__(self) -> Mapping[str, object]:
        derived = {"_lock", "_intersection", "_replay"}
        return {name: value for name, value in vars(self).items() if name not in derived}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        vars(self).update(state)
        self._reset()

    def _common(self, study: optuna.Study) -> dict[str, BaseDistribution]:
        """Return what all completed trials of `study` have."""
        with self._lock:
            key = _identity(study)
            if self._intersection is None or self._intersection[0] != key:
                self._intersection = key, IntersectionSearchSpace()
            return self._intersection[1].calculate(study)

    # --------------------------------------------------------------- sampled together

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        if self._space is not None:
            return _several_valued(self._space)
        return _several_valued(self._common(study))

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        _refuse(study)
        if not search_space:
            return {}
        with self._lock:
            replay = self._replay
            if replay is None or replay.key != _key(study, search_space):
                fresh = self._fresh(study, search_space)
                if replay is not None:
                    replay.close()
                replay = self._replay = fresh
            try:
                return self._distinct(study, trial, replay)
            except SpaceExhausted as error:
                try:
                    study.stop()
                except RuntimeError:  # nobody is in `optimize`
                    raise error from None
                raise optuna.TrialPruned(str(error)) from error

    def _fresh(self, study: optuna.Study, search_space: Mapping[str, BaseDistribution]) -> _Replay:
        name = study.study_name
        space = read_space(search_space)
        maximize = study.direction is optuna.study.StudyDirection.MAXIMIZE
        objective = Objective(maximize=maximize)
        key = _key(study, search_space)
        return _Replay(key, name, space, lambda: self._open(name, space, objective))

    def _distinct(
        self, study: optuna.Study, trial: FrozenTrial, replay: _Replay
    ) -> dict[str, object]:
        """Return a point that no other running trial has, and tell the other workers.

        A worker writes its point and then reads those of the others. Of two with the same point,
        the one that writes last sees it, whatever the order of the steps.
        """
        others = _others(study, trial)
        for _ in range(_ATTEMPTS):
            made = replay.suggest(others, trial.number)
            texts = dict(made.texts)
            study._storage.set_trial_system_attr(
                trial._trial_id, _ATTRIBUTE, {"name": made.name, "parameters": texts}
            )
            others = _others(study, trial)
            if texts not in replay.running(others):
                break
        return replay.space.decode_active(texts)

    # ------------------------------------------------------------------ one by one

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        _refuse(study)
        if self._warn and (self._space is not None or self._common(study)):
            warnings.warn(
                f"parameter {param_name!r} of trial {trial.number} is sampled independently of the "
                "others: not every trial has it with this distribution "
                "(warn_independent_sampling=False suppresses this warning)",
                stacklevel=2,
            )
        sampler = self._independent
        if sampler is None:
            # A function of the trial's number, so that no two workers draw the same numbers.
            of = study.study_name if self._seed is None else self._seed
            digest = hashlib.sha256(repr((of, trial.number, param_name)).encode()).digest()
            sampler = RandomSampler(seed=int.from_bytes(digest[:4], "big"))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    # ------------------------------------------------------ passed on to the other sampler

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if self._independent is not None:
            self._independent.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        if self._independent is not None:
            self._independent.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        if self._independent is not None:
            self._independent.reseed_rng()


class _Replay:
    """The trials of an Optuna study, told to a solver: each once, however often it is asked.

    Args:
        key: Of study and space; another one needs another replay.
        name: Of the study.
        open: Makes a solver without a history.
    """

    def __init__(self, key: object, name: str, space: Space, open: Callable[[], Solver]) -> None:
        self.key = key
        self.space = space
        self._name = name
        self._open = open
        self._restart(open())

    def _restart(self, solver: Solver) -> None:
        self._solver = solver
        self._started: dict[int, tuple[str, Mapping[str, str]]] = {}
        self._finished: set[int] = set()

    def suggest(self, others: Sequence[FrozenTrial], number: int) -> Suggested:
        """Return a suggestion with the index `number`, after all that `others` have come to."""
        new = [other for other in others if other.number not in self._finished]
        entries = {other.number: self._entry(other) for other in new}
        running = self._started.keys() - self._finished
        if any(self._started[place] != entries.get(place) for place in running):
            # One has other values than were suggested, as after a clash: tell everything again.
            solver = self._open()
            self.close()
            self._restart(solver)
            new = list(others)
            entries = {other.number: self._entry(other) for other in new}
        for other in new:
            place, (name, texts) = other.number, entries[other.number]
            if texts and place not in self._started:
                self._solver.start(place, name, texts)
                self._started[place] = entries[place]
            if other.state.is_finished():
                if place in self._started:
                    self._solver.finish(place, _value(other))
                self._finished.add(place)
        made = self._solver.suggest(1, number)[0]
        taken = self.running(others)
        if made.texts not in taken:
            return made
        # The points of one reply are distinct, unless the space has too few.
        try:
            several = self._solver.suggest(len(taken) + 1, number)
        except SpaceExhausted:
            return made
        return next((each for each in several if each.texts not in taken), made)

    def close(self) -> None:
        """Close the solver."""
        self._solver.close()

    def running(self, others: Sequence[FrozenTrial]) -> list[Mapping[str, str]]:
        """Return the points of those of `others` that run."""
        return [self._entry(other)[1] for other in others if not other.state.is_finished()]

    def _default(self, number: int) -> str:
        return f"{self._name}-{number:05}"

    def _entry(self, trial: FrozenTrial) -> tuple[str, Mapping[str, str]]:
        """Return name and texts of a trial; no texts where it has not all parameters.

        Those of a suggestion are what it has: parameters whose condition is not met are left out.
        """
        point = _suggested(trial)
        suggested: Mapping[str, str] = point.get("parameters", {})
        texts = {}
        for name, parameter in self.space.parameters.items():
            if name in trial.params:  # enqueued trials have others than were suggested
                text = parameter.encode(trial.params[name])
            else:
                text = suggested.get(name)
            if text is not None:
                texts[name] = text
        needed = set(self.space.parameters)
        if suggested:
            needed &= suggested.keys()
        complete = needed <= texts.keys()
        return point.get("name") or self._default(trial.number), texts if complete else {}


def _several_valued(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    return {name: entry for name, entry in space.items() if not entry.single()}


def _key(study: optuna.Study, space: Mapping[str, BaseDistribution]) -> object:
    return _identity(study), dict(space)


def _identity(study: optuna.Study) -> object:
    # The storage itself: the id of one that is gone may be that of another.
    return study._storage, study._study_id, study.study_name


def _others(study: optuna.Study, trial: FrozenTrial) -> list[FrozenTrial]:
    return [
        other
        for other in study.get_trials(deepcopy=False)
        if other.number != trial.number and other.state is not TrialState.WAITING
    ]


def _suggested(trial: FrozenTrial) -> Mapping[str, Any]:
    return trial.system_attrs.get(_ATTRIBUTE) or {}


def _value(trial: FrozenTrial) -> float | None:
    """Return what a trial has come to; None if it has failed."""
    value: float | None = None
    if trial.state is TrialState.COMPLETE:
        value = trial.value
    elif trial.state is TrialState.PRUNED and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    return value if value is not None and math.isfinite(value) else None


def _refuse(study: optuna.Study) -> None:
    """Refuse what the algorithms cannot do.

    Raises:
        InvalidArgument: If the study has several objectives, or its trials have constraints.
    """
    broken = []
    if len(study.directions) > 1:
        names = ", ".join(direction.name.lower() for direction in study.directions)
        rule = f"several objectives are not supported yet, got {names}"
        broken.append(BrokenRule("directions", rule))
    constraints = {name: None for t in study.get_trials(deepcopy=False) for name in t.constraints}
    if constraints:
        rule = f"are not supported yet, got {', '.join(constraints)}"
        broken.append(BrokenRule("constraints", rule))
    if broken:
        raise InvalidArgument(broken)

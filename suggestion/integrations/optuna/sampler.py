"""An Optuna sampler whose points are those of our algorithms (extra ``optuna``)."""

from __future__ import annotations

import hashlib
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.samplers._base import _process_constraints_after_trial
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from suggestion.integrations.optuna.claims import Decision, decide
from suggestion.integrations.optuna.goals import Goals
from suggestion.integrations.optuna.refusals import read_distributions, refused
from suggestion.integrations.optuna.replay import ATTRIBUTE, CLAIMED, INDEX, Proposal, Replay
from suggestion.tuning.errors import InvalidArgument, SpaceExhausted, attempt
from suggestion.tuning.goals import Method, Settings
from suggestion.tuning.objectives import Objective
from suggestion.tuning.reading import read_space
from suggestion.tuning.solvers import Solver, Suggested, check_method, open_solver
from suggestion.tuning.space import Space
from suggestion.tuning.tls import TLS

# A point is lost only to a worker that has just asked; so many in a row there are not.
_ATTEMPTS: Final = 64
# Seconds to wait for a worker that may have died, and between looks.
_LONGEST_WAIT: Final = 10.0
_PAUSE: Final = 0.01
_TIMEOUT: Final = 60.0


class SuggestionSampler(BaseSampler):
    """Sample the parameters of an Optuna study by one of the algorithms here.

    All parameters that every completed trial has had, with the same distribution, are sampled
    together; with `space` from the first trial on. Those that only some trials have, as in a
    conditional space, are sampled one by one by `independent_sampler`, as Optuna's own samplers
    do. A pruned trial counts with its last intermediate value, one without a value as failed.

    A study may have several directions; the first is the main one. Constraints of trials, which
    `constraints_func` or ``Trial.set_constraint`` gives, are met where they are at most 0; a trial
    that lacks one violates it.

    The points are a function of the study's name and the history in the storage: a restarted
    program goes on, and workers of one storage get distinct points.

    Args:
        algorithm: Its name; ``suggest algorithms`` lists them.
        settings: Of the algorithm, by name. Conditions, constraints on parameters and initial
            points need `space`.
        seed: Random seed; derived from the study's name if None.
        space: Optuna's distributions by name, where they are known before the first trial; some
            algorithms, such as grid, need them.
        independent_sampler: For parameters that are not sampled together; random by default.
        warn_independent_sampling: Whether to warn when it is used after the first trials.
        constraints_func: Returns the constraints of a trial that has ended, as for Optuna's own
            samplers.
        target: Address of a server, ``HOST:PORT``; None for the algorithms installed here. The
            suggestions are the same.
        tls: For a server that speaks TLS.
        timeout: Seconds to wait for each reply of a server.

    Raises:
        InvalidArgument: A `ValueError` with every rule that the arguments break. What can only be
            known of the study, such as its directions, is refused at its first trial.

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
        self._method = Method.of(algorithm, settings, seed)
        self._seed = seed
        self._space = None if space is None else read_distributions(space)
        self._independent = independent_sampler
        self._warn = warn_independent_sampling
        self._constraints_func = constraints_func
        self._server = (target, tls, timeout)
        goals = Goals.of([StudyDirection.MINIMIZE], [] if constraints_func is None else ["0"])
        objective = goals.objective
        broken = [*refused(self._method, space is not None)]
        attempt(broken, self._method.without_checkpoints)
        attempt(broken, lambda: self._check(objective))
        if broken:
            raise InvalidArgument(broken)
        self._reset()

    def _check(self, objective: Objective) -> None:
        """Check what is known before the first trial.

        Raises:
            InvalidArgument: With every rule that is broken.
        """
        if self._space is not None:
            self._open("study", read_space(_several_valued(self._space)), objective).close()
        elif self._server[0] is None:
            check_method(self._method.declaring(objective), objective)

    def _reset(self) -> None:
        self._lock = threading.RLock()  # threads of `Study.optimize(n_jobs=...)` share the sampler
        self._intersection: tuple[object, IntersectionSearchSpace] | None = None
        self._replay: Replay | None = None
        self._checked: Goals | None = None  # what the algorithm is known to be able to

    def _open(self, name: str, space: Space, objective: Objective) -> Solver:
        method = self._method.declaring(objective)
        solver = open_solver(name, space, objective, method, *self._server)
        try:
            solver.validate()
        except BaseException:
            solver.close()
            raise
        return solver

    def __getstate__(self) -> Mapping[str, object]:
        derived = {"_lock", "_intersection", "_replay", "_checked"}
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
        goals = self._goals(study)
        if not search_space:
            return {}
        with self._lock:
            replay = self._replay
            key = _identity(study), dict(search_space), goals
            if replay is None or replay.key != key:
                fresh = self._fresh(key, study.study_name, search_space, goals)
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

    def _goals(self, study: optuna.Study) -> Goals:
        """Return what `study` optimises.

        Raises:
            InvalidArgument: If the algorithm cannot.
        """
        found = Goals.of_study(study)
        if self._server[0] is None and found != self._checked:
            check_method(self._method.declaring(found.objective), found.objective)
            self._checked = found
        return found

    def _fresh(
        self, key: object, name: str, search_space: Mapping[str, BaseDistribution], goals: Goals
    ) -> Replay:
        space = read_space(search_space)
        return Replay(key, name, space, goals, lambda: self._open(name, space, goals.objective))

    def _distinct(
        self, study: optuna.Study, trial: FrozenTrial, replay: Replay
    ) -> dict[str, object]:
        """Return a point that no other running trial has, and tell the other workers; see `claims`.

        Where the space has too few points, the one of another trial.
        """
        others = _others(study, trial)
        for _ in range(_ATTEMPTS):
            proposal = replay.suggest(others)
            _write(study, trial, proposal, {CLAIMED: True})
            if not proposal.free:
                break
            confirmed, others = _compare(study, trial, replay, proposal.made)
            if confirmed:
                break
        _write(study, trial, proposal, {})
        return replay.space.decode_active(proposal.made.texts)

    # ------------------------------------------------------------------ one by one

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        self._goals(study)
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
        if self._constraints_func is not None:
            _process_constraints_after_trial(self._constraints_func, study, trial, state)
        if self._independent is not None:
            self._independent.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        if self._independent is not None:
            self._independent.reseed_rng()


def _several_valued(space: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
    return {name: entry for name, entry in space.items() if not entry.single()}


def _identity(study: optuna.Study) -> object:
    # The storage itself: the id of one that is gone may be that of another.
    return study._storage, study._study_id, study.study_name


def _others(study: optuna.Study, trial: FrozenTrial) -> list[FrozenTrial]:
    return [
        other
        for other in study.get_trials(deepcopy=False)
        if other.number != trial.number and other.state is not TrialState.WAITING
    ]


def _write(
    study: optuna.Study, trial: FrozenTrial, proposal: Proposal, state: Mapping[str, bool]
) -> None:
    """Tell the other workers what a trial was suggested."""
    made = proposal.made
    index = {} if proposal.index == trial.number else {INDEX: proposal.index}
    point: Any = {"name": made.name, "parameters": dict(made.texts), **index, **state}
    study._storage.set_trial_system_attr(trial._trial_id, ATTRIBUTE, point)


def _compare(
    study: optuna.Study, trial: FrozenTrial, replay: Replay, made: Suggested
) -> tuple[bool, list[FrozenTrial]]:
    """Return whether a claimed point can be kept, and the other trials as they are now."""
    deadline = time.monotonic() + _LONGEST_WAIT
    while True:
        others = _others(study, trial)
        decision = decide(trial.number, made.texts, replay.claims(others))
        if decision is not Decision.WAIT or time.monotonic() > deadline:
            return decision is Decision.CONFIRM, others
        time.sleep(_PAUSE)

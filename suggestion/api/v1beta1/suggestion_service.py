"""The Suggestion service: one servicer for every algorithm."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import messages as wire
from suggestion.engine import algorithm as algorithms_module
from suggestion.engine.algorithm import Algorithm, Registry, Reinterprets, Unavailable
from suggestion.numerics.sampling import seed_of
from suggestion.problem.deadline import NEVER, Deadline
from suggestion.problem.errors import Invalid, Violation, quote
from suggestion.problem.space import Assignment
from suggestion.problem.study import Experiment, History, Study, Suggestion
from suggestion.server.server import Broken, Call, Rpc

_NO_TRIALS: Final = History()
_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class SuggestionService:
    """Answers GetSuggestions and ValidateAlgorithmSettings for the algorithms of a registry.

    It keeps nothing between calls.
    """

    full_name = "api.v1.beta1.Suggestion"
    #: The controller's probes ask for the first name.
    health_names = ("manager.v1beta1.Suggestion", full_name)

    def __init__(self, registry: Registry[Algorithm]) -> None:
        self._registry = registry

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        return {
            "GetSuggestions": Rpc(api.GetSuggestionsRequest, self.get_suggestions),
            "ValidateAlgorithmSettings": Rpc(
                api.ValidateAlgorithmSettingsRequest, self.validate_algorithm_settings
            ),
        }

    def get_suggestions(
        self, request: api.GetSuggestionsRequest, call: Call
    ) -> api.GetSuggestionsReply:
        """Exactly as many suggestions as asked for.

        Raises:
            Invalid: INVALID_ARGUMENT; repeating the call does not help.
            Exhausted: OUT_OF_RANGE; the space has no more points.
            Unready: FAILED_PRECONDITION; something on this machine must be mended first.
            Broken: INTERNAL; the algorithm has a bug.
        """
        call.describe(
            experiment=request.experiment.name,
            algorithm=request.experiment.spec.algorithm.algorithm_name,
            trials=len(request.trials),
            count=request.current_request_number,
        )
        found: list[Violation] = []
        count = first_index = 0
        try:
            count, first_index = wire.read_count(request)
        except Invalid as error:
            found += error.violations
        experiment, algorithm, random_state = self._read(request.experiment, found)

        def read() -> History:
            history = wire.read_trials(request.trials, experiment)
            # A metric of another name makes all trials failed ones: the log is where it shows.
            kinds = ("observations", "pending", "failed", "foreign")
            call.describe(**{kind: len(getattr(history, kind)) for kind in kinds})
            return history

        study = _study(
            experiment,
            random_state,
            first_index=first_index,
            trials=read,
            deadline=call.deadline,
        )
        suggested = algorithm.suggest(study, count)
        suggestions = _checked(suggested, experiment, count)
        return wire.write_reply(suggestions, study.space)

    def validate_algorithm_settings(
        self, request: api.ValidateAlgorithmSettingsRequest, call: Call
    ) -> api.ValidateAlgorithmSettingsReply:
        """Accepts the experiment, or names everything that is wrong with it.

        Raises:
            Invalid: INVALID_ARGUMENT, which the controller shows to the user.
        """
        call.describe(
            experiment=request.experiment.name,
            algorithm=request.experiment.spec.algorithm.algorithm_name,
        )
        self._read(request.experiment, [])
        return api.ValidateAlgorithmSettingsReply()

    def _read(
        self, message: api.Experiment, found: list[Violation]
    ) -> tuple[Experiment, Any, int | None]:
        """The experiment, its algorithm and its ``random_state``.

        Raises:
            Invalid: With `found` and every further violation, if there is any.
        """
        experiment = configured = None
        try:
            experiment = wire.read_experiment(message)
        except Invalid as error:
            found += error.violations
        spec = message.spec.algorithm
        if spec.algorithm_name:
            try:
                cls = self._registry.load(spec.algorithm_name)
                configured = algorithms_module.build(cls, wire.read_settings(spec))
            except Unavailable as error:
                found.append(Violation("experiment.spec.algorithm.algorithm_name", str(error)))
            except Invalid as error:
                found += [v.under("experiment.spec.algorithm") for v in error.violations]
        else:
            names = ", ".join(self._registry) or "no algorithm"
            found[:] = [_with_names(v, names) for v in found]
        if experiment is not None and configured is not None:
            if isinstance(configured.algorithm, Reinterprets):
                space = configured.algorithm.search_space(experiment.space)
                experiment = replace(experiment, space=space)
            try:
                study = _study(experiment, configured.random_state)
                algorithms_module.check(configured.algorithm, study)
            except Invalid as error:
                found += [v.under("experiment") for v in error.violations]
        if found or experiment is None or configured is None:
            raise Invalid(found)
        return experiment, configured.algorithm, configured.random_state


def _with_names(violation: Violation, names: str) -> Violation:
    if not violation.field.endswith("algorithm_name"):
        return violation
    return Violation(violation.field, f"{violation.description}; this server has {names}")


def _study(
    experiment: Experiment,
    random_state: int | None,
    *,
    first_index: int = 0,
    trials: History | Callable[[], History] = _NO_TRIALS,
    deadline: Deadline = NEVER,
) -> Study:
    # The two kinds of seed must not meet: an experiment may be called "7".
    text = f"name {experiment.name}" if random_state is None else f"random_state {random_state}"
    return Study(
        name=experiment.name,
        space=experiment.space,
        seed=seed_of(text),
        first_index=first_index,
        trials=trials,
        max_trial_count=experiment.max_trial_count,
        parallel_trial_count=experiment.parallel_trial_count,
        deadline=deadline,
    )


def _checked(
    suggested: Sequence[Assignment | Suggestion], experiment: Experiment, count: int
) -> Iterable[Suggestion]:
    """`suggested` in one form, after checking what every reply must fulfil.

    Raises:
        Broken: If it does not.
    """
    subject = f"algorithm {quote(experiment.algorithm)}"
    space = experiment.space
    suggestions = [s if isinstance(s, Suggestion) else Suggestion(s) for s in suggested]
    if len(suggestions) != count:
        raise Broken(f"{subject} returned {len(suggestions)} suggestions, {count} were asked for")
    for suggestion in suggestions:
        if suggestion.assignment not in space:
            raise Broken(f"{subject} left the search space with {quote(suggestion.assignment)}")
        if suggestion.trial and not _DNS_LABEL.fullmatch(suggestion.trial):
            raise Broken(f"{subject} named a trial {quote(suggestion.trial)}: not a DNS label")
    names = [s.trial for s in suggestions if s.trial]
    if len(set(names)) < len(names):
        raise Broken(f"{subject} gave two trials one name")
    if space.size is None or space.size >= count:
        points = {space.key(s.assignment) for s in suggestions}
        if len(points) < count:
            raise Broken(f"{subject} repeated a point: {count - len(points)} of {count}")
    return suggestions

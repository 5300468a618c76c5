"""The Suggestion service: one servicer for every algorithm."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from suggestion.api.service import Call, Rpc
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import locations
from suggestion.api.v1beta1 import messages as wire
from suggestion.api.v1beta1.trial_messages import divided, read_earlier, read_trials
from suggestion.engine.algorithm import Algorithm, Registry
from suggestion.engine.declared import INITIAL_POINTS, PRIOR_TRIALS
from suggestion.engine.engine import Engine, Prepared
from suggestion.problem.earlier import EarlierStudy
from suggestion.problem.errors import Invalid, Violation
from suggestion.problem.problem import MOST_TRIALS
from suggestion.problem.study import History

_JSON_SETTINGS: Final = tuple(each.name.encode() for each in (INITIAL_POINTS, PRIOR_TRIALS))


class SuggestionService:
    """Answers GetSuggestions and ValidateAlgorithmSettings for the algorithms of a registry.

    It keeps nothing between calls that a reply depends on.
    """

    full_name = "api.v1.beta1.Suggestion"
    #: The controller's probes ask for the first name.
    health_names = ("manager.v1beta1.Suggestion", full_name)

    def __init__(self, registry: Registry[Algorithm]) -> None:
        self._engine = Engine(registry)

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        return {
            "GetSuggestions": Rpc(
                api.GetSuggestionsRequest,
                self.get_suggestions,
                portable=True,
                json_settings=_JSON_SETTINGS,
                suggests=True,
            ),
            "ValidateAlgorithmSettings": Rpc(
                api.ValidateAlgorithmSettingsRequest,
                self.validate_algorithm_settings,
                validates=True,
                portable=True,
                json_settings=_JSON_SETTINGS,
            ),
        }

    def get_suggestions(
        self, request: api.GetSuggestionsRequest, call: Call
    ) -> api.GetSuggestionsReply:
        """Exactly as many suggestions as asked for.

        Raises:
            Invalid: INVALID_ARGUMENT; repeating the call does not help.
            Exhausted: OUT_OF_RANGE; the space has no more points.
            Unready: FAILED_PRECONDITION; something on this machine must be fixed first.
            Broken: INTERNAL; the algorithm has a bug.
        """
        check = call.deadline.check
        trials = divided(request.trials, call.raw, check)
        call.describe(
            experiment=request.experiment.name,
            algorithm=request.experiment.spec.algorithm.algorithm_name,
            trials=len(trials.own),
            count=request.current_request_number,
        )
        found: list[Violation] = []
        count = first_index = 0
        try:
            count, first_index = wire.read_count(request, len(trials.own))
        except Invalid as error:
            found += error.violations
        if len(request.trials) > MOST_TRIALS:
            text = f"trials: a request must hold at most {MOST_TRIALS}, got {len(request.trials)}"
            found.append(Violation(("trials",), text))
        earlier: Sequence[EarlierStudy] = ()
        try:
            earlier = read_earlier(trials.earlier, request.experiment.spec.objective, check)
        except Invalid as error:
            found += error.violations
        prepared = self._prepared(request.experiment, call, found, earlier)

        reading = 0.0

        def read() -> History:
            nonlocal reading
            began = time.perf_counter()
            history = read_trials(trials.own, prepared.problem, check)
            reading = time.perf_counter() - began
            # A metric of another name makes all trials failed ones: the log is where it shows.
            kinds = ("observations", "pending", "failed", "out_of_space")
            call.describe(**{kind: len(getattr(history, kind)) for kind in kinds})
            return history

        with locations.written(partial(locations.in_request, experiment=request.experiment)):
            began = time.perf_counter()
            try:
                suggestions = prepared.suggest(
                    count, first_index=first_index, trials=read, deadline=call.deadline
                )
                return wire.write_reply(suggestions, prepared.problem.space)
            finally:
                call.model_seconds = time.perf_counter() - began - reading

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
        self._prepared(request.experiment, call)
        return api.ValidateAlgorithmSettingsReply()

    def _prepared(
        self,
        message: api.Experiment,
        call: Call,
        found: Iterable[Violation] = (),
        earlier: Sequence[EarlierStudy] = (),
    ) -> Prepared:
        """Return the experiment with its algorithm, both checked.

        Raises:
            Invalid: With `found` and every further violation, if there is any; their locations are
                paths of a request.
        """
        problem = None
        found = list(found)
        try:
            problem = wire.read_problem(message)
        except Invalid as error:
            found += error.violations
        choice = wire.read_algorithm(message.spec.algorithm)
        with locations.written(partial(locations.in_request, experiment=message)):
            return self._engine.prepare(
                problem, choice, found, earlier=earlier, deadline=call.deadline
            )

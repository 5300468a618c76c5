"""The servers of an experiment, as the library in this process: nothing is started for `tune`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.controller import messages
from suggestion.controller.context import Answer, Closed, ServerRefused
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report, Series
from suggestion.controller.rules import GREATER, LESS, Rule
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from suggestion.earlystopping.log import read_losses
from suggestion.earlystopping.rule import Curve, rules
from suggestion.engine.algorithm import Unavailable
from suggestion.engine.settings import RawSetting, configure
from suggestion.problem import errors
from suggestion.problem.errors import Violation, quote
from suggestion.tuning.goals import Method

#: Answers a request for suggestions; raises of `suggestion.problem.errors`.
Suggest = Callable[[api.GetSuggestionsRequest], api.GetSuggestionsReply]


def stopping_rule(method: Method) -> Any:
    """Return the early-stopping rule that a method names, with its settings.

    Raises:
        Invalid: With every violation of its settings.
    """
    try:
        cls: type[Any] = rules().load(method.name)
    except Unavailable as error:
        raise errors.Invalid([Violation(("algorithm",), str(error))]) from error
    given = [RawSetting(*item) for item in method.settings.items()]
    made, _ = configure(cls, f"early-stopping algorithm {quote(method.name)}", given)
    return made


@dataclass(frozen=True, slots=True)
class _Curves:
    """The early-stopping rule of an experiment, and the curves that it judges by."""

    rule: Any
    objective: Objective
    curves: dict[str, Curve]

    def add(self, trial: Trial, reports: Sequence[Report]) -> None:
        own = [report for report in reports if report.metric == self.objective.metric]
        losses = read_losses(
            [report.time for report in own],
            [report.value for report in own],
            maximize=self.objective.maximize,
            horizon=self.rule.horizon,
        )
        if losses:
            self.curves[trial.name] = Curve(trial.name, losses)

    def rules(self) -> list[Rule]:
        """Return the rules of the trials that are made next."""
        found = self.rule.threshold(list(self.curves.values()))
        if found is None:
            return []
        value = (-found.loss if self.objective.maximize else found.loss) + 0.0
        comparison = LESS if self.objective.maximize else GREATER
        return [Rule(self.objective.metric, value, comparison, found.step)]


class Library:
    """Answers what a controller asks of servers.

    Args:
        store: Of the experiment; read in the controller's thread alone.
        suggest: The algorithm.
        rule: Of early stopping; None without.
        parameters: Names of the experiment's parameters.
        stopped: Set when nobody waits for answers any more.
    """

    def __init__(
        self,
        store: Store,
        suggest: Suggest,
        rule: Any,
        objective: Objective,
        parameters: Sequence[str],
        stopped: threading.Event,
    ) -> None:
        self._store = store
        self._suggest = suggest
        self._objective = objective
        self._parameters = parameters
        self._stopped = stopped
        self._curves = None if rule is None else _Curves(rule, objective, {})
        self._requests = messages.Requests(objective)

    def remember(self, trial: Trial) -> None:
        self._requests.remember(trial)
        if self._curves is not None and trial.condition is Condition.SUCCEEDED:
            self._curves.add(trial, self._store.reports(trial.number))

    def suggest(
        self, experiment: Experiment, active: Iterable[Trial], count: int, total: int
    ) -> Callable[[], Answer | None]:
        request = self._requests.write(experiment, active, count, total)
        rules = [] if self._curves is None else self._curves.rules()
        return lambda: self._answer(request, rules)

    def _answer(self, request: api.GetSuggestionsRequest, rules: list[Rule]) -> Answer | None:
        while True:
            if self._stopped.is_set():
                raise Closed
            try:
                reply = self._suggest(request)
                break
            except errors.Exhausted:
                # Fewer may be left than were asked for.
                if not messages.ask_for_fewer(request):
                    return None
            except _REFUSALS as error:
                raise ServerRefused(str(error)) from error
        count = request.current_request_number
        try:
            made = messages.read_suggestions(reply, count, self._parameters)
            own = messages.read_rules(reply)
        except messages.BadReply as error:
            raise ServerRefused(str(error)) from error
        return Answer(made, messages.read_settings(reply), [*own, *rules])

    def report(self, trial: str, reports: Sequence[Report]) -> Callable[[], None]:
        return _nothing  # the store has them

    def forget(self, trial: str) -> Callable[[], None]:
        return _nothing

    def pushed(self, trial: str) -> Callable[[], Mapping[str, Series]]:
        raise NotImplementedError("functions report to their runner")

    def stopped(self, trial: str) -> Callable[[], None]:
        return _nothing

    def database(self) -> str:
        return ""


_REFUSALS = (errors.Invalid, errors.Unready, errors.Broken, errors.Denied, errors.Missing)


def _nothing() -> None:
    """Nobody else has to know."""

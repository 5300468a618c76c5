"""The servers of an experiment, as the library in this process: nothing is started for `tune`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.replies import BadReply
from suggestion.controller import messages
from suggestion.controller.context import Answer, Closed, ServerRefused
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report, Series
from suggestion.controller.rules import GREATER, LESS, Rule
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from suggestion.earlystopping.log import read_losses
from suggestion.earlystopping.rule import Curve, Threshold, build, rules
from suggestion.earlystopping.stepwise import Asking, Stepwise, next_threshold
from suggestion.engine.algorithm import Unavailable
from suggestion.engine.settings import RawSetting
from suggestion.problem import errors
from suggestion.problem.errors import Violation
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
    return build(cls, given)


@dataclass(frozen=True, slots=True)
class _Curves:
    """The early-stopping rule of an experiment, and the curves that it judges by."""

    rule: Any
    objective: Objective
    ended: dict[str, Curve]

    def counts(self, trial: Trial) -> bool:
        """Return whether the rule counts a trial that has ended."""
        stopped = trial.condition is Condition.EARLY_STOPPED
        return trial.condition is Condition.SUCCEEDED or (stopped and self.unfinished)

    @property
    def unfinished(self) -> bool:
        """Whether the rule counts trials that run or were stopped."""
        return bool(getattr(self.rule, "unfinished", False))

    def read(self, trial: Trial, reports: Sequence[Report]) -> list[Curve]:
        """Return the curve of a trial; none if it has reported no number."""
        own = [report for report in reports if report.metric == self.objective.metric]
        losses = read_losses(
            [report.time for report in own],
            [report.value for report in own],
            maximize=self.objective.maximize,
            horizon=len(own) if isinstance(self.rule, Stepwise) else self.rule.horizon,
        )
        return [Curve(trial.name, losses)] if losses else []

    def first(self, running: Iterable[Curve]) -> list[Rule]:
        """Return the rules of the trials that are made next."""
        return self._rules(self.rule.threshold([*self.ended.values(), *running]))

    def next(self, asking: Asking, running: Iterable[Curve]) -> list[Rule]:
        """Return the next rules of the trial that asks."""
        return self._rules(next_threshold(self.rule, asking, [*self.ended.values(), *running]))

    def _rules(self, found: Threshold | None) -> list[Rule]:
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
        curves = self._curves
        if curves is not None and curves.counts(trial):
            for curve in curves.read(trial, self._store.reports(trial.number)):
                curves.ended[trial.name] = curve

    def suggest(
        self, experiment: Experiment, active: Iterable[Trial], count: int, total: int
    ) -> Callable[[], Answer | None]:
        request = self._requests.write(experiment, active, count, total)
        curves = self._curves
        rules = [] if curves is None else curves.first(self._running(curves, active))
        return lambda: self._answer(request, rules)

    def next_rules(
        self, experiment: Experiment, active: Iterable[Trial], trial: Trial, step: int
    ) -> Callable[[], Sequence[Rule]]:
        curves = self._curves
        assert curves is not None
        rules = curves.next(Asking(trial.name, step), self._running(curves, active, trial))
        return lambda: rules

    def _running(
        self, curves: _Curves, active: Iterable[Trial], asking: Trial | None = None
    ) -> list[Curve]:
        """Return the curves of running trials that count, and of the one that asks."""
        return [
            curve
            for trial in active
            if trial.condition is Condition.RUNNING and (curves.unfinished or trial == asking)
            for curve in curves.read(trial, self._store.reports(trial.number))
        ]

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
        except BadReply as error:
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

"""The servers of an experiment, called over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.launch import ServerError
from suggestion.client.replies import BadReply
from suggestion.client.servers import Client, Stopped, describe
from suggestion.controller import messages
from suggestion.controller.context import Answer, Closed, ServerRefused
from suggestion.controller.experiment import Experiment
from suggestion.controller.observation import Objective, Report, Series
from suggestion.controller.rules import Rule
from suggestion.controller.trials import Trial


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of an experiment's servers; `stopping` is None without early stopping."""

    suggestion: Client
    database: Client
    stopping: Client | None


class RemoteServers:
    """Call an experiment's servers.

    Args:
        parameters: Names of the experiment's parameters.
        note: Told of calls that fail without harm.
    """

    def __init__(
        self,
        clients: Clients,
        objective: Objective,
        parameters: Sequence[str],
        note: Callable[[str], None],
    ) -> None:
        self.clients = clients
        self._objective = objective
        self._parameters = parameters
        self._note = note
        self._requests = messages.Requests(objective)

    def remember(self, trial: Trial) -> None:
        self._requests.remember(trial)

    def suggest(
        self, experiment: Experiment, active: Iterable[Trial], count: int, total: int
    ) -> Callable[[], Answer | None]:
        request = self._requests.write(experiment, active, count, total)
        return lambda: self._suggest(request)

    def _suggest(self, request: api.GetSuggestionsRequest) -> Answer | None:
        """Ask for suggestions, then for the rules of their trials."""
        with _refusals():
            while True:
                try:
                    reply = self.clients.suggestion.call("GetSuggestions", request)
                    break
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                        raise
                    # Fewer may be left than were asked for.
                    if not messages.ask_for_fewer(request):
                        return None
            count = request.current_request_number
            suggestions = messages.read_suggestions(reply, count, self._parameters)
            rules = messages.read_rules(reply)
            stopping = self.clients.stopping
            if stopping is not None:
                # The DBManager may die while the rules are asked for: where it is, is looked up for
                # each attempt, which starts it again.
                asked = lambda: messages.rules_request(request, self.database())  # noqa: E731
                rules += messages.read_rules(stopping.call("GetEarlyStoppingRules", asked))
            return Answer(suggestions, messages.read_settings(reply), rules)

    def next_rules(
        self, experiment: Experiment, active: Iterable[Trial], trial: Trial, step: int
    ) -> Callable[[], Sequence[Rule]]:
        request = self._requests.write_rules(experiment, active, trial.name, step)

        def asked() -> api.GetEarlyStoppingRulesRequest:
            request.db_manager_address = self.database()
            return request

        def call() -> Sequence[Rule]:
            stopping = self.clients.stopping
            assert stopping is not None
            with _refusals():
                try:
                    return messages.read_rules(stopping.call("GetEarlyStoppingRules", asked))
                except (grpc.RpcError, BadReply) as error:
                    text = describe(error) if isinstance(error, grpc.RpcError) else str(error)
                    # A trial that is not judged again is no reason to end the experiment.
                    self._note(f"{trial.name}: GetEarlyStoppingRules: {text}")
                    return ()

        return call

    def report(self, trial: str, reports: Sequence[Report]) -> Callable[[], None]:
        request = messages.report(trial, reports)

        def call() -> None:
            with _refusals():
                try:
                    self.clients.database.call("ReportObservationLog", request)
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                        raise
                    # What one trial has reported is no reason to end the experiment.
                    self._note(f"{trial}: the DBManager refuses its reports: {describe(error)}")

        return call

    def forget(self, trial: str) -> Callable[[], None]:
        request = api.DeleteObservationLogRequest(trial_name=trial)
        return self._database("DeleteObservationLog", request)

    def _database(self, method: str, request: Any) -> Callable[[], None]:
        def call() -> None:
            with _refusals():
                self.clients.database.call(method, request)

        return call

    def pushed(self, trial: str) -> Callable[[], Mapping[str, Series]]:
        request = api.GetObservationLogRequest(trial_name=trial)

        def call() -> dict[str, Series]:
            with _refusals():
                reply = self.clients.database.call("GetObservationLog", request)
            series: dict[str, Series] = {}
            for report in messages.read_log(reply, self._objective.strategies):
                known = series.get(report.metric, Series())
                series[report.metric] = known.plus(report.value)
            return series

        return call

    def stopped(self, trial: str) -> Callable[[], None]:
        request = api.SetTrialStatusRequest(trial_name=trial)

        def call() -> None:
            assert self.clients.stopping is not None
            with _refusals():
                try:
                    self.clients.stopping.call("SetTrialStatus", request)
                except grpc.RpcError as error:
                    self._note(f"{trial}: SetTrialStatus: {describe(error)}")

        return call

    def database(self) -> str:
        with _refusals():
            return self.clients.database.server.address()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what clients raise into what the controller knows."""
    try:
        yield
    except Stopped as error:
        raise Closed from error
    except grpc.RpcError as error:
        raise ServerRefused(describe(error)) from error
    except (BadReply, ServerError) as error:
        raise ServerRefused(str(error)) from error

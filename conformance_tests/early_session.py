"""One run of the suite against one EarlyStopping server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.check import Call, Failed, NotRun
from suggestion.conformance.logstore import LogServer
from suggestion.conformance.messages import Status
from suggestion.conformance.target import Client, Instance, Launcher

#: The step from which on trials are judged, unless a check sets another one.
STEP: Final = 4
_RULES: Final = "EarlyStopping/GetEarlyStoppingRules"


class EarlySession:
    """One run of the suite against one EarlyStopping server.

    Args:
        algorithm: The rule's name: ``medianstop``.
        address: ``HOST:PORT``.
        launcher: Starts more servers, for checks that kill them.
        host: The name under which the server reaches the suite's DBManager.
    """

    def __init__(
        self,
        algorithm: str,
        address: str,
        launcher: Launcher | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.algorithm = algorithm
        self.address = address
        self.launcher = launcher
        self.calls: list[Call] = []
        self.client = Client(address, self.calls.append)
        self.logs = LogServer(host)

    def close(self) -> None:
        """Close the connection and stop the DBManager."""
        self.client.close()
        self.logs.close()

    def launch(self) -> Instance:
        """Start a fresh server; raise `NotRun` if the suite was not told how."""
        if self.launcher is None:
            raise NotRun("needs --start-early-stopping, to start and kill servers of its own")
        return self.launcher.launch()

    def trials(
        self,
        name: str,
        logs: Sequence[Sequence[str]],
        condition: pb.TrialStatus.TrialConditionType = Status.SUCCEEDED,
        metric: str = messages.METRIC,
    ) -> list[pb.Trial]:
        """Make trials whose logs of the objective can be fetched from now on."""
        made = []
        for index, log in enumerate(logs):
            trial = f"conformance-{name}-{index}"
            self.logs.store.feed(trial, log, metric)
            made.append(messages.trial(trial, {"x": str(index)}, log[-1] if log else "", condition))
        return made

    def request(
        self,
        name: str,
        trials: Sequence[pb.Trial],
        settings: Mapping[str, str] | None = None,
        *,
        maximize: bool = False,
    ) -> pb.GetEarlyStoppingRulesRequest:
        """Make a request for the rules of an experiment."""
        experiment = messages.experiment(
            f"conformance-{name}", "random", (messages.double("x", "0", "10"),), maximize=maximize
        )
        experiment.spec.early_stopping.CopyFrom(self.spec(settings))
        return pb.GetEarlyStoppingRulesRequest(
            experiment=experiment, trials=trials, db_manager_address=self.logs.address
        )

    def spec(self, settings: Mapping[str, str] | None = None) -> pb.EarlyStoppingSpec:
        """Return the algorithm with its settings."""
        given = {"min_trials_required": "3", "start_step": str(STEP), **(settings or {})}
        return pb.EarlyStoppingSpec(
            algorithm_name=self.algorithm,
            algorithm_settings=[pb.EarlyStoppingSetting(name=k, value=v) for k, v in given.items()],
        )

    def rules(
        self, request: pb.GetEarlyStoppingRulesRequest, what: str, client: Client | None = None
    ) -> list[pb.EarlyStoppingRule]:
        """Return the rules; raise `Failed` if the call fails."""
        call = (client or self.client).call(_RULES, request)
        if not isinstance(call.reply, pb.GetEarlyStoppingRulesReply):
            raise Failed(f"{what}: must be answered, got {call.status}", call)
        return list(call.reply.early_stopping_rules)

    def rule(
        self, request: pb.GetEarlyStoppingRulesRequest, what: str, client: Client | None = None
    ) -> pb.EarlyStoppingRule:
        """Return the one rule; raise `Failed` if there are none or several."""
        rules = self.rules(request, what, client)
        if len(rules) != 1:
            raise Failed(f"{what}: there must be one rule, got {len(rules)}", self.calls[-1])
        return rules[0]

    def expect(
        self,
        request: pb.GetEarlyStoppingRulesRequest,
        value: float,
        what: str,
        client: Client | None = None,
    ) -> None:
        """Raise `Failed` unless the threshold is `value` up to rounding."""
        got = self.rule(request, what, client).value
        try:
            close = abs(float(got) - value) <= 1e-9 * max(1.0, abs(value))
        except ValueError:
            close = False
        if not close:
            raise Failed(f"{what}: the threshold must be {value}, got {got!r}", self.calls[-1])

    def call(self, request: pb.GetEarlyStoppingRulesRequest) -> Call:
        """Ask for rules, whatever comes of it."""
        return self.client.call(_RULES, request)

    def validate(self, spec: pb.EarlyStoppingSpec) -> Call:
        """Call ValidateEarlyStoppingSettings."""
        request = pb.ValidateEarlyStoppingSettingsRequest(early_stopping=spec)
        return self.client.call("EarlyStopping/ValidateEarlyStoppingSettings", request)

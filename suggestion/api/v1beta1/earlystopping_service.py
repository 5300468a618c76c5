"""The EarlyStopping service: one servicer for every rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from suggestion.api.service import Call, Lane, Rpc
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1 import earlystopping_messages as wire
from suggestion.api.v1beta1 import locations
from suggestion.api.v1beta1.log_reader import CurveReader
from suggestion.earlystopping.rule import MAX_STEP, Curve, Rule, Threshold, build
from suggestion.earlystopping.statuses import Statuses
from suggestion.earlystopping.stepwise import Stepwise, horizon, next_threshold
from suggestion.engine.algorithm import Registry, Unavailable
from suggestion.problem.errors import Broken, Invalid, Violation, quote

#: Calls that wait for others at a time, and those that wait for a thread at most.
_THREADS: Final = 16
_MOST_WAITING: Final = 256


class EarlyStoppingService:
    """Answers for the rules of a registry.

    A reply is a function of the request and of the observation logs; nothing but these logs is
    kept between calls.

    Args:
        registry: The rules that it serves.
        reader: Of observation logs.
        statuses: Where stopped trials are marked.
    """

    full_name = "api.v1.beta1.EarlyStopping"
    health_names = ("manager.v1beta1.EarlyStopping", full_name)

    def __init__(self, registry: Registry[Rule], reader: CurveReader, statuses: Statuses) -> None:
        self._registry = registry
        self._reader = reader
        self._statuses = statuses
        # These wait for DB managers that the request names, and for the cluster.
        self._waiting = Lane("early stopping", threads=_THREADS, waiting=_MOST_WAITING)

    @property
    def rpcs(self) -> Mapping[str, Rpc]:
        return {
            "GetEarlyStoppingRules": Rpc(
                api.GetEarlyStoppingRulesRequest, self.get_early_stopping_rules, self._waiting
            ),
            "SetTrialStatus": Rpc(api.SetTrialStatusRequest, self.set_trial_status, self._waiting),
            "ValidateEarlyStoppingSettings": Rpc(
                api.ValidateEarlyStoppingSettingsRequest,
                self.validate_early_stopping_settings,
                validates=True,
            ),
        }

    def get_early_stopping_rules(
        self, request: api.GetEarlyStoppingRulesRequest, call: Call
    ) -> api.GetEarlyStoppingRulesReply:
        """Return the rule for the trials created next, or the next one of the trial that asks.

        Raises:
            Invalid: INVALID_ARGUMENT; repeating the call does not help.
            Unreachable: UNAVAILABLE; the DB manager cannot be reached, now.
            TimedOut: DEADLINE_EXCEEDED; the DB manager is too slow, now.
        """
        spec = request.experiment.spec.early_stopping
        call.describe(
            experiment=request.experiment.name,
            algorithm=spec.algorithm_name,
            trials=len(request.trials),
        )
        found: list[Violation] = []
        read = rule = None
        try:
            rule = self._configured(spec, "experiment", "spec", "early_stopping")
        except Invalid as error:
            found += error.violations
        try:
            read = wire.read_request(request)
        except Invalid as error:
            found += error.violations
        if read is None or rule is None:
            raise Invalid(found)
        threshold = self._threshold(rule, read, call)
        return wire.write_reply(
            read.metric, read.maximize, _checked(threshold, spec.algorithm_name)
        )

    def _threshold(self, rule: Any, read: wire.Request, call: Call) -> Threshold | None:
        if read.asking is None:
            trials = read.succeeded
            if getattr(rule, "unfinished", False):
                trials += read.unfinished
            if len(trials) < rule.min_trials_required:
                return None
            found: Threshold | None = rule.threshold(self._curves(read, trials, rule.horizon, call))
            return found
        if not isinstance(rule, Stepwise):
            return None
        reports = horizon(rule, read.asking)
        trials = read.succeeded + tuple(
            trial
            for trial in read.unfinished
            if rule.unfinished or trial.trial == read.asking.trial
        )
        return next_threshold(rule, read.asking, self._curves(read, trials, reports, call))

    def _curves(
        self, read: wire.Request, trials: Sequence[wire.Logged], reports: int, call: Call
    ) -> Sequence[Curve]:
        """Return the first `reports` reports of those of `trials` whose logs are usable."""
        if not trials:
            return ()
        if not read.address:
            text = "db_manager_address must be HOST:PORT, got ''"
            raise Invalid([Violation(("db_manager_address",), text)])
        curves = self._reader.read(
            read.address,
            trials,
            maximize=read.maximize,
            horizon=reports,
            deadline=call.deadline,
        )
        call.describe(curves=len(curves))
        return curves

    def set_trial_status(
        self, request: api.SetTrialStatusRequest, call: Call
    ) -> api.SetTrialStatusReply:
        """Marks a trial as stopped early; see `Statuses.mark_stopped` for what it raises."""
        call.describe(trial=request.trial_name)
        self._statuses.mark_stopped(wire.read_trial_name(request), call.deadline)
        return api.SetTrialStatusReply()

    def validate_early_stopping_settings(
        self, request: api.ValidateEarlyStoppingSettingsRequest, call: Call
    ) -> api.ValidateEarlyStoppingSettingsReply:
        """Accepts the settings, or names everything that is wrong with them.

        Raises:
            Invalid: INVALID_ARGUMENT, which the controller shows to the user.
        """
        call.describe(algorithm=request.early_stopping.algorithm_name)
        self._configured(request.early_stopping, "early_stopping")
        return api.ValidateEarlyStoppingSettingsReply()

    def _configured(self, spec: api.EarlyStoppingSpec, *path: str) -> Any:
        """Return the rule that `spec`, at `path` of the request, names, with its settings.

        Raises:
            Invalid: With every violation.
        """
        with locations.written(lambda location: (*path, *locations.in_algorithm(location))):
            return self._rule(spec)

    def _rule(self, spec: api.EarlyStoppingSpec) -> Any:
        name = spec.algorithm_name
        if not name:
            names = ", ".join(self._registry) or "no rule"
            text = f"early stopping: the algorithm name must not be empty; this server has {names}"
            raise Invalid([Violation(("algorithm",), text)])
        try:
            cls: type[Any] = self._registry.load(name)
        except Unavailable as error:
            raise Invalid([Violation(("algorithm",), str(error))]) from error
        return build(cls, wire.read_settings(spec))


def _checked(threshold: Threshold | None, name: str) -> Threshold | None:
    """`threshold`, if it can leave the server.

    Raises:
        Broken: If it is none.
    """
    if threshold is not None and not (
        math.isfinite(threshold.loss) and 0 < threshold.step <= MAX_STEP
    ):
        raise Broken(f"early-stopping algorithm {quote(name)} gave {threshold}")
    return threshold

"""Small correct servers, from which the bad ones differ by one fault each.

An algorithm that learns (``reference``: draws around the best trial) and one that promotes
(``reference-rungs``: asynchronous successive halving), the median rule, and nothing else.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import statistics
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.api.v1beta1 import api_pb2_grpc
from suggestion.conformance.logstore import LogStore
from suggestion.conformance.messages import integer
from suggestion.conformance.profiles import Profile, Unfit
from suggestion.conformance.space import Space, decimal

Assignment = dict[str, str]
C = pb.TrialStatus


def _crowded(experiment: pb.Experiment) -> None:
    experiment.spec.parallel_trial_count = 1001


PROFILE = Profile(
    "reference",
    good=({"warmup": "5"}, {"random_state": "7"}),
    bad=(("warmup", "-1"), ("warmup", "few")),
    unfit=(Unfit("1001 trials in parallel", _crowded, ("parallel_trial_count",)),),
    latency=600.0,
)
RUNGS = Profile(
    "reference-rungs",
    settings={"r_l": "27", "resource_name": "epochs"},
    extra=(integer("epochs", "1", "27"),),
    resource="epochs",
    maximum=27,
    learns=False,
)


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it has no types
    """Answers SERVING for some names."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:  # noqa: N802
        self.server.before_health()
        if request.service not in self.server.health_names:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class Server:
    """What all reference servers share: a process's worth of state, health, a socket."""

    health_names: tuple[str, ...] = ("",)
    options: tuple[tuple[str, int], ...] = (("grpc.max_receive_message_length", -1),)

    def before_health(self) -> None:
        """Called before health is answered."""

    def register(self, server: grpc.Server) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class History:
    """The trials of a request, read."""

    observed: list[tuple[float, Assignment]] = field(default_factory=list)
    pending: list[Assignment] = field(default_factory=list)
    failed: list[Assignment] = field(default_factory=list)


class Suggestion(Server, api_pb2_grpc.SuggestionServicer):
    """A correct server for the two algorithms. Every method is a place for one fault."""

    health_names: tuple[str, ...] = (
        "",
        "manager.v1beta1.Suggestion",
        "api.v1.beta1.Suggestion",
    )

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.in_flight = 0

    def register(self, server: grpc.Server) -> None:
        api_pb2_grpc.add_SuggestionServicer_to_server(self, server)

    # ------------------------------------------------------------ validation

    def ValidateAlgorithmSettings(  # noqa: N802
        self, request: pb.ValidateAlgorithmSettingsRequest, context: Any
    ) -> pb.ValidateAlgorithmSettingsReply:
        found = self.violations(request.experiment)
        if found:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.text(found))
        return pb.ValidateAlgorithmSettingsReply()

    def text(self, found: Sequence[tuple[str, str]]) -> str:
        return "; ".join(text for _, text in found)

    def violations(self, experiment: pb.Experiment) -> list[tuple[str, str]]:
        """Pairs of the id of the check that is about it and a text."""
        return list(self._violations(experiment))

    def _violations(self, experiment: pb.Experiment) -> Iterator[tuple[str, str]]:
        spec = experiment.spec
        name = spec.algorithm.algorithm_name
        if name not in ("reference", "reference-rungs"):
            yield "refuse-unknown-algorithm", f"there is no algorithm {name!r}"
        known = {"random_state", "warmup", "r_l", "resource_name", "state"}
        for setting in spec.algorithm.algorithm_settings:
            if setting.name not in known:
                yield "refuse-unknown-setting", f"there is no setting {setting.name!r}"
            elif setting.name in ("random_state", "warmup") and not setting.value.isdecimal():
                yield "refuse-bad-setting", f"setting {setting.name}: must be an int >= 0"
        if spec.parallel_trial_count > 1000:
            yield "refuse-unfit-experiment", "parallel_trial_count must be at most 1000"
        if not spec.HasField("objective"):
            yield "refuse-no-objective", "objective is missing"
        elif spec.objective.type == pb.UNKNOWN:
            yield "refuse-no-direction", "objective type is missing"
        elif not spec.objective.objective_metric_name:
            yield "refuse-no-metric", "objective metric name is missing"
        parameters = self.declared(experiment)
        if not parameters:
            yield "refuse-no-parameters", "there must be parameters"
        names = [p.name for p in parameters]
        for twice in {n for n in names if names.count(n) > 1}:
            yield "refuse-duplicate-name", f"parameter {twice!r} is there twice"
        for parameter in parameters:
            for identity, text in self._parameter_violations(parameter):
                yield identity, f"parameter {parameter.name!r}: {text}"

    def declared(self, experiment: pb.Experiment) -> Sequence[pb.ParameterSpec]:
        """The parameters that an experiment declares, if any."""
        return experiment.spec.parameter_specs.parameters

    def _parameter_violations(self, spec: pb.ParameterSpec) -> Iterator[tuple[str, str]]:
        space = spec.feasible_space
        if not spec.name:
            yield "refuse-nameless-parameter", "name must not be empty"
        if spec.parameter_type == pb.UNKNOWN_TYPE:
            yield "refuse-unknown-type", "type is missing"
        elif spec.parameter_type in (pb.DISCRETE, pb.CATEGORICAL):
            if not space.list:
                yield "refuse-empty-list", "list is empty"
            if len(set(space.list)) < len(space.list):
                yield "refuse-duplicate-entry", "list entries must differ"
            if spec.parameter_type == pb.DISCRETE and None in map(decimal, space.list):
                yield "refuse-discrete-text", "list entries must be numbers"
        else:
            low, high = decimal(space.min), decimal(space.max)
            step = decimal(space.step or "1")
            if "inf" in (space.min, space.max):
                yield "refuse-infinite-bound", "bounds must be finite"
            elif low is None or high is None or step is None:
                yield "refuse-bad-number", "min, max and step must be numbers"
            elif spec.parameter_type == pb.INT and (low % 1 or high % 1):
                yield "refuse-fractional-int", "bounds of an int must be whole"
            elif low > high:
                yield "refuse-min-above-max", "min must not exceed max"
            elif step == 0:
                yield "refuse-zero-step", "step must not be 0"
            elif step < 0:
                yield "refuse-negative-step", "step must not be negative"
            elif space.step and step > high - low:
                yield "refuse-wide-step", "step must not be wider than the range"
            elif space.distribution in (pb.LOG_UNIFORM, pb.LOG_NORMAL) and low <= 0:
                yield "refuse-log-min-zero", "a logarithmic range needs min > 0"

    # ----------------------------------------------------------- suggestions

    def GetSuggestions(  # noqa: N802
        self, request: pb.GetSuggestionsRequest, context: Any
    ) -> pb.GetSuggestionsReply:
        with self.lock:
            self.in_flight += 1
        try:
            self.look_at(request)
            if request.current_request_number < 1 or not request.experiment.HasField("spec"):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "ask for at least 1 suggestion")
            reply = pb.GetSuggestionsReply()
            for assignment in self.suggest(request):
                item = reply.parameter_assignments.add()
                for name, value in assignment.items():
                    item.assignments.add(name=name, value=value)
            self.finish(request, reply)
            return reply
        finally:
            with self.lock:
                self.in_flight -= 1

    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        """Called before anything else."""

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        """Called with the reply before it is sent."""

    def read(self, request: pb.GetSuggestionsRequest) -> History:
        history = History()
        names = self.space(request.experiment).names
        for trial in request.trials:
            given = {a.name: a.value for a in trial.spec.parameter_assignments.assignments}
            if any(name not in given for name in names):
                continue
            assignment = {name: given[name] for name in names}
            condition = trial.status.condition
            if condition in (C.CREATED, C.RUNNING, C.UNKNOWN):
                history.pending.append(assignment)
                continue
            loss = self.loss(request, trial)
            if loss is None or condition in (C.FAILED, C.KILLED):
                history.failed.append(assignment)
            else:
                history.observed.append((loss, assignment))
        # Whatever the order of the trials was.
        history.observed.sort(key=lambda pair: (pair[0], tuple(pair[1].values())))
        return history

    def loss(self, request: pb.GetSuggestionsRequest, trial: pb.Trial) -> float | None:
        objective = request.experiment.spec.objective
        for metric in trial.status.observation.metrics:
            if metric.name == objective.objective_metric_name:
                return self.sign(objective.type, metric.value)
        return None

    def sign(self, direction: int, text: str) -> float | None:
        number = decimal(text)
        if number is None:
            return None
        return -float(number) if direction == pb.MAXIMIZE else float(number)

    def settings(self, request: pb.GetSuggestionsRequest) -> dict[str, str]:
        return {s.name: s.value for s in request.experiment.spec.algorithm.algorithm_settings}

    def seed(self, request: pb.GetSuggestionsRequest) -> str:
        return self.settings(request).get("random_state", request.experiment.name)

    def space(self, experiment: pb.Experiment) -> Space:
        return Space(experiment.spec.parameter_specs.parameters)

    def suggest(self, request: pb.GetSuggestionsRequest) -> list[Assignment]:
        space = self.space(request.experiment)
        history = self.read(request)
        if "resource_name" in self.settings(request):
            return self.climb(request, space, history)
        count = request.current_request_number
        total = request.total_request_number or len(request.trials) + count
        taken = self.taken(history)
        made = []
        for index in range(total - count, total):
            assignment = self.one(request, space, history, index, taken)
            taken.add(tuple(assignment.values()))
            made.append(assignment)
        return made

    def taken(self, history: History) -> set[tuple[str, ...]]:
        past = [assignment for _, assignment in history.observed]
        everything = [*past, *history.pending, *history.failed]
        return {tuple(assignment.values()) for assignment in everything}

    def one(
        self,
        request: pb.GetSuggestionsRequest,
        space: Space,
        history: History,
        index: int,
        taken: set[tuple[str, ...]],
    ) -> Assignment:
        draw = random.Random(f"{self.seed(request)}/{index}")
        fitting = [a for _, a in history.observed[:2] if space.fits(a)]
        assignment: Assignment = {}
        for _ in range(30):
            shares = [draw.random() for _ in space.parameters]
            if index >= 10 and fitting:
                width = max(0.02, 0.25 * 0.93 ** (index - 9))
                best = space.shares(draw.choice(fitting))
                shares = [
                    s if p.is_list and draw.random() < 0.15 else self.near(draw, centre, width)
                    for s, centre, p in zip(shares, best, space.parameters, strict=True)
                ]
            assignment = self.point(request, space, shares)
            if tuple(assignment.values()) not in taken:
                return assignment
        if space.size is not None and space.size < 1000:
            levels = [range(p.size or 1) for p in space.parameters]
            for point in itertools.product(*levels):
                shares = [(k + 0.5) / len(n) for k, n in zip(point, levels, strict=True)]
                candidate = space.point(shares)
                if tuple(candidate.values()) not in taken:
                    return candidate
        return assignment

    def near(self, draw: random.Random, centre: float, width: float) -> float:
        return min(max(draw.gauss(centre, width), 0.0), 1 - 1e-9)

    def point(
        self, request: pb.GetSuggestionsRequest, space: Space, shares: Sequence[float]
    ) -> Assignment:
        pairs = zip(space.parameters, shares, strict=True)
        return {p.name: self.value(request, p, s) for p, s in pairs}

    def value(self, request: pb.GetSuggestionsRequest, parameter: Any, share: float) -> str:
        text: str = parameter.text(share)
        return text

    # ----------------------------------------------------------------- rungs

    ladder = (1, 3, 9, 27)

    def climb(
        self, request: pb.GetSuggestionsRequest, space: Space, history: History
    ) -> list[Assignment]:
        """Asynchronous successive halving: a promotion that is due, else a new configuration."""
        resource = self.settings(request)["resource_name"]
        results: dict[int, dict[tuple[str, ...], tuple[float, Assignment]]] = {}
        reached: dict[int, set[tuple[str, ...]]] = {}

        def place(assignment: Assignment, loss: float | None) -> None:
            rest = {k: v for k, v in assignment.items() if k != resource}
            rung, key = int(float(assignment[resource])), tuple(rest.values())
            reached.setdefault(rung, set()).add(key)
            if loss is not None:
                results.setdefault(rung, {})[key] = (loss, rest)

        for loss, assignment in history.observed:
            place(assignment, loss)
        for assignment in history.failed:
            place(assignment, math.inf)
        for assignment in history.pending:
            place(assignment, None)
        count = request.current_request_number
        total = request.total_request_number or len(request.trials) + count
        made = []
        for index in range(total - count, total):
            promoted = None
            for rung, above in reversed(list(itertools.pairwise(self.ladder))):
                promoted = self.due(results.get(rung, {}), reached.get(above, set()))
                if promoted is not None:
                    promoted = {**promoted, resource: str(above)}
                    break
            if promoted is None:
                fresh = self.one(request, space, History(), index, set())
                promoted = {**fresh, resource: self.beginning(index)}
            ordered = {p.name: promoted[p.name] for p in space.parameters}
            place(ordered, None)
            made.append(ordered)
        return made

    def beginning(self, index: int) -> str:
        return str(self.ladder[0])

    def due(
        self,
        results: dict[tuple[str, ...], tuple[float, Assignment]],
        above: set[tuple[str, ...]],
    ) -> Assignment | None:
        order = sorted(results, key=lambda key: (results[key][0], key))
        for key in order[: len(order) // 3]:
            if key not in above and math.isfinite(results[key][0]):
                return dict(results[key][1])
        return None


class EarlyStopping(Server, api_pb2_grpc.EarlyStoppingServicer):
    """The median rule."""

    health_names = ("", "api.v1.beta1.EarlyStopping")

    def register(self, server: grpc.Server) -> None:
        api_pb2_grpc.add_EarlyStoppingServicer_to_server(self, server)

    def ValidateEarlyStoppingSettings(  # noqa: N802
        self, request: pb.ValidateEarlyStoppingSettingsRequest, context: Any
    ) -> pb.ValidateEarlyStoppingSettingsReply:
        found = self.violations(request.early_stopping)
        if found:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "; ".join(t for _, t in found))
        return pb.ValidateEarlyStoppingSettingsReply()

    def violations(self, spec: pb.EarlyStoppingSpec) -> list[tuple[str, str]]:
        found = []
        if spec.algorithm_name != "medianstop":
            found.append(("es-refuse-unknown-algorithm", f"no {spec.algorithm_name!r}"))
        for setting in spec.algorithm_settings:
            if setting.name not in ("min_trials_required", "start_step"):
                found.append(("es-refuse-unknown-setting", f"no setting {setting.name!r}"))
            elif not setting.value.isdecimal() or int(setting.value) < 1:
                found.append(("es-refuse-bad-setting", f"{setting.name} must be an int >= 1"))
        return found

    def GetEarlyStoppingRules(  # noqa: N802
        self, request: pb.GetEarlyStoppingRulesRequest, context: Any
    ) -> pb.GetEarlyStoppingRulesReply:
        spec = request.experiment.spec
        settings = {s.name: int(s.value) for s in spec.early_stopping.algorithm_settings}
        step = settings["start_step"]
        averages = []
        try:
            with grpc.insecure_channel(request.db_manager_address) as channel:
                stub = api_pb2_grpc.DBManagerStub(channel)
                for trial in request.trials:
                    if self.counts(trial):
                        log = self.log(stub, trial, spec.objective.objective_metric_name)
                        average = self.average(log, step)
                        if average is not None:
                            averages.append(average)
        except grpc.RpcError as error:
            self.lost(context, error)
        reply = pb.GetEarlyStoppingRulesReply()
        if len(averages) >= self.required(settings):
            reply.early_stopping_rules.append(
                pb.EarlyStoppingRule(
                    name=self.metric(spec.objective),
                    value=self.text(self.threshold(request, averages)),
                    comparison=self.comparison(spec.objective.type),
                    start_step=self.start_step(step),
                )
            )
        self.finish(request, reply)
        return reply

    def counts(self, trial: pb.Trial) -> bool:
        return trial.status.condition == C.SUCCEEDED

    def log(self, stub: Any, trial: pb.Trial, metric: str) -> list[str]:
        request = pb.GetObservationLogRequest(trial_name=trial.name, metric_name=metric)
        reply = stub.GetObservationLog(request, timeout=10)
        return [m.metric.value for m in reply.observation_log.metric_logs]

    def average(self, log: list[str], step: int) -> float | None:
        numbers = [float(number) for text in log[:step] if (number := decimal(text)) is not None]
        return statistics.fmean(numbers) if numbers else None

    def required(self, settings: dict[str, int]) -> int:
        return settings["min_trials_required"]

    def threshold(self, request: pb.GetEarlyStoppingRulesRequest, averages: list[float]) -> float:
        return statistics.median(averages)

    def metric(self, objective: pb.ObjectiveSpec) -> str:
        return objective.objective_metric_name

    def text(self, value: float) -> str:
        return repr(value)

    def comparison(self, direction: int) -> pb.ComparisonType:
        return pb.LESS if direction == pb.MAXIMIZE else pb.GREATER

    def start_step(self, step: int) -> int:
        return step

    def lost(self, context: Any, error: grpc.RpcError) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, f"DBManager: {error}")

    def finish(
        self, request: pb.GetEarlyStoppingRulesRequest, reply: pb.GetEarlyStoppingRulesReply
    ) -> None:
        """Called with the reply before it is sent."""

    def SetTrialStatus(  # noqa: N802
        self, request: pb.SetTrialStatusRequest, context: Any
    ) -> pb.SetTrialStatusReply:
        context.abort(grpc.StatusCode.NOT_FOUND, f"there is no trial {request.trial_name!r}")
        return pb.SetTrialStatusReply()


class Rungs(EarlyStopping):
    """Asynchronous successive halving with eta 3, as a stopping rule; for trials that ask again."""

    label = "early-stopping.suggestion.katib.kubeflow.org/step"
    rungs = (1, 3, 9, 27, 81)

    def violations(self, spec: pb.EarlyStoppingSpec) -> list[tuple[str, str]]:
        found = []
        if spec.algorithm_name != "asha":
            found.append(("es-refuse-unknown-algorithm", f"no {spec.algorithm_name!r}"))
        for setting in spec.algorithm_settings:
            value = decimal(setting.value)
            if value is None or value < 1 or (setting.name == "eta" and value <= 1):
                found.append(("es-rung-settings", f"{setting.name}: got {setting.value!r}"))
        return found

    def GetEarlyStoppingRules(  # noqa: N802
        self, request: pb.GetEarlyStoppingRulesRequest, context: Any
    ) -> pb.GetEarlyStoppingRulesReply:
        objective = request.experiment.spec.objective
        sign = -1 if objective.type == pb.MAXIMIZE else 1
        asking = [trial for trial in request.trials if self.label in trial.spec.labels]
        if len(asking) > 1 or not all(t.spec.labels[self.label].isdecimal() for t in asking):
            self.refuse(context, f"label {self.label!r}: must be one whole number")
        losses = {}
        with grpc.insecure_channel(request.db_manager_address) as channel:
            stub = api_pb2_grpc.DBManagerStub(channel)
            for trial in request.trials:
                if self.counts(trial) or trial in asking:
                    log = self.log(stub, trial, objective.objective_metric_name)
                    losses[trial.name] = [sign * float(text) for text in log]
        own = losses.pop(asking[0].name) if asking else []
        step = int(asking[0].spec.labels[self.label]) if asking else 0
        rung, value = self.decide(list(losses.values()), own, step)
        rule = pb.EarlyStoppingRule(
            name=objective.objective_metric_name,
            value=repr(sign * value),
            comparison=self.comparison(objective.type),
            start_step=rung,
        )
        return pb.GetEarlyStoppingRulesReply(early_stopping_rules=[rule])

    def refuse(self, context: Any, text: str) -> None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)

    def counts(self, trial: pb.Trial) -> bool:
        return trial.status.condition in (C.SUCCEEDED, C.RUNNING, C.EARLYSTOPPED)

    def decide(self, others: list[list[float]], own: list[float], step: int) -> tuple[int, float]:
        """Return the step of the rule, and its value."""
        reached = max((rung for rung in self.rungs if rung <= step), default=0)
        if reached and own and min(own[:step]) > (value := self.limit(others, reached)):
            return reached, value
        after = self.after(step)
        return after, self.limit(others, after)

    def after(self, step: int) -> int:
        return next(rung for rung in self.rungs if rung > step)

    def limit(self, others: list[list[float]], rung: int) -> float:
        best = sorted(min(losses[:rung]) for losses in others if len(losses) >= rung)
        kept = (len(best) + 1) // self.eta
        return best[kept - 1] if kept else self.open

    eta = 3
    open = 1.7e308  # too few to stop any


class DBManager(Server, LogStore):
    """The suite's own observation log, on a disk that outlives it."""

    disk: ClassVar[dict[str, list[pb.MetricLog]]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.logs = self.disk

    def register(self, server: grpc.Server) -> None:
        api_pb2_grpc.add_DBManagerServicer_to_server(self, server)


class Local:
    """A server of this process that can be killed and started again, without its memory.

    Args:
        make: Makes the servicer; all that it knows is lost when it is killed.
    """

    def __init__(self, make: Any) -> None:
        self.make = make
        self.address = "127.0.0.1:0"
        self._server: grpc.Server | None = None

    def start(self) -> None:
        servicer = self.make()
        self._server = grpc.server(
            ThreadPoolExecutor(24), options=(*servicer.options, ("grpc.so_reuseport", 0))
        )
        servicer.register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(Health(servicer), self._server)
        port = self._server.add_insecure_port(self.address)
        self._server.start()
        self.address = f"127.0.0.1:{port}"

    def kill(self) -> None:
        if self._server is not None:
            self._server.stop(None).wait()
            self._server = None

    def peak_memory(self) -> float | None:
        return None  # it shares the test's


class Locals:
    """Launches servers of this process."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def launch(self) -> Local:
        local = Local(self.make)
        local.start()
        return local


@contextlib.contextmanager
def serving(make: Any) -> Iterator[Local]:
    """A server of this process."""
    local = Locals(make).launch()
    try:
        yield local
    finally:
        local.kill()

"""Deliberately wrong servers: each breaks one rule, and one check must catch it."""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import grpc

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.checks.abilities import ABILITIES
from suggestion.conformance.checks.validation import REFUSALS
from suggestion.conformance.profiles import Profile
from suggestion.conformance.space import Space

from . import reference
from .able import ABLE, Able
from .networks import NETWORKS, Networks
from .reference import PROFILE, RUNGS, Assignment, C, History

T = TypeVar("T", bound=type)

#: Per check, makers of servers that it must catch, with the profile to check them under.
SUGGESTION: Final[list[tuple[str, str, Callable[[], Any], Profile]]] = []
EARLY_STOPPING: Final[list[tuple[str, str, Callable[[], Any]]]] = []
RUNG_RULES: Final[list[tuple[str, str, Callable[[], Any]]]] = []
DBMANAGER: Final[list[tuple[str, str, Callable[[], Any]]]] = []


def caught_by(identity: str, profile: Profile = PROFILE) -> Callable[[T], T]:
    """Registers a server together with the check that is meant for it."""

    def decorate(cls: T) -> T:
        if issubclass(cls, reference.Suggestion):
            SUGGESTION.append((identity, cls.__name__, cls, profile))
        elif issubclass(cls, reference.Rungs):
            RUNG_RULES.append((identity, cls.__name__, cls))
        elif issubclass(cls, reference.EarlyStopping):
            EARLY_STOPPING.append((identity, cls.__name__, cls))
        else:
            DBMANAGER.append((identity, cls.__name__, cls))
        return cls

    return decorate


def changed(reply: pb.GetSuggestionsReply, name: str, change: Callable[[str], str]) -> None:
    """Rewrites all values of a parameter."""
    for item in reply.parameter_assignments:
        for assignment in item.assignments:
            if assignment.name == name:
                assignment.value = change(assignment.value)


# --------------------------------------------------------------- architectures


@caught_by("architecture-format", NETWORKS)
class SkipsTooFar(Networks):
    """A layer reads itself."""

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        changed(reply, "architecture", lambda text: text.replace("]]", ", 1]]"))


@caught_by("architecture-format", NETWORKS)
class DescribesByTuples(Networks):
    """Trials replace ' by " and read JSON, which has no tuples."""

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        changed(reply, "nn_config", lambda text: text.replace("[", "(").replace("]", ")"))


@caught_by("architecture-format", NETWORKS)
class DescribesAnotherOperation(Networks):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        changed(reply, "nn_config", lambda text: text.replace("'pool_size': '2'", "'pool_size': 3"))


@caught_by("learns-architectures", NETWORKS)
class MaximisesArchitectures(Networks):
    def sign(self, direction: int, text: str) -> float | None:
        return super().sign(pb.MAXIMIZE, text)


# ------------------------------------------------------------------- abilities


@caught_by("ability-conditions", ABLE)
class DrawsInactiveValues(Able):
    def placeholder(self, assignment: Assignment) -> str:
        return "0.1" if assignment["depth"] == "1" else "0.2"


@caught_by("ability-conditions", ABLE)
class LearnsFromInactiveValues(Able):
    def forget(self, assignment: Assignment) -> None:
        if assignment["momentum"] in ("0.1", "0.9"):
            super().forget(assignment)


@caught_by("ability-parameter-constraints", ABLE)
class IgnoresConstraints(Able):
    def impossible(self, request: pb.GetSuggestionsRequest, assignment: Assignment) -> bool:
        return False


@caught_by("ability-initial-points", ABLE)
class BeginsInAnotherOrder(Able):
    def initial(self, request: pb.GetSuggestionsRequest) -> list[Assignment]:
        return super().initial(request)[::-1]


@caught_by("ability-initial-points", ABLE)
class CountsInitialPointsInEachReply(Able):
    def initial(self, request: pb.GetSuggestionsRequest) -> list[Assignment]:
        return super().initial(request)[: request.current_request_number]


@caught_by("ability-objectives", ABLE)
class OneObjective(Able):
    def traded(self, loss: float, latency: float | None) -> float | None:
        return loss


@caught_by("ability-objectives", ABLE)
class FailsWithoutAnObjective(Able):
    def traded(self, loss: float, latency: float | None) -> float | None:
        assert latency is not None
        return loss + latency


@caught_by("ability-metric-constraints", ABLE)
class UnboundedMetric(Able):
    def penalty(self, latency: float | None) -> float:
        return 0.0


@caught_by("ability-prior-trials", ABLE)
class LearnsNothingBefore(Able):
    def learn(self, history: History, loss: float, assignment: Assignment) -> None:
        pass


@caught_by("ability-mistakes", ABLE)
class TakesAnyName(Able):
    def mistakes(self, experiment: pb.Experiment) -> Iterator[tuple[str, str]]:
        yield from ()


@caught_by("refuse-undeclared-abilities")
class TakesWhatItCannotDo(reference.Suggestion):
    def violations(self, experiment: pb.Experiment) -> list[tuple[str, str]]:
        found = super().violations(experiment)
        return [v for v in found if not any(repr(name) in v[1] for name in ABILITIES)]


# ---------------------------------------------------------------------- health


@caught_by("health")
class NamedAfterItsPackage(reference.Suggestion):
    health_names = ("", "api.v1.beta1.Suggestion")


@caught_by("health-names")
class NamedForOneProbeOnly(reference.Suggestion):
    health_names = ("manager.v1beta1.Suggestion",)


@caught_by("health-under-load")
class HealthWaitsForCalls(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        if len(request.trials) == 100:
            time.sleep(8)

    def before_health(self) -> None:
        while self.in_flight:
            time.sleep(0.01)


# --------------------------------------------------------------------- replies


@caught_by("exact-count")
class OneTooFew(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if request.current_request_number > 1:
            del reply.parameter_assignments[-1]


@caught_by("exact-count")
class FewerWhileSomethingRuns(reference.Suggestion):
    """As many servers of successive halving do: the rung has no more to give."""

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if any(trial.status.condition == C.RUNNING for trial in request.trials):
            del reply.parameter_assignments[1:]


@caught_by("exact-count")
class OneTooMany(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if len(request.trials) == 4:
            reply.parameter_assignments.append(reply.parameter_assignments[0])


@caught_by("every-parameter-once")
class LosesAParameter(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if len(reply.parameter_assignments) == 17:
            del reply.parameter_assignments[7].assignments[1]


@caught_by("every-parameter-once")
class InventsAParameter(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if request.trials:
            reply.parameter_assignments[0].assignments.add(name="index", value="1")


@caught_by("number-format")
class FloatsForInts(reference.Suggestion):
    def read(self, request: pb.GetSuggestionsRequest) -> History:
        for trial in request.trials:
            for assignment in trial.spec.parameter_assignments.assignments:
                assignment.value = assignment.value.removesuffix(".0")
        return super().read(request)

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        for spec in request.experiment.spec.parameter_specs.parameters:
            if spec.parameter_type == pb.INT:
                changed(reply, spec.name, lambda text: f"{text}.0")


class AbleWithFloatsForInts(FloatsForInts, Able):
    """What the checks of abilities have nothing to say about."""


class AbleWithoutAParameter(Able):
    """Likewise: its last suggestion of several is not whole."""

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if len(reply.parameter_assignments) > 2:
            del reply.parameter_assignments[-1].assignments[:]


@caught_by("values-in-range")
class LeavesTheRange(reference.Suggestion):
    """In one of forty suggestions, as a Gaussian step without clipping does."""

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        first = len(request.trials)
        for index, item in enumerate(reply.parameter_assignments, first):
            for assignment in item.assignments:
                if index % 40 == 7 and assignment.name == "x":
                    assignment.value = "5.001"


@caught_by("listed-values-verbatim")
class RewritesDiscreteValues(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        for spec in request.experiment.spec.parameter_specs.parameters:
            if spec.parameter_type == pb.DISCRETE:
                changed(reply, spec.name, lambda text: repr(float(text)))


@caught_by("listed-values-verbatim")
class ReadsCategoriesAsYaml(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        changed(reply, "text", lambda text: {"None": "null", "True": "true"}.get(text, text))


@caught_by("step-lattice")
class FloatDust(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        def dusty(text: str) -> str:
            return repr(0.1 + round((float(text) - 0.1) / 0.1) * 0.1)

        changed(reply, "momentum", dusty)


@caught_by("step-lattice")
class IgnoresStepsOfInts(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        changed(reply, "units", lambda text: str(max(int(text) - 1, 16)))


@caught_by("trial-names")
class NamesWithUnderscores(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        for index, item in enumerate(reply.parameter_assignments, len(request.trials)):
            item.trial_name = f"Trial_{index}"


@caught_by("trial-names")
class NamesAsLongAsTheExperiments(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        if "." not in request.experiment.name:
            for index, item in enumerate(reply.parameter_assignments, len(request.trials)):
                item.trial_name = f"{request.experiment.name}-{index}"


@caught_by("trial-names")
class NamesFromEachRequestAnew(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        for index, item in enumerate(reply.parameter_assignments):
            item.trial_name = f"trial-{index}"


@caught_by("trial-names")
class NamesWithoutTheExperiment(reference.Suggestion):
    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        for index, item in enumerate(reply.parameter_assignments, len(request.trials)):
            item.trial_name = f"trial-{index}"


# ------------------------------------------------------------------ validation


@caught_by("validate-good")
class RefusesAnAlias(reference.Suggestion):
    def violations(self, experiment: pb.Experiment) -> list[tuple[str, str]]:
        given = {s.name for s in experiment.spec.algorithm.algorithm_settings}
        extra = [("", "what is warmup?")] if given == {"warmup"} else []
        settings = experiment.spec.algorithm.algorithm_settings
        good = all(s.value.isdecimal() for s in settings)
        return super().violations(experiment) + (extra if good else [])


def accepting(identity: str) -> type[reference.Suggestion]:
    """A server that lacks one rule; settings of abilities are of another one."""

    class Accepting(reference.Suggestion):
        def violations(self, experiment: pb.Experiment) -> list[tuple[str, str]]:
            return [
                (rule, text)
                for rule, text in super().violations(experiment)
                if rule != identity or any(repr(name) in text for name in ABILITIES)
            ]

    Accepting.__name__ = f"Accepts-{identity.removeprefix('refuse-')}"
    return Accepting


for _identity in (
    *(refusal.id for refusal in REFUSALS),
    "refuse-bad-setting",
    "refuse-unfit-experiment",
):
    caught_by(_identity)(accepting(_identity))


@caught_by("refuse-min-above-max")
class DoesNotSayWhichParameter(reference.Suggestion):
    def text(self, found: Sequence[tuple[str, str]]) -> str:
        return "; ".join(
            "invalid range" if identity == "refuse-min-above-max" and len(found) == 1 else text
            for identity, text in found
        )


@caught_by("refuse-zero-step")
class DividesByZero(reference.Suggestion):
    def violations(self, experiment: pb.Experiment) -> list[tuple[str, str]]:
        found = super().violations(experiment)
        if any(identity == "refuse-zero-step" for identity, _ in found):
            raise ZeroDivisionError("parameter 'culprit'")
        return found


@caught_by("all-violations")
class TellsTheFirstViolationOnly(reference.Suggestion):
    def text(self, found: Sequence[tuple[str, str]]) -> str:
        return super().text(found[:1])


# ---------------------------------------------------------------------- trials


def broken(condition: bool, error: Exception) -> None:
    if condition:
        raise error


@caught_by("running-trials")
class DoesNotKnowCreated(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            broken(trial.status.condition == C.CREATED, KeyError("CREATED"))


@caught_by("failed-trials")
class DoesNotKnowKilled(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            broken(trial.status.condition == C.KILLED, KeyError("KILLED"))


@caught_by("early-stopped-trials")
class DoesNotKnowEarlyStopped(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            broken(trial.status.condition == C.EARLYSTOPPED, KeyError("EARLYSTOPPED"))


@caught_by("nan-metric")
class FailsOnNan(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            for metric in trial.status.observation.metrics:
                broken(metric.value == "nan", ValueError("array must not contain NaNs"))


@caught_by("unavailable-metric")
class FailsOnUnavailable(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            for metric in trial.status.observation.metrics:
                float(metric.value)


@caught_by("missing-metric")
class TakesTheObservationForGranted(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            if trial.status.condition == C.SUCCEEDED:
                assert trial.status.observation.metrics[0].value is not None


@caught_by("missing-metric")
class TakesTheMetricForGranted(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        wanted = request.experiment.spec.objective.objective_metric_name
        for trial in request.trials:
            if trial.status.observation.metrics:
                next(m for m in trial.status.observation.metrics if m.name == wanted)


@caught_by("empty-times")
class FailsOnEmptyTimes(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            if trial.status.condition == C.SUCCEEDED:
                datetime.fromisoformat(trial.status.completion_time)
                datetime.fromisoformat(trial.status.start_time)


@caught_by("objective-of-trials")
class WantsTheObjectiveInTrials(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            broken(not trial.spec.objective.objective_metric_name, KeyError("''"))


@caught_by("total-request-number-0")
class CountsOnTheTotal(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        first = request.total_request_number - request.current_request_number
        broken(first < 0 and request.current_request_number == 2, IndexError("first"))


@caught_by("settings-of-replies")
class MistrustsItsOwnSettings(reference.Suggestion):
    """Writes down how many it has handed out, and wants them all to be trials by then."""

    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        state = self.settings(request).get("state", "0")
        broken(len(request.trials) < int(state), RuntimeError("trials are missing"))

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        state = len(request.trials) + len(reply.parameter_assignments)
        reply.algorithm.algorithm_settings.add(name="state", value=str(state))


@caught_by("out-of-space-trials")
class TakesParametersForGranted(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        wanted = [p.name for p in request.experiment.spec.parameter_specs.parameters]
        for trial in request.trials:
            got = {a.name for a in trial.spec.parameter_assignments.assignments}
            for name in wanted:
                broken(name not in got, KeyError(name))


@caught_by("right-metric")
class TakesTheFirstMetric(reference.Suggestion):
    def loss(self, request: pb.GetSuggestionsRequest, trial: pb.Trial) -> float | None:
        for metric in trial.status.observation.metrics:
            return self.sign(request.experiment.spec.objective.type, metric.value)
        return None


# ------------------------------------------------------------------------ load


@caught_by("10000-trials")
class DefaultMessageLimit(reference.Suggestion):
    options = ()


@caught_by("concurrent-calls")
class NotForSeveralClients(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        if request.current_request_number == 2 and len(request.trials) in (0, 5):
            time.sleep(0.15)
            end = time.monotonic() + 2.0  # on a slow machine they come one after the other
            while 1 < self.in_flight <= 4 and time.monotonic() < end:
                time.sleep(0.01)
        broken(self.in_flight > 4, RuntimeError("dictionary changed size during iteration"))


@caught_by("latency")
class Slow(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        if 900 < len(request.trials) < 2000:
            time.sleep(1.2)


@caught_by("bad-requests")
class FailsOnNonsense(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        broken(not request.experiment.HasField("spec"), AttributeError("spec"))


# ------------------------------------------------------------------ repetition


@caught_by("request-sent-again")
class RefusesARepetition(reference.Suggestion):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[bytes] = set()

    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        data = request.SerializeToString(deterministic=True)
        broken(data in self.seen, RuntimeError("already handed out"))
        self.seen.add(data)


@caught_by("restart")
class ForgetsOnRestart(reference.Suggestion):
    """Knows its trials by names that it gives them itself."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = uuid.uuid4().hex[:8]

    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        for trial in request.trials:
            own = trial.name.startswith("own-")
            broken(own and not trial.name.startswith(f"own-{self.mark}"), KeyError(trial.name))

    def finish(self, request: pb.GetSuggestionsRequest, reply: pb.GetSuggestionsReply) -> None:
        for index, item in enumerate(reply.parameter_assignments, len(request.trials)):
            if request.experiment.name == "conformance-restart":
                item.trial_name = f"own-{self.mark}-{index}"


@caught_by("restart-changes-nothing")
class SaltOfTheProcess(reference.Suggestion):
    """Takes `hash()` of the experiment's name where no seed is given."""

    def __init__(self) -> None:
        super().__init__()
        self.salt = uuid.uuid4().hex

    def seed(self, request: pb.GetSuggestionsRequest) -> str:
        given = self.settings(request).get("random_state")
        return given or request.experiment.name + self.salt


@caught_by("same-call-twice")
class NeverTheSameAgain(reference.Suggestion):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.last = b""

    def seed(self, request: pb.GetSuggestionsRequest) -> str:
        data = request.SerializeToString(deterministic=True)
        self.calls = self.calls + 1 if data == self.last else 0
        self.last = data
        return f"{super().seed(request)}{self.calls or ''}"


@caught_by("experiments-apart")
class OneMemoryForAll(reference.Suggestion):
    """Mixes the trials of the last other experiment into those of this one."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, str] = {}
        self.names: list[str] = []

    def seed(self, request: pb.GetSuggestionsRequest) -> str:
        name = request.experiment.name
        if not request.trials:
            return super().seed(request)
        if not self.names or self.names[-1] != name:
            self.names.append(name)
        return super().seed(request) + "".join(self.names[-2:-1])


@caught_by("order-of-trials")
class TheLastTrialCounts(reference.Suggestion):
    def seed(self, request: pb.GetSuggestionsRequest) -> str:
        return super().seed(request) + (request.trials[-1].name if request.trials else "")


@caught_by("seed")
class IgnoresTheSeed(reference.Suggestion):
    def seed(self, request: pb.GetSuggestionsRequest) -> str:
        return request.experiment.name


# ---------------------------------------------------------------- distinctness


@caught_by("distinct-in-call")
class OnePointForAllWorkers(reference.Suggestion):
    def suggest(self, request: pb.GetSuggestionsRequest) -> list[Assignment]:
        made = super().suggest(request)
        return [made[0]] * len(made) if request.trials else made


@caught_by("distinct-from-pending")
class ForgetsWhatRuns(reference.Suggestion):
    def suggest(self, request: pb.GetSuggestionsRequest) -> list[Assignment]:
        made = super().suggest(request)
        history = self.read(request)
        past = [a for _, a in history.observed] + history.failed
        running = [a for a in history.pending if a not in past and a not in made]
        return [*running[:1], *made[len(running[:1]) :]] if len(made) > 1 else made


@caught_by("distinct-from-past")
class RepeatsAPoint(reference.Suggestion):
    def taken(self, history: History) -> set[tuple[str, ...]]:
        return {tuple(assignment.values()) for assignment in history.pending}


@caught_by("exhausted-space")
class FailsWhenThereIsNoPointLeft(reference.Suggestion):
    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        space = Space(request.experiment.spec.parameter_specs.parameters)
        broken(
            space.size == len({str(t.spec.parameter_assignments) for t in request.trials}),
            IndexError("pop from empty list"),
        )


# ---------------------------------------------------------- priors and learning


@caught_by("distributions")
class IgnoresTheDistribution(reference.Suggestion):
    def value(self, request: pb.GetSuggestionsRequest, parameter: Any, share: float) -> str:
        if request.trials or parameter.name != "logUniform":
            return super().value(request, parameter, share)
        return repr(float(parameter.low) + share * float(parameter.high - parameter.low))


@caught_by("learns-minimize")
class AlwaysMaximises(reference.Suggestion):
    def sign(self, direction: int, text: str) -> float | None:
        return super().sign(pb.MAXIMIZE, text)


@caught_by("learns-maximize")
class AlwaysMinimises(reference.Suggestion):
    def sign(self, direction: int, text: str) -> float | None:
        return super().sign(pb.MINIMIZE, text)


# ----------------------------------------------------------------------- rungs


@caught_by("resource-values", RUNGS)
class ResourceOffTheLadder(reference.Suggestion):
    def beginning(self, index: int) -> str:
        return "2" if index % 5 == 4 else "1"


@caught_by("rung-progress", RUNGS)
class NeverPromotes(reference.Suggestion):
    def due(self, results: Any, above: Any) -> Assignment | None:
        return None


@caught_by("rung-failures", RUNGS)
class WaitsForTheFailed(reference.Suggestion):
    def due(self, results: Any, above: Any) -> Assignment | None:
        if any(loss == float("inf") for loss, _ in results.values()):
            return None
        return super().due(results, above)


@caught_by("promotes-the-best", RUNGS)
class PromotesTheWorst(reference.Suggestion):
    def due(self, results: Any, above: Any) -> Assignment | None:
        finite = {key: entry for key, entry in results.items() if entry[0] < float("inf")}
        turned = {key: (-loss, rest) for key, (loss, rest) in finite.items()}
        return super().due(turned, above)


# -------------------------------------------------------------- early stopping


@caught_by("es-health")
class HealthOfAnotherService(reference.EarlyStopping):
    health_names = ("", "manager.v1beta1.Suggestion")


@caught_by("es-validate-good")
class WantsEverySetting(reference.EarlyStopping):
    def violations(self, spec: pb.EarlyStoppingSpec) -> list[tuple[str, str]]:
        found = super().violations(spec)
        if not spec.algorithm_settings and spec.algorithm_name == "medianstop":
            found.append(("", "start_step is missing"))
        return found


def early_accepting(identity: str) -> type[reference.EarlyStopping]:
    """A server that lacks one rule."""

    class Accepting(reference.EarlyStopping):
        def violations(self, spec: pb.EarlyStoppingSpec) -> list[tuple[str, str]]:
            return [v for v in super().violations(spec) if v[0] != identity]

    Accepting.__name__ = f"Accepts-{identity.removeprefix('es-refuse-')}"
    return Accepting


for _identity in (
    "es-refuse-unknown-algorithm",
    "es-refuse-unknown-setting",
    "es-refuse-bad-setting",
):
    caught_by(_identity)(early_accepting(_identity))


@caught_by("es-median")
class MeanForMedian(reference.EarlyStopping):
    def threshold(self, request: pb.GetEarlyStoppingRulesRequest, averages: list[float]) -> float:
        return statistics.fmean(averages)


@caught_by("es-comparison")
class AlwaysLess(reference.EarlyStopping):
    def comparison(self, direction: int) -> pb.ComparisonType:
        return pb.LESS


@caught_by("es-metric")
class WatchesAnotherMetric(reference.EarlyStopping):
    def metric(self, objective: pb.ObjectiveSpec) -> str:
        return "objective"


@caught_by("es-start-step")
class FixedStartStep(reference.EarlyStopping):
    def start_step(self, step: int) -> int:
        return 4


@caught_by("es-first-reports")
class AveragesTheWholeLog(reference.EarlyStopping):
    def average(self, log: list[str], step: int) -> float | None:
        return super().average(log, len(log))


@caught_by("es-first-reports")
class TakesTheReportAtTheStep(reference.EarlyStopping):
    def average(self, log: list[str], step: int) -> float | None:
        return super().average(log[:step][-1:], 1)


@caught_by("es-other-metrics")
class DoesNotFilterMetrics(reference.EarlyStopping):
    def log(self, stub: Any, trial: pb.Trial, metric: str) -> list[str]:
        return super().log(stub, trial, "")


@caught_by("es-min-trials-required")
class NeedsOneTrialLess(reference.EarlyStopping):
    def required(self, settings: dict[str, int]) -> int:
        return super().required(settings) - 1


@caught_by("es-new-trials")
class FirstThresholdForEver(reference.EarlyStopping):
    def __init__(self) -> None:
        self.rules: dict[str, float] = {}

    def threshold(self, request: pb.GetEarlyStoppingRulesRequest, averages: list[float]) -> float:
        return self.rules.setdefault(request.experiment.name, super().threshold(request, averages))


@caught_by("es-only-succeeded")
class CountsStoppedTrials(reference.EarlyStopping):
    def counts(self, trial: pb.Trial) -> bool:
        return trial.status.condition in (C.SUCCEEDED, C.EARLYSTOPPED)


@caught_by("es-empty-log")
class FailsOnEmptyLogs(reference.EarlyStopping):
    def average(self, log: list[str], step: int) -> float | None:
        return super().average(log, step) if log[0] else None


@caught_by("es-short-log")
class FailsOnShortLogs(reference.EarlyStopping):
    def average(self, log: list[str], step: int) -> float | None:
        return super().average(log, step) if not log or log[step - 1] != " " else None


@caught_by("es-non-numeric-log")
class FailsOnText(reference.EarlyStopping):
    def average(self, log: list[str], step: int) -> float | None:
        numbers = [float(text) for text in log[:step]]
        return statistics.fmean(numbers) if numbers else None


@caught_by("es-non-numeric-log")
class LetsNanThrough(reference.EarlyStopping):
    def average(self, log: list[str], step: int) -> float | None:
        return float("nan") if "nan" in log else super().average(log, step)

    def threshold(self, request: pb.GetEarlyStoppingRulesRequest, averages: list[float]) -> float:
        if any(average != average for average in averages):  # noqa: PLR0124 - nan
            return float("nan")
        return super().threshold(request, averages)


@caught_by("es-two-experiments")
class OneThresholdForAll(reference.EarlyStopping):
    """Goes back to an experiment's first threshold once it has seen another one."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def finish(
        self, request: pb.GetEarlyStoppingRulesRequest, reply: pb.GetEarlyStoppingRulesReply
    ) -> None:
        name = request.experiment.name
        if name in self.order[:-1]:
            reply.early_stopping_rules[0].value = "80"
        if name not in self.order:
            self.order.append(name)


@caught_by("es-restart")
class RememberedTrials(reference.EarlyStopping):
    """Counts only what finished while it was looking."""

    started: Final[set[str]] = set()

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def finish(
        self, request: pb.GetEarlyStoppingRulesRequest, reply: pb.GetEarlyStoppingRulesReply
    ) -> None:
        name = request.experiment.name
        if name in self.started and name not in self.seen:
            del reply.early_stopping_rules[:]
        self.started.add(name)  # what is left of the former process's work, for the test
        self.seen.add(name)


@caught_by("es-exact-value")
class RoundsTheThreshold(reference.EarlyStopping):
    def text(self, value: float) -> str:
        return f"{value:.10g}"


@caught_by("es-db-manager-down")
class HidesTheCause(reference.EarlyStopping):
    def lost(self, context: Any, error: grpc.RpcError) -> None:
        raise error


@caught_by("es-db-manager-down")
class KeepsSilentAboutIt(reference.EarlyStopping):
    def lost(self, context: Any, error: grpc.RpcError) -> None:
        """Goes on without the logs."""


@caught_by("es-same-call-twice")
class AnswersOnce(reference.EarlyStopping):
    def __init__(self) -> None:
        self.last = b""

    def finish(
        self, request: pb.GetEarlyStoppingRulesRequest, reply: pb.GetEarlyStoppingRulesReply
    ) -> None:
        data = request.SerializeToString(deterministic=True)
        if data == self.last:
            del reply.early_stopping_rules[:]
        self.last = data


@caught_by("es-set-trial-status")
class ForgotToMarkTrials(reference.EarlyStopping):
    def SetTrialStatus(  # noqa: N802
        self, request: pb.SetTrialStatusRequest, context: Any
    ) -> pb.SetTrialStatusReply:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "")
        return pb.SetTrialStatusReply()


# ----------------------------------------------------------- early stopping at rungs


@caught_by("es-rung-settings")
class TakesAnyEta(reference.Rungs):
    def violations(self, spec: pb.EarlyStoppingSpec) -> list[tuple[str, str]]:
        return [v for v in super().violations(spec) if v[0] != "es-rung-settings"]


@caught_by("es-rung-first")
class BeginsAtTheSecondRung(reference.Rungs):
    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetEarlyStoppingRules(request, context)
        if not any(self.label in trial.spec.labels for trial in request.trials):
            reply.early_stopping_rules[0].start_step = 2
        return reply


@caught_by("es-rung-share")
class NamesAnotherComparison(reference.Rungs):
    def comparison(self, direction: int) -> pb.ComparisonType:
        return pb.EQUAL


@caught_by("es-rung-next")
class RepeatsTheRung(reference.Rungs):
    def after(self, step: int) -> int:
        return 3 if step else 1


@caught_by("es-rung-behind")
class JudgesOnceAtEachTrial(reference.Rungs):
    def decide(self, others: list[list[float]], own: list[float], step: int) -> tuple[int, float]:
        return super().decide(others, [], step)


@caught_by("es-rung-unfinished")
class ComparesWithSurvivors(reference.Rungs):
    def counts(self, trial: pb.Trial) -> bool:
        return trial.status.condition == C.SUCCEEDED


@caught_by("es-rung-few")
class StopsTheFirst(reference.Rungs):
    open = 1e299


@caught_by("es-rung-label")
class ReadsAnyLabel(reference.Rungs):
    def GetEarlyStoppingRules(self, request: Any, context: Any) -> Any:  # noqa: N802
        seen = False
        for trial in request.trials:
            text = trial.spec.labels.get(self.label, "0")
            if seen or not text.isdecimal():
                trial.spec.labels.pop(self.label, None)
            seen = seen or self.label in trial.spec.labels
        return super().GetEarlyStoppingRules(request, context)


@caught_by("es-rung-order")
class LooksAtTheLastTrials(reference.Rungs):
    def limit(self, others: list[list[float]], rung: int) -> float:
        return super().limit(others[-12:], rung)


# ------------------------------------------------------------------- DBManager


@caught_by("db-report-and-get")
class LosesTheFirstReport(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetObservationLog(request, context)
        if request.trial_name.endswith("-get"):
            del reply.observation_log.metric_logs[0]
        return reply


@caught_by("db-values-verbatim")
class StoresNumbers(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetObservationLog(request, context)
        for log in reply.observation_log.metric_logs:
            if "." in log.metric.value or "e" in log.metric.value:
                try:
                    log.metric.value = repr(float(log.metric.value))
                except ValueError:
                    log.metric.value = "0"
        return reply


@caught_by("db-order")
class OrderOfArrival(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetObservationLog(request, context)
        if not (request.start_time or request.end_time or request.metric_name):
            places = [m.SerializeToString() for m in self.logs.get(request.trial_name, ())]
            zones = any("+" in m.time_stamp for m in reply.observation_log.metric_logs)
            found = sorted(
                reply.observation_log.metric_logs,
                key=lambda m: places.index(m.SerializeToString()),
            )
            if not zones and len(found) < 100:
                del reply.observation_log.metric_logs[:]
                reply.observation_log.metric_logs.extend(found)
        return reply


@caught_by("db-filter-metric")
class IgnoresTheMetric(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        request.metric_name = ""
        return super().GetObservationLog(request, context)


@caught_by("db-filter-time")
class IgnoresTheEnd(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        request.end_time = ""
        return super().GetObservationLog(request, context)


@caught_by("db-trials-apart")
class MatchesBeginnings(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetObservationLog(request, context)
        other = self.logs.get(f"{request.trial_name}-2", ())
        reply.observation_log.metric_logs.extend(other)
        return reply


@caught_by("db-unknown-trial")
class UnknownTrialsAreErrors(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.trial_name.endswith("unknown"):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such trial")
        return super().GetObservationLog(request, context)


@caught_by("db-delete")
class DeletesOneMetric(reference.DBManager):
    def DeleteObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        log = self.logs.get(request.trial_name, [])
        log[:] = [m for m in log if m.metric.name != "loss"]
        return pb.DeleteObservationLogReply()


@caught_by("db-delete-again")
class DeletesOnlyWhatIsThere(reference.DBManager):
    def DeleteObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.trial_name not in self.logs:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such trial")
        return super().DeleteObservationLog(request, context)


@caught_by("db-report-twice")
class StoresEveryReport(reference.DBManager):
    def ReportObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.logs.setdefault(request.trial_name, []).extend(request.observation_log.metric_logs)
        return pb.ReportObservationLogReply()


@caught_by("db-restart")
class KeepsLogsInMemory(reference.DBManager):
    def __init__(self) -> None:
        super().__init__()
        self.logs = {}


@caught_by("db-time-zones")
class ComparesTimesAsTexts(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetObservationLog(request, context)
        reply.observation_log.metric_logs.sort(key=lambda m: m.time_stamp)
        return reply


@caught_by("db-equal-times")
class ShufflesEqualTimes(reference.DBManager):
    def GetObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = super().GetObservationLog(request, context)
        times = {m.time_stamp for m in reply.observation_log.metric_logs}
        if len(times) == 1:
            random.Random(1).shuffle(found := list(reply.observation_log.metric_logs))
            del reply.observation_log.metric_logs[:]
            reply.observation_log.metric_logs.extend(found)
        return reply


@caught_by("db-large")
class SmallBatches(reference.DBManager):
    def ReportObservationLog(self, request: Any, context: Any) -> Any:  # noqa: N802
        if len(request.observation_log.metric_logs) > 999:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many SQL variables")
        return super().ReportObservationLog(request, context)


# ---------------------------------------------------------------------- memory


class Hoarder(reference.Suggestion):
    """Keeps what every request needed. Caught by `memory`, in a process of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.hoard: list[bytes] = []

    def look_at(self, request: pb.GetSuggestionsRequest) -> None:
        self.hoard.append(bytes(100_000) * len(request.trials))


def main() -> None:
    """Serves a class of this package: ``CLASS PORT``."""
    import sys  # noqa: PLC0415

    name, port = sys.argv[1:]
    local = reference.Local(globals().get(name) or getattr(reference, name))
    local.address = f"127.0.0.1:{port}"
    local.start()
    while True:
        time.sleep(3600)

"""The session of the checks of the Suggestion service: a server, an algorithm, a controller."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance import messages
from suggestion.conformance.architectures import space_of
from suggestion.conformance.check import Call, Failed, NotRun
from suggestion.conformance.messages import Status
from suggestion.conformance.parameters import FINITE
from suggestion.conformance.profiles import Profile
from suggestion.conformance.rules import RULES
from suggestion.conformance.space import Space
from suggestion.conformance.target import DEADLINE, Client, Instance, Launcher

T = TypeVar("T")


class Session:
    """One run of the suite against one Suggestion server.

    Args:
        profile: Profile of the requested algorithm.
        address: ``HOST:PORT``.
        launcher: Starts more servers, for checks that kill them.

    Attributes:
        calls: Every call so far.
        offences: The first violation of each of the rules for all replies.
    """

    def __init__(self, profile: Profile, address: str, launcher: Launcher | None = None) -> None:
        self.profile = profile
        self.address = address
        self.launcher = launcher
        self.calls: list[Call] = []
        self.offences: dict[str, tuple[str, Call]] = {}
        self.client = Client(address, self.calls.append)
        self._memory: dict[str, Any] = {}

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def connect(self, address: str | None = None) -> Client:
        """Open another connection, by default to the same server; the caller closes it."""
        return Client(address or self.address, self.calls.append)

    def launch(self) -> Instance:
        """Start a fresh server of the kind under test.

        Raises:
            NotRun: The suite was not told how to start one.
        """
        if self.launcher is None:
            raise NotRun("needs --start, to start and kill servers of its own")
        return self.launcher.launch()

    def once(self, key: str, make: Callable[[], T]) -> T:
        """Return what `make` returns, computed by the first check that needs it."""
        if key not in self._memory:
            self._memory[key] = make()
        made: T = self._memory[key]
        return made

    # -------------------------------------------------------------- experiments

    def experiment(
        self,
        name: str,
        parameters: Iterable[pb.ParameterSpec] | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        maximize: bool = False,
        parallel: int = 4,
    ) -> pb.Experiment:
        """Make an experiment that the algorithm must accept.

        Args:
            name: Short; part of the experiment's name.
            parameters: By default the profile's standard ones. What the algorithm always requires
                is added. An algorithm that searches architectures gets its network instead.
            settings: Override the profile's.
        """
        profile = self.profile
        chosen = profile.standard if parameters is None else tuple(parameters)
        made = messages.experiment(
            f"conformance-{name}",
            profile.algorithm,
            (*chosen, *profile.extra),
            {**profile.settings, **(settings or {})},
            maximize=maximize,
            parallel=parallel,
        )
        if profile.network is not None:
            made.spec.ClearField("parameter_specs")
            made.spec.nas_config.CopyFrom(profile.network.standard)
        return made

    def finite(self, name: str) -> pb.Experiment:
        """Make an experiment with twelve points, and what the algorithm always requires."""
        made = self.experiment(name, FINITE)
        if self.profile.network is not None:
            made.spec.nas_config.CopyFrom(self.profile.network.small)
        return made

    def space(self, experiment: pb.Experiment) -> Space:
        """Return the search space of an experiment of the algorithm."""
        return space_of(experiment, self.profile.network)

    def history(self, experiment: pb.Experiment, count: int, seed: str = "") -> list[pb.Trial]:
        """Make `count` finished trials of `experiment`, at random points."""
        seed = f"{experiment.name} {seed}"
        return messages.invented(experiment, count, seed, space=self.space(experiment))

    # -------------------------------------------------------------------- calls

    def send(
        self,
        request: pb.GetSuggestionsRequest,
        *,
        client: Client | None = None,
        timeout: float = DEADLINE,
    ) -> Call:
        """Request suggestions, and apply the rules for all replies to the answer."""
        call = (client or self.client).call("Suggestion/GetSuggestions", request, timeout)
        if isinstance(call.reply, pb.GetSuggestionsReply):
            space = self.space(request.experiment)
            for identity, rule in RULES.items():
                if identity not in self.offences and (broken := rule(request, call.reply, space)):
                    self.offences[identity] = (broken, call)
        return call

    def suggest(
        self,
        request: pb.GetSuggestionsRequest,
        what: str = "a valid request",
        *,
        client: Client | None = None,
        timeout: float = DEADLINE,
    ) -> pb.GetSuggestionsReply:
        """Return the reply to `request`.

        Raises:
            Failed: It is an error.
        """
        call = self.send(request, client=client, timeout=timeout)
        return answered(call, what)

    def repeat(self, request: pb.GetSuggestionsRequest) -> pb.GetSuggestionsReply:
        """Return the reply to a request that was sent before.

        Raises:
            NotRun: There is none; another check tests that.
        """
        call = self.send(request)
        if not isinstance(call.reply, pb.GetSuggestionsReply):
            raise NotRun(
                f"a request sent again was not answered; see request-sent-again: {call.status}"
            )
        return call.reply

    def steady(self, request: pb.GetSuggestionsRequest, what: str) -> pb.GetSuggestionsReply:
        """Return the reply to `request`, if the server gives it twice.

        Raises:
            Failed: It is not answered.
            NotRun: The same request gets another reply. Another check tests that, and a comparison
                with the reply would mean nothing.
        """
        reply = self.suggest(request, what)
        if self.repeat(request) != reply:
            raise NotRun("the same request gets different replies; see same-call-twice")
        return reply

    def validate(self, experiment: pb.Experiment) -> Call:
        """Call ValidateAlgorithmSettings."""
        request = pb.ValidateAlgorithmSettingsRequest(experiment=experiment)
        return self.client.call("Suggestion/ValidateAlgorithmSettings", request)


def answered(call: Call, what: str) -> pb.GetSuggestionsReply:
    """Return the reply of `call`; raise `Failed` if it is an error."""
    if not isinstance(call.reply, pb.GetSuggestionsReply):
        raise Failed(f"{what}: must be answered, got {call.status}", call)
    return call.reply


class Play:
    """Play an experiment like the controller: trials in any order, settings of replies merged.

    Args:
        session: The session that requests suggestions.
        experiment: Copied; settings of replies are merged into the copy's.
        client: The connection to use, by default the session's. May be replaced in between.
        shuffle: Send the trials in changing order, like the controller.
    """

    def __init__(
        self,
        session: Session,
        experiment: pb.Experiment,
        *,
        client: Client | None = None,
        shuffle: bool = True,
    ) -> None:
        self.session = session
        self.experiment = pb.Experiment()
        self.experiment.CopyFrom(experiment)
        self.client = client
        self.trials: list[pb.Trial] = []
        self.asked = 0
        self.replies: list[tuple[pb.GetSuggestionsRequest, pb.GetSuggestionsReply]] = []
        self.space = session.space(experiment)
        self._order = random.Random(experiment.name) if shuffle else None

    def request(self, count: int) -> pb.GetSuggestionsRequest:
        """Make the request for `count` more suggestions."""
        trials = list(self.trials)
        if self._order is not None:
            self._order.shuffle(trials)
        return messages.request(self.experiment, trials, count, self.asked + count)

    def ask(
        self, count: int, what: str = "a request in the course of an experiment"
    ) -> list[pb.Trial]:
        """Return the next `count` trials, which are running from now on.

        Raises:
            Failed: The request is not answered.
        """
        request = self.request(count)
        reply = self.session.suggest(request, what, client=self.client)
        self.replies.append((request, reply))
        new = []
        for offset, item in enumerate(reply.parameter_assignments):
            name = item.trial_name or f"{self.experiment.name}-{self.asked + offset:04d}"
            assignment = messages.assignment_of(item)
            objective = self.experiment.spec.objective
            new.append(messages.trial(name, assignment, objective=objective))
        self.asked += count
        self.trials += new
        self._merge(reply.algorithm.algorithm_settings)
        return new

    def _merge(self, settings: Iterable[pb.AlgorithmSetting]) -> None:
        own = self.experiment.spec.algorithm.algorithm_settings
        for setting in settings:
            for known in own:
                if known.name == setting.name:
                    known.value = setting.value
                    break
            else:
                own.append(setting)

    def finish(
        self,
        trial: pb.Trial,
        value: str | None,
        condition: pb.TrialStatus.TrialConditionType = Status.SUCCEEDED,
    ) -> None:
        """End a trial with `value` as its objective, or without one if None."""
        trial.status.condition = condition
        trial.status.completion_time = messages.COMPLETED
        if value is not None:
            metric = self.experiment.spec.objective.objective_metric_name
            trial.status.observation.metrics.add(name=metric, value=value)

    def loss(self, trial: pb.Trial, optimum: float = 0.3) -> float:
        """Return the squared distance of a trial from one point of the unit cube."""
        assignment = messages.trial_assignment(trial)
        if not self.space.fits(assignment):
            return 9.0  # left to the rules for all replies
        return sum((share - optimum) ** 2 for share in self.space.shares(assignment))

    def assignments(self) -> list[dict[str, str]]:
        """Return the suggestions so far, in order."""
        return [messages.trial_assignment(trial) for trial in self.trials]

"""Ask for suggestions and tell their values, as a controller of the v1beta1 API does.

The history is kept here, none of it in a server: each request carries all trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.client.parameters import assigned_by
from suggestion.client.replies import BadReply, read_suggestions
from suggestion.client.transports import Transport
from suggestion.problem.errors import quote


@dataclass(frozen=True, slots=True)
class Trial:
    """A suggestion that was asked for.

    Attributes:
        name: Its name: the algorithm's choice, or else of the experiment's name and the index.
        index: Its place among all suggestions, from 0.
        assignment: Value of each parameter, as text.
        labels: What the algorithm says of it, for people.
    """

    name: str
    index: int
    assignment: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)


class AskTell:
    """One experiment: `ask` for trials, then `tell` the value of each or that it failed.

    Trials may be told in any order, and asked for while others run. Not safe for several threads.

    Args:
        experiment: What is to be optimised, and how; it is copied.
        transport: The way to the algorithm.
        name_of: Gives the name of a trial by its index, where the algorithm does not name it.
    """

    def __init__(
        self,
        experiment: api.Experiment,
        transport: Transport,
        name_of: Callable[[int], str] | None = None,
    ) -> None:
        self._transport = transport
        self._name_of = name_of or f"{experiment.name}-{{:05}}".format
        self._request = api.GetSuggestionsRequest(experiment=experiment)
        self._trials: list[Trial] = []
        self._running: dict[str, int] = {}

    @property
    def experiment(self) -> api.Experiment:
        """The experiment, with the settings that replies have asked to be told again."""
        return self._request.experiment

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, in the order in which they were asked for or added."""
        return tuple(self._trials)

    def validate(self) -> None:
        """Check the experiment; raises what the transport raises if it breaks a rule."""
        self._transport.validate(self.experiment)

    def request(self, count: int = 1, first_index: int | None = None) -> api.GetSuggestionsRequest:
        """Return the request for `count` more suggestions; it changes with the next call.

        Args:
            first_index: Index of the first of them; None for the number of trials.
        """
        first = len(self._trials) if first_index is None else first_index
        self._request.current_request_number = count
        self._request.total_request_number = first + count
        return self._request

    def ask(self, count: int = 1) -> list[Trial]:
        """Return `count` new trials, which count as running until they are told.

        Raises:
            BadReply: If the reply is not `count` points of the space, or names a trial twice.
            Exception: What the transport raises; nothing has changed then.
        """
        return [
            self.start(trial.assignment, trial.name, trial.labels) for trial in self.suggest(count)
        ]

    def suggest(self, count: int = 1, first_index: int | None = None) -> list[Trial]:
        """Return the `count` trials that are to be made next, without making them; see `ask`.

        Only those have a name whose name the server has chosen.
        """
        request = self.request(count, first_index)
        first = request.total_request_number - count
        reply = self._transport.suggest(request)
        entries = read_suggestions(reply, count, self._parameters())
        made = [
            Trial(entry.name, index, entry.assignment, entry.labels)
            for index, entry in enumerate(entries, first)
        ]
        known = {trial.name for trial in self._trials}
        for entry in entries:
            if entry.name and entry.name in known:
                raise BadReply(f"trial names must differ, got {quote(entry.name)} again")
        self._lay_over(reply.algorithm.algorithm_settings)
        return made

    def _parameters(self) -> Sequence[str]:
        """Return the names of what a suggestion assigns."""
        spec = self.experiment.spec
        if spec.HasField("nas_config"):
            return assigned_by(spec.algorithm.algorithm_name)
        return [parameter.name for parameter in spec.parameter_specs.parameters]

    def add(self, assignment: Mapping[str, str], value: float) -> Trial:
        """Add a trial with its value that nobody suggested; it counts like one that was."""
        trial = self.start(assignment)
        self.tell(trial, value)
        return trial

    def start(
        self, assignment: Mapping[str, str], name: str = "", labels: Mapping[str, str] | None = None
    ) -> Trial:
        """Add a running trial; without a `name` it gets one by its index."""
        index = len(self._trials)
        trial = Trial(name or self._name_of(index), index, dict(assignment), labels or {})
        message = self._request.trials.add(name=trial.name)
        for key, value in trial.assignment.items():
            message.spec.parameter_assignments.assignments.add(name=key, value=value)
        message.status.condition = api.TrialStatus.RUNNING
        self._trials.append(trial)
        self._running[trial.name] = index
        return trial

    def tell(self, trial: Trial, value: float | Mapping[str, float]) -> None:
        """Record the metrics of a trial that has succeeded.

        Args:
            trial: One that was asked for and not told yet.
            value: The objective metric, or all metrics by name; a trial without a finite value of
                each objective counts as failed.

        Raises:
            ValueError: If `trial` is not running.
        """
        status = self._finish(trial).status
        status.condition = api.TrialStatus.SUCCEEDED
        main = self.experiment.spec.objective.objective_metric_name
        metrics = value if isinstance(value, Mapping) else {main: value}
        for name, number in metrics.items():
            status.observation.metrics.add(name=name, value=repr(float(number)))

    def fail(self, trial: Trial) -> None:
        """Record that a trial has failed: it has no value, and its point is not tried again.

        Raises:
            ValueError: If `trial` is not running.
        """
        self._finish(trial).status.condition = api.TrialStatus.FAILED

    def _finish(self, trial: Trial) -> api.Trial:
        if self._running.get(trial.name) != trial.index:
            known = any(trial.name == other.name for other in self._trials)
            got = "one that was told before" if known else "one that was not asked for"
            raise ValueError(f"trial {quote(trial.name)}: must be running, got {got}")
        del self._running[trial.name]
        return self._request.trials[trial.index]

    def _lay_over(self, settings: Iterable[api.AlgorithmSetting]) -> None:
        """Lay settings of a reply over the experiment's own, for the requests that follow."""
        own = self.experiment.spec.algorithm.algorithm_settings
        known = {setting.name: setting for setting in own}
        for told in settings:
            if told.name in known:
                known[told.name].value = told.value
            else:
                own.add(name=told.name, value=told.value)

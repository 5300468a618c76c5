"""A correct server with every ability of the suite, in the simplest way; and bad ones."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Final

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.conformance.checks.abilities import ABILITIES
from suggestion.conformance.profiles import Profile
from suggestion.conformance.space import Space, decimal

from . import reference
from .reference import PROFILE, Assignment, History

ABLE: Final[Profile] = dataclasses.replace(PROFILE, abilities=frozenset(ABILITIES))


class Able(reference.Suggestion):
    """Every method is a place for one fault."""

    # ------------------------------------------------------------ validation

    def violations(self, experiment: pb.Experiment) -> list[tuple[str, str]]:
        kept = [
            (identity, text)
            for identity, text in super().violations(experiment)
            if not any(repr(name) in text for name in ABILITIES)
        ]
        return [*kept, *self.mistakes(experiment)]

    def mistakes(self, experiment: pb.Experiment) -> Iterator[tuple[str, str]]:
        names = [p.name for p in experiment.spec.parameter_specs.parameters]
        names += [*experiment.spec.objective.additional_metric_names, "if", "sgd", "minimize"]
        for setting in experiment.spec.algorithm.algorithm_settings:
            if setting.name == "prior_trials":
                for study in json.loads(setting.value).values():
                    if any(len(v) != len(study["values"]) for v in study["parameters"].values()):
                        yield "ability-mistakes", "setting prior_trials: lengths must be equal"
            elif setting.name == "initial_points":
                for point in json.loads(setting.value):
                    if int(point.get("width", 1)) > 4:
                        yield "ability-mistakes", "setting initial_points: width must be <= 4"
            elif setting.name in ABILITIES:
                for name in re.findall(r"[a-z]+", setting.value):
                    if name not in names:
                        yield "ability-mistakes", f"setting {setting.name}: there is no {name!r}"

    # ----------------------------------------------------------- suggestions

    def inactive(self, request: pb.GetSuggestionsRequest, assignment: Assignment) -> bool:
        return "conditions" in self.settings(request) and assignment["optimizer"] != "sgd"

    def impossible(self, request: pb.GetSuggestionsRequest, assignment: Assignment) -> bool:
        if "parameter_constraints" not in self.settings(request):
            return False
        return int(assignment["width"]) + int(assignment["depth"]) > 4

    def initial(self, request: pb.GetSuggestionsRequest) -> list[Assignment]:
        points: list[Assignment] = json.loads(self.settings(request).get("initial_points", "[]"))
        return points

    def one(
        self,
        request: pb.GetSuggestionsRequest,
        space: Space,
        history: History,
        index: int,
        taken: set[tuple[str, ...]],
    ) -> Assignment:
        given = dict(enumerate(self.initial(request))).get(index, {})
        made: Assignment = {}
        for attempt in range(100):
            made = super().one(request, space, history, index + 1000 * attempt, taken)
            made = {**made, **given}
            if self.inactive(request, made):
                made["momentum"] = self.placeholder(made)
            if tuple(made.values()) not in taken and not self.impossible(request, made):
                break
        return made

    def placeholder(self, assignment: Assignment) -> str:
        return "0.1"

    def read(self, request: pb.GetSuggestionsRequest) -> History:
        history = super().read(request)
        past = [assignment for _, assignment in history.observed]
        for assignment in (*past, *history.pending, *history.failed):
            if self.inactive(request, assignment):
                self.forget(assignment)
        for study in json.loads(self.settings(request).get("prior_trials", "{}")).values():
            for row, value in enumerate(study["values"]):
                point = {name: str(column[row]) for name, column in study["parameters"].items()}
                self.learn(history, value - 10, {**past[0], **point} if past else {})
        history.observed.sort(key=lambda pair: (pair[0], tuple(pair[1].values())))
        return history

    def forget(self, assignment: Assignment) -> None:
        assignment["momentum"] = "0.1"

    def learn(self, history: History, loss: float, assignment: Assignment) -> None:
        if assignment:
            history.observed.append((loss, assignment))

    def loss(self, request: pb.GetSuggestionsRequest, trial: pb.Trial) -> float | None:
        loss = super().loss(request, trial)
        metrics = {m.name: decimal(m.value) for m in trial.status.observation.metrics}
        latency = metrics.get("latency")
        if loss is None:
            return None
        if "objectives" in self.settings(request):
            loss = self.traded(loss, None if latency is None else float(latency))
        if loss is not None and "metric_constraints" in self.settings(request):
            loss += self.penalty(None if latency is None else float(latency))
        return loss

    def traded(self, loss: float, latency: float | None) -> float | None:
        return None if latency is None else loss + latency

    def penalty(self, latency: float | None) -> float:
        return 0.0 if latency is not None and latency <= 1 else 100.0

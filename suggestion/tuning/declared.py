"""Arguments that are settings of the algorithm: seed, conditions, constraints, initial points."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from suggestion.tuning.errors import BrokenRule, InvalidArgument, attempt
from suggestion.tuning.goals import RANDOM_STATE, Settings
from suggestion.tuning.objectives import (
    METRIC_CONSTRAINTS,
    OBJECTIVES,
    Objective,
    Statements,
    joined,
)
from suggestion.tuning.space import Space

#: Points that are tried first; what one lacks the algorithm chooses.
Points: TypeAlias = Sequence[Mapping[str, object]]

#: The setting that each argument becomes.
_SETTINGS: Final = {
    "seed": RANDOM_STATE,
    "conditions": "conditions",
    "constraints": "parameter_constraints",
    "initial_points": "initial_points",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """What a call says of its problem, beside the space."""

    conditions: Statements | None = None
    constraints: Statements | None = None
    initial_points: Points | None = None
    seed: int | None = None

    def settings(
        self,
        settings: Settings | None,
        space: Space | None,
        objective: Objective | None,
        broken: list[BrokenRule],
    ) -> Settings:
        """Return `settings` with these; what they break is added to `broken`.

        Args:
            space, objective: None if it is broken itself.
        """
        if settings is not None and not isinstance(settings, Mapping):
            rule = f"must map names to values, got {settings!r:.80}"
            broken.append(BrokenRule("settings", rule))
            settings = None
        made = dict(settings or {})
        for name, setting in _SETTINGS.items():
            if getattr(self, name) is None:
                continue
            if setting in made:
                rule = f"must not be given together with settings[{setting!r}]"
                broken.append(BrokenRule(name, rule))
        if self.seed is not None and RANDOM_STATE not in made:
            made = {RANDOM_STATE: self.seed, **made}
        for name in (OBJECTIVES, METRIC_CONSTRAINTS):
            if name in made and objective is not None and name not in objective.settings:
                rule = f"must be given as the argument {name}"
                broken.append(BrokenRule(f"settings[{name!r}]", rule))
                del made[name]  # said once
        for name, given in (("conditions", self.conditions), ("constraints", self.constraints)):
            if given is None:
                continue
            text = attempt(broken, partial(joined, name, given))
            if text is not None:
                made[_SETTINGS[name]] = text
        if self.initial_points is not None and space is not None:
            made["initial_points"] = _points(self.initial_points, space, broken)
        return made

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Name these arguments, instead of the settings that they become, in errors."""
        places = {
            f"settings[{setting!r}]": name
            for name, setting in _SETTINGS.items()
            if getattr(self, name) is not None
        }
        try:
            yield
        except InvalidArgument as error:
            raise InvalidArgument(
                rule._replace(place=places.get(rule.place, rule.place)) for rule in error.broken
            ) from error


def _points(given: Points, space: Space, broken: list[BrokenRule]) -> str:
    if not isinstance(given, list | tuple):
        broken.append(BrokenRule("initial_points", f"must be a list of points, got {given!r:.80}"))
        return "[]"
    texts = []
    for index, point in enumerate(given):
        place = f"initial_points[{index}]"
        if not isinstance(point, Mapping):
            broken.append(BrokenRule(place, f"must be a mapping, got {point!r:.80}"))
            continue
        try:
            texts.append(space.encode(point, place, partial=True))
        except InvalidArgument as error:
            broken += error.broken
    return json.dumps(texts)

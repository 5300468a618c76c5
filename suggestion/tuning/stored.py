"""The file of a study, and the trials in it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.goals import Method
from suggestion.tuning.objectives import Objective
from suggestion.tuning.reading import SpaceLike, read_space
from suggestion.tuning.space import Space, from_json
from suggestion.tuning.trials import State

_FORMAT: Final = 1

_Texts: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """A trial as it is stored: `texts` are what the solver knows it by."""

    name: str
    texts: Mapping[str, str]
    state: State = State.RUNNING
    value: float | None = None
    metrics: Mapping[str, float] | None = None
    labels: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, object]:
        """Return the trial as JSON."""
        made: dict[str, object] = {
            "name": self.name,
            "parameters": dict(self.texts),
            "state": str(self.state),
            "value": self.value,
        }
        if self.metrics:  # as texts: JSON has neither nan nor infinities
            made["metrics"] = {name: repr(value) for name, value in self.metrics.items()}
        if self.labels:
            made["labels"] = dict(self.labels)
        return made

    @classmethod
    def from_json(cls, entry: Mapping[str, object]) -> Record:
        """Return what `to_json` has written."""
        return cls(
            str(entry["name"]),
            cast("Mapping[str, str]", entry["parameters"]),
            State(str(entry["state"])),
            metrics={k: float(v) for k, v in cast("_Texts", entry.get("metrics") or {}).items()},
            labels=cast("Mapping[str, str]", entry.get("labels") or {}),
        )


@dataclass(frozen=True, slots=True)
class Saved:
    """A study, as a file holds it."""

    name: str
    space: Space
    objective: Objective
    method: Method
    records: Sequence[Record]

    def to_json(self) -> dict[str, object]:
        """Return the study as JSON."""
        return {
            "format": _FORMAT,
            "name": self.name,
            "algorithm": self.method.name,
            "settings": dict(self.method.settings),
            "objective": objective_to_json(self.objective),
            "space": self.space.to_json(),
            "trials": [record.to_json() for record in self.records],
        }


def objective_to_json(objective: Objective) -> dict[str, object]:
    """Return the objectives and bounds of a study as JSON."""
    made: dict[str, object] = {"metric": objective.metric, "maximize": objective.maximize}
    if objective.further:
        made["further"] = dict(objective.further)
    if objective.bounds:
        made["bounds"] = objective.bounds
    return made


def objective_from_json(entry: Mapping[str, object]) -> Objective:
    """Return what `objective_to_json` has written."""
    return Objective(
        str(entry["metric"]),
        bool(entry["maximize"]),
        further=cast("Mapping[str, bool]", entry.get("further") or {}),
        bounds=str(entry.get("bounds") or ""),
    )


def write(path: Path, study: Saved) -> None:
    """Write a study to a file, in one step: the file is never half written."""
    text = json.dumps(study.to_json(), indent=1, allow_nan=False) + "\n"
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path, space: SpaceLike | None = None) -> Saved:
    """Return the study that `write` wrote to `path`.

    Args:
        space: The space as it was, where its choices are objects that JSON cannot hold.

    Raises:
        InvalidArgument: If the file holds something else, or `space` is another one.
    """
    data = _data(path)
    declared = cast("Sequence[Mapping[str, object]]", data["space"])
    if space is not None:
        whole = read_space(space)
        if json.loads(json.dumps(whole.to_json())) != declared:
            rule = f"must be the space of the study in {path}, got another one"
            raise InvalidArgument([BrokenRule("space", rule)])
    try:
        return Saved(
            str(data["name"]),
            from_json(declared, str(path)) if space is None else whole,
            objective_from_json(cast("Mapping[str, object]", data["objective"])),
            Method(str(data["algorithm"]), dict(cast("_Texts", data["settings"]))),
            [Record.from_json(entry) for entry in cast("Sequence[Any]", data["trials"])],
        )
    except InvalidArgument:
        raise
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        rule = f"must hold a whole study, got a damaged one: {error!r}"
        raise InvalidArgument([BrokenRule(str(path), rule)]) from error


def _data(path: Path) -> Mapping[str, object]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidArgument([BrokenRule(str(path), f"must hold a study: {error}")]) from error
    if not isinstance(data, dict) or "space" not in data or "trials" not in data:
        raise InvalidArgument([BrokenRule(str(path), "must hold a study, got other JSON")])
    found = data.get("format")
    if found != _FORMAT:
        later = isinstance(found, int) and found > _FORMAT
        rule = f"must be of format {_FORMAT}, got {found!r}"
        rule += ": written by a later version" if later else ""
        raise InvalidArgument([BrokenRule(str(path), rule)])
    return data

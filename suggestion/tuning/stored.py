"""The file of a study, and the trials in it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.objectives import Objective
from suggestion.tuning.trials import State

_FORMAT: Final = 1


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


def write(path: Path, data: Mapping[str, object]) -> None:
    """Write a study to a file, in one step: the file is never half written."""
    text = json.dumps({"format": _FORMAT, **data}, indent=1, allow_nan=False) + "\n"
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


def read(path: Path) -> Mapping[str, object]:
    """Return what `write` wrote to `path`.

    Raises:
        InvalidArgument: If the file holds something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidArgument([BrokenRule(str(path), f"must hold a study: {error}")]) from error
    if not isinstance(data, dict) or "space" not in data or "trials" not in data:
        raise InvalidArgument([BrokenRule(str(path), "must hold a study, got other JSON")])
    if data.get("format") != _FORMAT:
        rule = (
            f"must be of format {_FORMAT}, got {data.get('format')!r}: written by a later version"
        )
        raise InvalidArgument([BrokenRule(str(path), rule)])
    return data

"""The arguments of `tune`, checked all at once before the first trial."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from suggestion.runtimes.python.names import LOADING
from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.goals import Method, Settings
from suggestion.tuning.objectives import (
    Direction,
    Objective,
    Objectives,
    Statements,
    read_objective,
    taken_by,
)

_FIELD: Final = "a field that each report has"
_LONGEST_NAME: Final = 40  # what a cluster takes


def in_trial() -> bool:
    """Return whether this process is that of a trial, which imports the program of its function."""
    return LOADING in os.environ


def name_for(text: str) -> str:
    """Return `text` as the name of an experiment: a DNS label that a cluster takes."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name or not name[0].isalpha():
        name = f"tune-{name}".strip("-")
    return name[:_LONGEST_NAME].rstrip("-")


def check(
    *,
    minimize: Direction,
    maximize: Direction,
    goal: float | None,
    objectives: Objectives | None,
    metric_constraints: Statements | None,
    parameters: Iterable[str],
    counts: Mapping[str, int | None],
    seconds: Mapping[str, float | None],
    retries: int,
    gpus: object,
) -> Objective:
    """Return the objective, after checking what needs neither space nor algorithm.

    Args:
        parameters: Of the space, as far as they are known.
        counts: Arguments that are whole numbers from 1 on.
        seconds: Arguments that are numbers above 0.
        retries: A whole number from 0 on.
        gpus: A list, or None.

    Raises:
        InvalidArgument: With every rule that an argument breaks.
    """
    broken: list[BrokenRule] = []
    objective = Objective()
    try:
        taken = {**dict.fromkeys(("step", "timestamp"), _FIELD), **taken_by(parameters)}
        objective = read_objective(minimize, maximize, goal, objectives, metric_constraints, taken)
    except InvalidArgument as error:
        broken += error.broken
    for name, count in counts.items():
        whole = isinstance(count, int) and not isinstance(count, bool)
        if count is not None and (not whole or count < 1):
            broken.append(BrokenRule(name, f"must be a whole number, at least 1, got {count!r}"))
    for name, number in seconds.items():
        real = isinstance(number, int | float) and not isinstance(number, bool)
        if number is not None and not (real and 0 < number < float("inf")):
            broken.append(BrokenRule(name, f"must be a number of seconds above 0, got {number!r}"))
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        broken.append(BrokenRule("retries", f"must be a whole number, at least 0, got {retries!r}"))
    if isinstance(gpus, str):
        broken.append(BrokenRule("gpus", f"must be a list, got {gpus!r}"))
    if broken:
        raise InvalidArgument(broken)
    return objective


def working_directory() -> Path:
    """Return the folder in which trials run.

    Raises:
        RuntimeError: If it is gone.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise RuntimeError("the working directory, in which trials run, is gone") from error


def directory_for(name: str, directory: str | Path | None) -> Path:
    """Return where an experiment is kept, which exists then.

    Without a `directory`, it is a new one below ``runs``.

    Raises:
        InvalidArgument: If it cannot be made.
    """
    if directory is not None:
        folder = Path(directory)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            rule = f"must be a directory, or one that can be made, got {str(folder)!r}"
            text = f"{rule}: {error.strerror}"
            raise InvalidArgument([BrokenRule("directory", text)]) from error
        return folder
    try:
        Path("runs").mkdir(exist_ok=True)
    except OSError as error:
        rule = f"must be given, since runs/ cannot be made here: {error.strerror}"
        raise InvalidArgument([BrokenRule("directory", rule)]) from error
    number = 1
    while True:
        folder = Path("runs", f"{name}-{number}")
        try:
            # Made here, in one step: another program may start now.
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return folder


def stopping_for(stop: str | None, settings: Settings | None) -> Method | None:
    """Return the early-stopping rule that the arguments ask for.

    Raises:
        InvalidArgument: If there are settings without a rule.
    """
    if stop is None:
        if settings:
            raise InvalidArgument(
                [
                    BrokenRule(
                        "stop_settings", f"must be given together with stop, got {settings!r:.80}"
                    )
                ]
            )
        return None
    return Method.of(stop, settings)

"""Asking the runner of an experiment for something, from another process."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from suggestion.api.v1beta1 import messages as wire
from suggestion.client.algorithm_check import scratch
from suggestion.controller.experiment import Experiment
from suggestion.controller.lock import Busy, Lock, held
from suggestion.controller.moments import Clock, rfc3339
from suggestion.controller.requests import Action, Enqueue, Resume, SetLimits
from suggestion.controller.store import Store, not_validated
from suggestion.engine.algorithm import algorithms
from suggestion.engine.engine import Engine
from suggestion.problem.errors import Invalid, quote
from suggestion.runner.points import examine

_POLL_SECONDS: Final = 0.05
#: Of an experiment: the command that ran it last.
COMMAND: Final = "command"


class Refused(Exception):
    """A request that is not carried out; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a request.

    Attributes:
        done: The runner has carried it out; else it is kept until a runner does.
        text: For people.
    """

    done: bool
    text: str


def ask(directory: Path, action: Action, seconds: float = 10.0) -> Outcome:
    """Ask the runner that is at work in `directory` for something, and wait for its answer.

    What makes sense without a runner, a point and the end of a pause, is kept for the next one.

    Args:
        action: Of a point, the texts that a user gives; they are checked here.
        seconds: To wait. A runner that asks its algorithm at the moment takes a point later.

    Raises:
        Refused: If it is refused, with everything that is wrong, or nobody runs the experiment.
        OSError, ValueError, sqlite3.Error: If the state cannot be read, or written.
    """
    store = Store(directory)
    try:
        experiment = store.experiment()
        if experiment is None:
            raise Refused(str(not_validated(directory)))
        if experiment.done:
            said = experiment.condition()["message"]
            raise Refused(f"the experiment has ended: {said}")
        action = _checked(experiment, action)
        runs = held(directory)
        if not runs and not _kept(experiment, action):
            raise Refused(_nobody(experiment, action))
        try:
            number = store.ask(action, rfc3339(Clock().now()))
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            raise Refused(
                "the experiment was made by an earlier version; " + resuming(experiment)
            ) from error
        return _wait(directory, store, experiment, action, number, seconds)
    finally:
        store.close()


def resuming(experiment: Experiment) -> str:
    """Return how an experiment that nobody runs is resumed."""
    command = experiment.options.get(COMMAND)
    return f"resume it: {command}" if command else "run the same command to resume it"


def _wait(
    directory: Path,
    store: Store,
    experiment: Experiment,
    action: Action,
    number: int,
    seconds: float,
) -> Outcome:
    until = time.monotonic() + seconds
    while (answer := store.answer(number)) is None:
        runs = held(directory)
        if not runs:
            return _without(directory, store, experiment, action, number)
        if time.monotonic() > until:
            return Outcome(False, "the runner has not answered yet; the request is kept")
        time.sleep(_POLL_SECONDS)
    if not answer.done:
        raise Refused(answer.text)
    return Outcome(True, answer.text)


def _without(
    directory: Path, store: Store, experiment: Experiment, action: Action, number: int
) -> Outcome:
    """Keep or take back a request that no runner takes up.

    Raises:
        Refused: If it is taken back.
    """
    if _kept(experiment, action):
        return Outcome(False, f"it is done when the experiment goes on; {resuming(experiment)}")
    try:
        lock = Lock(directory)  # nobody can take it up meanwhile
    except Busy:
        return Outcome(False, "the request is kept for the runner that has just begun")
    try:
        store.withdraw(number)
        answer = store.answer(number)
    finally:
        lock.release()
    if answer is not None and answer.done:
        return Outcome(True, answer.text)
    raise Refused(_nobody(experiment, action) if answer is None else answer.text)


def _kept(experiment: Experiment, action: Action) -> bool:
    """Return whether a request makes sense while nobody runs the experiment."""
    return isinstance(action, Enqueue) or (isinstance(action, Resume) and experiment.paused)


def _nobody(experiment: Experiment, action: Action) -> str:
    said = f"nobody runs the experiment; {resuming(experiment)}"
    if isinstance(action, SetLimits):
        fields = " ".join(f"--set spec.{name}={value}" for name, value in action.fields().items())
        said += f", with {fields}"
    return said


def _checked(experiment: Experiment, action: Action) -> Action:
    """Return `action` as the runner takes it.

    Raises:
        Refused: With everything that is wrong with it.
    """
    if isinstance(action, Enqueue):
        found = examine(experiment.document, action.assignment)
        if found.errors:
            lines = [
                f"parameter {quote(name)}: {text}" if name else f"the point: {text}"
                for name, text in found.errors.items()
            ]
            raise Refused("\n".join(lines))
        return replace(action, assignment=found.assignment)
    if isinstance(action, SetLimits):
        spec = {**experiment.document["spec"], **action.fields()}
        _expect_allowed({**experiment.document, "spec": spec})
    return action


def _expect_allowed(document: Mapping[str, Any]) -> None:
    """Let the algorithm look at new limits, if it is installed here: its server would refuse them.

    Raises:
        Refused: If they break its rules.
    """
    message = wire.write_experiment(document)
    choice = wire.read_algorithm(message.spec.algorithm)
    if choice.name not in algorithms():
        return
    try:
        with scratch():
            Engine(algorithms()).prepare(wire.read_problem(message), choice)
    except Invalid as error:
        raise Refused("\n".join(v.description for v in error.violations)) from error

"""Where the trials of a run are to run: as asked, else where those of its directory ran."""

from __future__ import annotations

import socket
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from suggestion import runtimes
from suggestion.client import document
from suggestion.controller.experiment import Experiment
from suggestion.controller.runtime import Asked, Place, Whose
from suggestion.controller.slots import MOST, Slot, divide
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Trial
from suggestion.runner.errors import ExperimentRefused
from suggestion.runner.request import Request

#: Of an experiment: which runtime its trials have, with which options, and a name of its own.
RUNTIME: Final = "runtime"
OPTIONS: Final = "runtimeOptions"
ID: Final = "id"
_DEFAULT: Final = "process"


@dataclass(frozen=True, slots=True)
class Where:
    """A runtime and its options.

    Attributes:
        known: Those of the experiment in the directory; None without one, or if a version made it
            that did not note them.
    """

    name: str
    chosen: Mapping[str, Any]
    known: Where | None = None

    def place(self) -> Place:
        """Return the place with its options."""
        return runtimes.place(self.name, self.chosen)

    def noted(self, experiment: Experiment) -> Experiment:
        """Return the experiment with a note of where its trials run."""
        own = {RUNTIME: self.name, OPTIONS: dict(self.chosen)}
        identity = experiment.options.get(ID) or uuid.uuid4().hex[:12]
        return replace(experiment, options={**experiment.options, **own, ID: identity})


def choose(request: Request) -> Where:
    """Return where the trials of a run are to run.

    Raises:
        ExperimentRefused: If an option is given that is another runtime's.
    """
    known = _known(request)
    name = request.runtime or (_DEFAULT if known is None or request.fresh else known.name)
    before = known.chosen if known is not None and known.name == name and not request.fresh else {}
    own = {option.name for option in runtimes.place(name).options}
    found = [
        f"--{option}: needs --runtime {_owner(option)}, got --runtime {name}"
        for option in request.runtime_options
        if option not in own
    ]
    if found:
        raise ExperimentRefused("\n".join(found))
    return Where(name, {**before, **request.runtime_options}, known)


def _owner(option: str) -> str:
    owners = (
        name
        for name in runtimes.RUNTIMES
        if option in {known.name for known in runtimes.place(name).options}
    )
    return next(owners, "of another kind")


def _known(request: Request) -> Where | None:
    directory = request.directory or _directory(request)
    if directory is None or not (directory / FILE).exists():
        return None
    try:
        store = Store(directory)
    except (sqlite3.Error, ValueError, OSError):
        return None  # what is wrong with it is told when it is opened to go on
    try:
        experiment = store.experiment()
    except sqlite3.Error:
        return None
    finally:
        store.close()
    if experiment is None or experiment.options.get(RUNTIME) not in runtimes.RUNTIMES:
        return None
    return Where(experiment.options[RUNTIME], experiment.options.get(OPTIONS) or {})


def _directory(request: Request) -> Path | None:
    name = document.examine(request.path, request.changes, request.command, runs=False).name
    return request.folder(name) if name else None


def whose(directory: Path, experiment: Experiment, folder: Path | None = None) -> Whose:
    """Return what a runtime is to know of the experiment in a directory.

    Args:
        folder: That trials run in; None if they are only to be stopped.
    """
    return Whose(
        experiment.name,
        str(experiment.options.get(ID, "")),
        directory.absolute(),
        experiment.document,
        folder,
    )


def expect_honoured(where: Where, place: Place, asked: Asked) -> None:
    """Refuse what a runtime cannot honour of a run, all of it at once.

    Raises:
        ExperimentRefused: With each.
    """
    found = [f"--runtime {where.name}: {text}" for text in place.refusals(asked)]
    if found:
        raise ExperimentRefused("\n".join(found))


def expect_own(
    directory: Path, where: Where, place: Place, trials: Sequence[Trial], gone: Sequence[str]
) -> None:
    """Refuse to go on with running trials that this runtime, or this machine, cannot find.

    Args:
        gone: Machines whose trials are known to be gone.

    Raises:
        ExperimentRefused: If there are such trials.
    """
    running = [trial for trial in trials if trial.handle is not None]
    if running and where.known is not None and where.known.name != where.name:
        raise ExperimentRefused(
            f"{directory}: {_some(running)} may still run with --runtime {where.known.name}, got "
            f"--runtime {where.name}; stop them there first (Ctrl-C twice)"
        )
    if not place.host_bound:
        return
    host = socket.gethostname()
    away: dict[str, list[Trial]] = {}
    for trial in running:
        there = str((trial.handle or {}).get("host") or host)
        if there != host and there not in gone:
            away.setdefault(there, []).append(trial)
    if away:
        raise ExperimentRefused(
            "\n".join(
                f"{directory}: {_some(there)} may still run on {name}, and only that machine can "
                f"go on with processes of its own, got {host}; run the command there, or, if "
                f"{name} is gone for good, with --lost-host {name}"
                for name, there in away.items()
            )
        )


def _some(trials: Sequence[Trial]) -> str:
    first = trials[0].name
    return first if len(trials) == 1 else f"{first} and {len(trials) - 1} more trials"


def slots_of(request: Request, place: Place, parallel: int, gpus: int) -> Sequence[Slot]:
    """Return a slot for each trial at a time, and for those that users may ask for later.

    Args:
        gpus: That the file asks for, for each trial.

    Raises:
        ExperimentRefused: If there is no room for one trial on this machine.
    """
    if not place.here:
        return tuple(Slot(number) for number in range(max(parallel, MOST)))
    try:
        each = request.gpus_each or gpus or 1
        return divide(parallel, request.gpus, each, request.cpus_each, MOST)
    except ValueError as error:
        raise ExperimentRefused(str(error)) from error

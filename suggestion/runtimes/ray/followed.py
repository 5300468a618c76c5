"""A trial that is followed: its processes, and how much of what they write is here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suggestion.client.demand import ANY, Demand
from suggestion.controller.runtime import Grown, Handle, LaunchSpec, Output, TrialFiles
from suggestion.runtimes.ray import actors


@dataclass(slots=True)
class Replica:
    """One process of a trial.

    Attributes:
        name: Of its actor.
        sinks: Files here that take what it writes: output, then metrics.
        here: How much of them is here, or on its way into the output file.
        started: Its process has been started.
    """

    name: str
    actor: Any
    sinks: Sequence[Path]
    here: list[int]
    started: bool = False


@dataclass(slots=True)
class Followed:
    """A trial.

    Attributes:
        count: How many processes it has.
        spec: What its processes are made of, until it has actors.
        wanted: They are to begin as soon as they are there.
        kill_at: When it is ended by force; None: it is not being stopped.
    """

    files: TrialFiles
    name: str
    metrics: str
    count: int
    replicas: list[Replica] = field(default_factory=list)
    adopted: bool = False
    spec: LaunchSpec | None = None
    wanted: bool = False
    kill_at: float | None = None

    @property
    def grouped(self) -> bool:
        """Whether its processes have actors of their own, in a placement group."""
        return self.count > 1

    @property
    def demand(self) -> Demand:
        """What each of its processes needs, before it has actors."""
        return ANY if self.spec is None else self.spec.demand

    @property
    def started(self) -> bool:
        """Whether its first process runs."""
        return bool(self.replicas) and self.replicas[0].started

    @property
    def note(self) -> Path:
        """The file that names its actor, unless it has replicas."""
        return self.files.status.with_name(f"{self.files.status.name}.actor")


def followed(files: TrialFiles, handle: Handle) -> Followed:
    """Return the trial that a handle stands for, without its actors."""
    return Followed(files, handle["name"], handle["metrics"], handle["replicas"])


def replica(known: Followed, actor: Any, rank: int, name: str = "") -> Replica:
    """Return a process of a trial, of whose files something may be here already.

    Args:
        name: Of its actor; empty: that of a group.
    """
    sinks = [known.files.output, *([Path(known.metrics)] if known.metrics else [])]
    if rank:
        sinks = [known.files.output.with_name(f"{known.files.output.name}.{rank}")]
    here = [path.stat().st_size if path.exists() else 0 for path in sinks]
    return Replica(name or actors.named(known.name, rank), actor, sinks, here)


def take(known: Followed, rank: int, found: Sequence[bytes]) -> Iterator[Output | Grown]:
    """Add what a process has written to the files here, but for the output of the first one.

    Yields:
        That output, which the controller adds, and that files here have grown.
    """
    one, trial = known.replicas[rank], known.files.trial
    for number, (path, data) in enumerate(zip(one.sinks, found, strict=True)):
        one.here[number] += len(data)
        if data and rank == 0 and number == 0:
            yield Output(trial, data)
        elif data:
            with path.open("ab") as file:
                file.write(data)
            yield Grown(trial)

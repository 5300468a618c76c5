"""What the controller needs of a place where trials run.

To add one: a folder in `suggestion.runtimes` and its line in the registry there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from suggestion.client.template import Invocation
from suggestion.controller.slots import Slot

#: What a runtime finds a trial by: JSON that nobody else reads.
Handle: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TrialFiles:
    """The files of one attempt of a trial on this machine.

    Attributes:
        trial: Name of the trial; no other trial of the experiment has it.
        folder: Of all its files.
        output: Takes what it prints, in the order of writing.
        status: May take its exit status, for a runtime that leaves it there.
    """

    trial: str
    folder: Path
    output: Path
    status: Path


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """A trial to run.

    Attributes:
        invocation: Its command, as its template has it.
        paths: Paths that the command uses, and those of this machine that take their place.
        variables: That tell the trial about itself; paths in them are of this machine.
        metrics_path: That the command writes its metrics to; empty without one.
        metrics_file: Whether that is a file; else it is a folder.
        slot: Its part of the machine.
        cwd: Working directory of a trial that names none.
        search_path: Folder in front of ``PATH``; empty without one.
    """

    files: TrialFiles
    invocation: Invocation
    paths: Sequence[tuple[str, str]]
    variables: Mapping[str, str]
    metrics_path: str
    metrics_file: bool
    slot: Slot
    cwd: Path
    search_path: str


@dataclass(frozen=True, slots=True)
class Running:
    """A trial runs.

    Attributes:
        seconds: That it has run so far.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Exit:
    """A trial has ended.

    Attributes:
        status: As shells have it, 128 + n for signal n; None if nobody knows.
    """

    trial: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Loss:
    """A trial is gone, and how it ended cannot be known.

    Attributes:
        begun: Whether it may have begun to run.
    """

    trial: str
    begun: bool = True


@dataclass(frozen=True, slots=True)
class Output:
    """A trial has printed something, which its output file does not have yet."""

    trial: str
    data: bytes


RuntimeEvent: TypeAlias = Exit | Loss | Output


class Runtime(Protocol):
    """A place where trials run. All methods are called in one thread, and none waits for long."""

    def launch(self, spec: LaunchSpec) -> Handle:
        """Make a trial ready to run, once: a trial of this name that is there already stays.

        It must not begin before `begin`, if it would be lost when this process ends now.

        Raises:
            Exception: If it cannot be started; `Fatal` if none can.
        """
        ...

    def begin(self, trial: str) -> None:
        """Let a launched trial run; its handle is stored."""
        ...

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        """Follow a trial that an earlier process launched, if it still runs.

        Returns:
            For how long it has run; or how it ended, with nothing of it left running.
        """
        ...

    def stop(self, trial: str, grace: float) -> None:
        """Ask a trial to end, and end it by force after `grace` seconds. Returns at once."""
        ...

    def events(self) -> Sequence[RuntimeEvent]:
        """Return what has happened since the last call."""
        ...

    def fileno(self) -> int | None:
        """Return a descriptor that is readable when there may be events; None without one."""
        ...

    def close(self) -> None:
        """Let all trials run on, for another process to adopt."""
        ...


class Unavailable(Exception):
    """A runtime cannot be used here; the text says why."""


class Place(Protocol):
    """What a runtime's folder offers.

    Attributes:
        local: Trials run the container's command and see the paths of this machine; else they run
            the container's image and see its paths.
    """

    @property
    def local(self) -> bool: ...

    def check(self) -> None:
        """Try whether trials can run there.

        Raises:
            Unavailable: If they cannot.
        """
        ...

    def open(self) -> Runtime:
        """Return a runtime for one session."""
        ...

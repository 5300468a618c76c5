"""What the controller needs of a place where trials run.

To add one: a folder in `suggestion.runtimes` and its line in the registry there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from suggestion.client.demand import ANY, Demand
from suggestion.client.document import Loaded
from suggestion.client.template import Invocation
from suggestion.controller.slots import Slot

#: What a runtime finds a trial by: JSON that nobody else reads.
Handle: TypeAlias = Mapping[str, Any]
#: Values of a runtime's options by their names: a text, or a list of texts if it is repeatable.
Chosen: TypeAlias = Mapping[str, Any]


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
        attempt: Its number, from 1.
        demand: What one process of the trial needs of a machine.
        object: The object of the trial template with every parameter in its place; empty without.
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
    attempt: int = 1
    demand: Demand = ANY
    object: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A trial runs.

    Attributes:
        seconds: That it has run so far.
        queued: It waits for a place instead; `Started` will tell when it runs.
    """

    seconds: float
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A trial that was queued runs.

    Attributes:
        seconds: That it has run so far.
    """

    trial: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Exit:
    """A trial has ended.

    Attributes:
        status: As shells have it, 128 + n for signal n; None if nobody knows.
        reason: Why it has not succeeded, for people; empty: the status says it.
    """

    trial: str
    status: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """A trial is gone through no fault of its own, or nobody knows how it ended.

    Attributes:
        begun: Whether it may have begun to run.
        reason: For people: ``node n1 failed``; empty if nothing is known.
    """

    trial: str
    begun: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """A trial has printed something, which its output file does not have yet."""

    trial: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Grown:
    """The runtime has added to the files of a trial that this machine keeps."""

    trial: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know of the place, or of a trial: it is waited for, say."""

    text: str
    trial: str = ""


RuntimeEvent: TypeAlias = Started | Exit | Loss | Output | Grown | Notice


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

    def tell(self, trial: str, rules: str) -> None:
        """Let a trial know its next rules, JSON, where it cannot see a file of this machine."""
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


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one runtime on the command line.

    Attributes:
        name: ``sbatch-option``.
        metavar: What its value is, for the help.
        repeatable: It can be given several times.
    """

    name: str
    metavar: str
    help: str
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run asks of its runtime.

    Attributes:
        gpus: ``--gpus`` hands out GPUs of this machine.
        gpus_each, cpus_each: For each trial; 0: as the file says.
        database: Of a DB manager that runs already; empty: one is started on this machine.
        pushed: Trials report to the DB manager themselves.
        checkpoints: The algorithm copies checkpoints from trial to trial on this machine.
    """

    loaded: Loaded
    gpus: bool = False
    gpus_each: int = 0
    cpus_each: int = 0
    database: str = ""
    pushed: bool = False
    checkpoints: bool = False


@dataclass(frozen=True, slots=True)
class Whose:
    """The experiment whose trials a runtime runs.

    Attributes:
        id: No other experiment has it, whatever its name; the same in every session.
        directory: Where it is kept, absolute.
        document: The Experiment.
        folder: That its file lies in, and its trials run in; None if they are only to be stopped.
    """

    name: str
    id: str
    directory: Path
    document: Mapping[str, Any]
    folder: Path | None = None


class Place(Protocol):
    """What a runtime's folder offers.

    Attributes:
        local: Trials run the container's command; else they run the container's image and see its
            paths.
        shared: Trials see the experiment's directory under the paths that it has here.
        here: Trials share the processors of this machine.
        objects: Trials are made of the whole object of the trial template.
        queues: Trials wait for a place after they are launched; `Started` tells when they run.
        announces: What a trial writes comes by the runtime; `Output` or `Grown` tells of it.
        host_bound: Only the machine that has launched a trial can adopt it; handles have ``host``.
        options: What the command line takes for it.
    """

    @property
    def local(self) -> bool: ...

    @property
    def shared(self) -> bool: ...

    @property
    def here(self) -> bool: ...

    @property
    def objects(self) -> bool: ...

    @property
    def queues(self) -> bool: ...

    @property
    def announces(self) -> bool: ...

    @property
    def host_bound(self) -> bool: ...

    @property
    def options(self) -> Sequence[Option]: ...

    def configured(self, chosen: Chosen) -> Place:
        """Return the place with values of its options."""
        ...

    def refusals(self, asked: Asked) -> Sequence[str]:
        """Return what it cannot honour of a run, each as *subject: rule, got value*."""
        ...

    def check(self, asked: Asked) -> None:
        """Try whether trials can run there.

        Args:
            asked: What will be asked of it; nothing of that is refused.

        Raises:
            Unavailable: If they cannot.
        """
        ...

    def open(self, whose: Whose) -> Runtime:
        """Return a runtime for one session."""
        ...

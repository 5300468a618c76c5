"""What the parts of a session share: options, errors, and protocols of what is at the rim."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from suggestion.controller.events import Suggestion
from suggestion.controller.observation import Report, Series
from suggestion.controller.rules import Rule
from suggestion.controller.state import LOST_RETRIES

if TYPE_CHECKING:
    from suggestion.controller.driver import Controller
    from suggestion.controller.experiment import Experiment
    from suggestion.controller.trials import Trial


class Fatal(Exception):
    """The session cannot continue. The state is sound; the same command resumes it."""


class DiskFull(Exception):
    """Something that had to be written was not; it can be when there is space again."""


class ServerRefused(Exception):
    """A server has refused for good, or its reply breaks the contract; the text says how."""


class Closed(Exception):
    """The session ends before a server has answered."""


@dataclass(frozen=True, slots=True)
class Options:
    """How trials are run here; nothing of it is sent to servers.

    Attributes:
        retries: Times that a failed trial is run again.
        lost_retries: Times that a lost trial is run again.
        grace: Seconds between SIGTERM and SIGKILL.
        trial_timeout: Seconds after which a trial is stopped as failed; None: never.
        time_limit: Seconds after which the session stops its trials and ends; None: never.
        output_bytes: Of a trial's latest output that are kept, besides its first megabyte.
        give_up_after: Number of trials that may fail before any has succeeded; 0: any number;
            None: what suits the experiment's limits.
    """

    retries: int = 0
    grace: float = 10.0
    trial_timeout: float | None = None
    time_limit: float | None = None
    output_bytes: int = 16 * 1024 * 1024
    give_up_after: int | None = None
    lost_retries: int = LOST_RETRIES


class View(Protocol):
    """Who watches."""

    def note(self, text: str) -> None:
        """Show something that a person should know."""
        ...

    def changed(self, trial: Trial) -> None:
        """Show that a trial has begun, ended, or is to begin again."""
        ...

    def refresh(self, controller: Controller) -> None:
        """Show the present state; called several times a second."""
        ...


class Source(Protocol):
    """What a trial writes its metrics to, read as it grows."""

    def read(self, last: bool) -> list[Report]:
        """Return reports since the previous call, at most about a megabyte's worth.

        Args:
            last: The trial has ended: an unfinished line counts.
        """
        ...

    @property
    def position(self) -> Any:
        """Where the next `read` begins, as JSON."""
        ...

    @property
    def behind(self) -> bool:
        """Whether there is more to read at once."""
        ...

    @property
    def notes(self) -> Iterable[str]:
        """What was collected that a cluster would not collect, for people."""
        ...


class Collector(Protocol):
    """How metrics are collected.

    Attributes:
        pushed: Trials report to the DBManager themselves.
        reads_output: It reads what trials print.
    """

    @property
    def pushed(self) -> bool: ...

    @property
    def reads_output(self) -> bool: ...

    @property
    def path(self) -> str:
        """The path that trials write to, as their commands name it; empty without one."""
        ...

    @property
    def line_format(self) -> str:
        """How `path` is written, ``text`` or ``json``; empty if it is no file of lines."""
        ...

    def prepare(self, path: Path) -> None:
        """Remove what an earlier attempt has left at `path`, and make the folders for a new one."""
        ...

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        """Return what to read the metrics of a trial from; None if there is nothing to read.

        Args:
            output: File that the trial prints to.
            path: What takes the place of the collector's path on this machine.
            position: Where to continue; None: at the beginning.
        """
        ...

    def explain(self, output: Path, path: Path) -> str:
        """Say what a trial without the objective has left instead, for people.

        Args:
            output, path: As for `source`.

        Returns:
            What was found, as the end of a sentence; empty if nothing is known.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the algorithm and the early-stopping service have answered.

    Attributes:
        settings: To lay over the experiment's own.
        rules: Early-stopping rules of all these trials.
    """

    suggestions: Sequence[Suggestion]
    settings: Mapping[str, str]
    rules: Sequence[Rule]


class Servers(Protocol):
    """The servers of an experiment.

    Methods that return a call only prepare it; the call may be made in another thread. Calls wait
    until there is an answer.

    Raises:
        ServerRefused: By calls, if no further attempt can help.
        Closed: By calls, if the session ends meanwhile.
    """

    def remember(self, trial: Trial) -> None:
        """Include a trial that has ended in what later requests tell the algorithm."""
        ...

    def suggest(
        self, experiment: Experiment, active: Iterable[Trial], count: int, total: int
    ) -> Callable[[], Answer | None]:
        """Ask for `count` suggestions, fewer if no more are left; the call returns None if none is.

        Args:
            active: Trials that have not ended.
            total: Suggestions ever asked for, these included.
        """
        ...

    def next_rules(
        self, experiment: Experiment, active: Iterable[Trial], trial: Trial, step: int
    ) -> Callable[[], Sequence[Rule]]:
        """Ask for the next early-stopping rules of a running trial.

        Args:
            active: Trials that have not ended, this one included.
            step: Number of reports of the objective that it has made; they have been delivered when
                the call is made.
        """
        ...

    def report(self, trial: str, reports: Sequence[Report]) -> Callable[[], None]:
        """Add to the observation log of a trial."""
        ...

    def forget(self, trial: str) -> Callable[[], None]:
        """Delete the observation log of a trial."""
        ...

    def pushed(self, trial: str) -> Callable[[], Mapping[str, Series]]:
        """Read what a trial has reported by itself."""
        ...

    def stopped(self, trial: str) -> Callable[[], None]:
        """Tell the early-stopping service that a trial was stopped."""
        ...

    def database(self) -> str:
        """Return the address of the DBManager, for trials that report by themselves."""
        ...


class Workers(Protocol):
    """Where calls to servers are made, one at a time and in order."""

    def submit(self, call: Callable[[], None], /) -> Any:
        """Make a call."""
        ...

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls."""
        ...


class Waiter(Protocol):
    """How a session waits until there may be something to do."""

    def wait(self, until: float | None) -> None:
        """Wait until `ring`, or the monotonic second `until`; a waiter may return earlier."""
        ...

    def ring(self) -> None:
        """End `wait`. Safe in a signal handler and in any thread."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...

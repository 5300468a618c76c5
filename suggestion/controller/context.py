"""What a controller is given: how trials are run here, servers, a clock, and who watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from suggestion.client.servers import Client
from suggestion.client.template import Invocation
from suggestion.controller.state import Trial

if TYPE_CHECKING:
    from suggestion.controller.controller import Controller


class Clock:
    """The time. Durations are measured with `monotonic`; the date is only written down."""

    def now(self) -> datetime:
        """The date, as far as this machine knows; it can jump."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds, never less than before."""
        return time.monotonic()


#: Makes a command of an invocation, the trial's name, pairs of paths (inside, here), variables.
Wrap: TypeAlias = Callable[
    [Invocation, str, Sequence[tuple[str, str]], Mapping[str, str]], Sequence[str]
]


class Fatal(Exception):
    """The runner cannot go on; the state is sound, and the same command goes on from it."""


class DiskFull(Exception):
    """Something that had to be written was not; it can be when there is space again."""


class Events(Protocol):
    """Who watches."""

    def note(self, text: str) -> None:
        """Something that a person should know."""
        ...

    def changed(self, trial: Trial) -> None:
        """A trial has begun, ended, or is to begin again."""
        ...

    def refresh(self, controller: Controller) -> None:
        """Called several times a second."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """How trials are run here; nothing of it is sent to servers.

    Attributes:
        retries: Times that a failed trial is run again.
        grace: Seconds between SIGTERM and SIGKILL.
        trial_timeout: Seconds after which a trial is ended as failed; None: never.
        time_limit: Seconds after which this runner stops its trials and ends; None: never.
        output_bytes: Of a trial's latest output that are kept, besides its first megabyte.
        cwd: Working directory of trials that name none.
        path: Folder in front of ``PATH``; empty leaves it alone.
        data: A folder of the container that each trial has to itself, and the folder here below
            which those of all trials are, ``<experiment>/<trial>``: checkpoints that an algorithm
            hands on from trial to trial.
        wrap: Makes the command that runs a trial elsewhere, of its invocation, name, folder and
            variables; None: it runs as it is.
        unwrap: Ends what `wrap` began, where killing its command does not.
    """

    retries: int = 0
    grace: float = 10.0
    trial_timeout: float | None = None
    time_limit: float | None = None
    output_bytes: int = 16 * 1024 * 1024
    cwd: Path = Path()
    path: str = ""
    data: tuple[str, Path] | None = None
    wrap: Wrap | None = None
    unwrap: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Clients:
    """The servers. `stopping` is None where the experiment has no early stopping."""

    suggestion: Client
    database: Client
    stopping: Client | None

"""Sessions of an experiment, one after the other, until it ends or the user wants it to."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suggestion.artifacts import places
from suggestion.artifacts.keeper import Keeper
from suggestion.controller.context import DiskFull, Fatal, Options, Servers, View
from suggestion.controller.driver import Controller
from suggestion.controller.moments import Timekeeper
from suggestion.controller.rim import Rim
from suggestion.controller.runtime import Place, Whose
from suggestion.controller.slots import Slot
from suggestion.controller.state import Policy
from suggestion.controller.store import Store
from suggestion.controller.workspace import TrialWorkspace
from suggestion.runner.interrupts import Interrupts
from suggestion.runner.keeping import Keeping

_DISK_PAUSE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Sessions:
    """An experiment with its state file open.

    Attributes:
        directory: Where it is kept.
        place: Where its trials run.
        whose: Which experiment it is, for its runtime.
        servers: Makes what answers its controller, for each session anew.
        slots: A part of the machine for each trial at a time.
        stopped: Set while no session runs.
        keeper: Keeps what trials leave; None for one that keeps all in the directory.
    """

    directory: Path
    store: Store
    place: Place
    whose: Whose
    servers: Callable[[], Servers]
    workspace: TrialWorkspace
    slots: Sequence[Slot]
    policy: Policy
    options: Options
    stopped: threading.Event
    keeper: Keeper | None = None

    def session(self, view: View, clock: Timekeeper, before: Controller | None) -> Controller:
        """Return a controller that goes on from the stored state.

        Args:
            before: One that ended since it could not store what it had decided.
        """
        self.stopped.clear()
        rim = Rim.of(self.store, self.place.open(self.whose), self.servers(), view, clock)
        return Controller(rim, self.workspace, self.slots, self.policy, self.options, before)


def control(
    sessions: Sessions,
    view: View,
    interrupted: Callable[[Callable[[], None]], None] | None,
    clock: Timekeeper,
) -> Controller:
    """Run sessions of an experiment until one of them ends by itself.

    Args:
        interrupted: Told what to call when the user interrupts; by default signals do.

    Returns:
        The controller as it stands at the end.

    Raises:
        Fatal: If it cannot go on; the same command goes on later.
    """
    current: Controller | None = None
    early = 0  # interruptions before there is a controller

    def interrupt() -> None:
        nonlocal early
        waiting.set()
        if current is None:
            early += 1
        else:
            current.interrupt()

    waiting = threading.Event()
    keeper = sessions.keeper or Keeper(
        sessions.directory, places.place(sessions.directory), sessions.policy.objective
    )
    with (
        Keeping(keeper, view, sessions.store.trials()) as kept,
        Interrupts(interrupt, interrupted),
    ):
        while True:
            current = sessions.session(kept, clock, current)
            while early:
                early -= 1
                current.interrupt()
            try:
                try:
                    current.run()
                finally:
                    sessions.stopped.set()
                return current
            except (sqlite3.OperationalError, DiskFull) as error:
                # All that was in memory is thrown away, and read again from what was written.
                view.note(
                    f"{sessions.directory}: the state cannot be written ({error}); running "
                    f"trials continue, and writing is tried again; Ctrl-C ends this runner"
                )
                while True:
                    if current.level or waiting.wait(_DISK_PAUSE):
                        raise Fatal(f"{sessions.directory}: {error}") from error
                    if sessions.store.writable():
                        break

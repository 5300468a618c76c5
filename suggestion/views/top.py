"""An experiment followed from another terminal than that of its runner."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from suggestion.client.parameters import columns_of
from suggestion.controller import objectives, standings
from suggestion.controller.activity import inactive_of
from suggestion.controller.experiment import Experiment
from suggestion.controller.lock import held
from suggestion.controller.moments import parse
from suggestion.controller.store import Store
from suggestion.controller.trials import FAILED, Condition, Trial
from suggestion.controller.workspace import trial_files
from suggestion.views import listing
from suggestion.views.current import Current, identity
from suggestion.views.live import PAUSED, Frame, why

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS: Final = 0.5
_RECENT: Final = 6


def follow(directory: Path, console: Console) -> None:
    """Draw the experiment in `directory` until it has ended, once if `console` is no terminal.

    Raises:
        FileNotFoundError: If the directory is removed, or has another experiment.
    """
    from rich.live import Live  # noqa: PLC0415

    place = identity(directory)
    store = Store(directory)
    try:
        seen = _seen(directory, store)  # before what is read: later changes are read, too
        with store.snapshot():
            current = Current(directory, store)
        if not console.is_terminal:
            console.print(_frame(directory, current)[0])
            return
        with suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as live:
            shown, ended = _frame(directory, current)
            live.update(shown, refresh=True)
            while not ended:
                time.sleep(_SECONDS)
                # A file that is removed can still be read, and never changes.
                if identity(directory) != place:
                    raise FileNotFoundError(f"{directory}: the experiment is not there any more")
                if (now := _seen(directory, store)) != seen:
                    with store.snapshot():
                        current.refresh(store)
                    seen, (shown, ended) = now, _frame(directory, current)
                elif now[1]:
                    shown = replace(shown, seconds=shown.seconds + _SECONDS)
                live.update(shown, refresh=True)
    finally:
        store.close()


def _seen(directory: Path, store: Store) -> tuple[int, bool]:
    """Return what changes when there is something new: a runner that is killed writes nothing."""
    return store.change_mark(), held(directory)


def _frame(directory: Path, current: Current) -> tuple[Frame, bool]:
    """Return what to show, and whether nothing more will happen."""
    experiment, trials = current.experiment, list(current.trials.values())
    runs = held(directory)
    state = "no runner" if not runs else PAUSED if experiment.paused else ""
    made = frame(experiment, trials, directory, datetime.now(UTC), state)
    return made, experiment.done and not any(t.condition.active for t in trials)


def frame(
    experiment: Experiment, trials: Sequence[Trial], directory: Path, now: datetime, state: str
) -> Frame:
    """Return what the live view shows of a stored experiment.

    Args:
        state: What goes on, for people.
    """
    objective = objectives.read(experiment.document)
    limits = experiment.limits
    ended = sorted(
        (trial for trial in trials if not trial.condition.active),
        key=lambda trial: (trial.completed, trial.number),
    )
    failed = [trial for trial in ended if trial.condition in FAILED]
    lasted = [s for trial in ended if (s := listing.elapsed(trial)) is not None]
    left = None
    if limits.trials is not None and lasted and not experiment.done:
        missing = max(limits.trials - len(ended), 0)
        left = statistics.fmean(lasted) * missing / max(limits.parallel, 1)
    began = parse(experiment.started) or now
    until = parse(experiment.completed) or now
    failure = ""
    if failed:
        failure = f"{failed[-1].name}: {why(failed[-1], trial_files(directory, failed[-1]).output)}"
    return Frame(
        experiment.name,
        objective,
        columns_of(experiment.document),
        len(ended),
        len(failed),
        limits.trials,
        (until - began).total_seconds(),
        left,
        str(experiment.condition()["type"]) if experiment.done else state,
        standings.best(trials, objective),
        failure,
        [*ended[-_RECENT:], *(t for t in trials if t.condition is Condition.RUNNING)],
        inactive_of(experiment.document),
    )

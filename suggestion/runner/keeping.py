"""Keeping the artifacts of trials while an experiment runs, in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING

from suggestion.artifacts.keeper import Keeper
from suggestion.controller.context import View
from suggestion.controller.trials import Condition, Trial

if TYPE_CHECKING:
    from suggestion.controller.driver import Controller


class Keeping:
    """A view that keeps what each trial has left when it ends, and shows all to another view.

    Large files take their time, which the experiment does not wait for; the end of it does. What
    was missed, since the runner was killed or the store could not be written, is kept the next
    time.

    Args:
        view: Who watches.
        trials: Of the experiment so far.
    """

    def __init__(self, keeper: Keeper, view: View, trials: Iterable[Trial]) -> None:
        self._keeper = keeper
        self._view = view
        self._trials = {trial.number: trial for trial in trials}
        self._worker = ThreadPoolExecutor(1, "artifacts")
        self._notes: deque[str] = deque()

    def __enter__(self) -> Keeping:
        """Begin with what was missed."""
        self._worker.submit(self._recover)
        self._worker.submit(self._keep, [*self._trials.values()])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until all is kept."""
        self._worker.submit(self._keep, [*self._trials.values()])
        self._worker.submit(self._look_for_mistakes)
        self._worker.shutdown()
        self._tell()

    def _recover(self) -> None:
        try:
            self._keeper.recover()
        except Exception as error:  # of whatever file system the store is on
            self._notes.append(f"what is left of artifacts cannot be removed: {error}")

    def _keep(self, trials: Iterable[Trial]) -> None:
        try:
            self._keeper.keep(trials, self._notes.append)
        except Exception as error:
            text = f"artifacts cannot be kept: {error}; run the same command again to keep them"
            if text not in self._notes:
                self._notes.append(text)

    def _look_for_mistakes(self) -> None:
        trials = [*self._trials.values()]
        if any(trial.condition is Condition.SUCCEEDED for trial in trials):
            self._notes += (
                f"no trial has left a file that --artifacts {pattern!r} stands for: it is a path "
                "in the trial's folder, which the variable SUGGEST_TRIAL_DIR names, not in the "
                "folder that trials start in"
                for pattern in self._keeper.unmatched(trials)
            )

    def _tell(self) -> None:
        while self._notes:
            self._view.note(self._notes.popleft())

    # ----------------------------------------------------------------- a view

    def note(self, text: str) -> None:
        self._view.note(text)

    def changed(self, trial: Trial) -> None:
        self._trials[trial.number] = trial
        if not trial.condition.active and not self._keeper.nothing_left(trial):
            # All of them: which ones are the best depends on the others.
            every = [*self._trials.values()] if self._keeper.keep_best else [trial]
            self._worker.submit(self._keep, every)
        self._view.changed(trial)

    def refresh(self, controller: Controller) -> None:
        self._tell()
        self._view.refresh(controller)

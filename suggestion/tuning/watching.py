"""What a person sees while `tune` runs: a progress bar, lines, or a widget in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from suggestion.client.numbers import short
from suggestion.controller.context import View
from suggestion.controller.trials import Condition, Trial
from suggestion.runtimes.python.calls import error_of
from suggestion.views.live import duration, value_of
from suggestion.views.view import Plain, Rich, describe

if TYPE_CHECKING:
    from suggestion.controller.driver import Controller

_LAST_LINES: Final = 4
_REFRESH_SECONDS: Final = 0.5
_NOTES: Final = 5


class Silent:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Nothing is shown."""

    def changed(self, trial: Trial) -> None:
        """Nothing is shown."""

    def refresh(self, controller: Controller) -> None:
        """Nothing is shown."""


class Notebook:
    """A widget in the output of a notebook's cell, which is redrawn while trials run."""

    def __init__(self, display: Any, html: Any) -> None:
        self._html = html
        self._handle = display(html(""), display_id=True)
        self._drawn = 0.0
        self._notes: list[str] = []
        self._controller: Controller | None = None

    def note(self, text: str) -> None:
        self._notes = [*self._notes, text][-_NOTES:]
        self._drawn = 0.0

    def changed(self, trial: Trial) -> None:
        self._drawn = 0.0

    def refresh(self, controller: Controller) -> None:
        self._controller = controller
        if time.monotonic() - self._drawn >= _REFRESH_SECONDS:
            self.draw()

    def draw(self) -> None:
        """Show the present state."""
        self._drawn = time.monotonic()
        if self._controller is not None and self._handle is not None:
            self._handle.update(self._html(render(self._controller, self._notes)))


def render(controller: Controller, notes: list[str]) -> str:
    """Return the present state as HTML."""
    counts = controller.counts
    most = controller.max_trials
    total = "" if most is None else f" of {most}"
    words = f"{counts.completed}{total} trials, {len(controller.running)} running"
    if counts.failed:
        words += f", {counts.failed} failed"
    words += f" · {duration(controller.clock.monotonic() - controller.begun)}"
    bar = "" if most is None else f'<progress max="{most}" value="{counts.completed}"></progress> '
    lines = [f"<div>{bar}<b>{escape(controller.experiment.name)}</b> {escape(words)}</div>"]
    best = controller.best
    if best is not None:
        words = (
            f"best {controller.objective.metric} {short(value_of(best, controller.objective))}: "
        )
        words += describe(controller, best)
        lines.append(f"<div>{escape(words)}</div>")
    lines += [f"<pre>{escape(note)}</pre>" for note in notes]
    return "".join(lines)


class WithErrors:
    """A view that also shows the last lines of what a trial has raised."""

    def __init__(self, view: View, folder: Path) -> None:
        self._view = view
        self._folder = folder

    def note(self, text: str) -> None:
        self._view.note(text)

    def changed(self, trial: Trial) -> None:
        self._view.changed(trial)
        if trial.condition is Condition.FAILED:
            error = error_of(self._folder / "trials" / trial.name, trial.attempt)
            if error:
                lines = error.rstrip().splitlines()
                text = "\n  ".join([f"{trial.name} failed:", *lines[-_LAST_LINES:]])
                self._view.note(text)

    def refresh(self, controller: Controller) -> None:
        self._view.refresh(controller)


@contextmanager
def watch(progress: bool, folder: Path) -> Iterator[View]:
    """Yield the view that suits where this program runs.

    Args:
        progress: Whether to show anything.
        folder: The experiment's directory.
    """
    if not progress:
        yield Silent()
        return
    shown = _notebook()
    if shown is not None:
        try:
            yield WithErrors(shown, folder)
        finally:
            shown.draw()
        return
    with _terminal() as view:
        yield WithErrors(view, folder)


def _notebook() -> Notebook | None:
    """Return a widget, if this is a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython import display  # noqa: PLC0415

    return Notebook(display.display, display.HTML)


def _terminal() -> Plain | Rich:
    """Return a live view with a progress bar; lines where nothing can be redrawn."""
    try:
        from rich.console import Console  # noqa: PLC0415
    except ImportError:
        return Plain(sys.stderr)
    console = Console(stderr=True)
    return Rich(console) if console.is_terminal else Plain(sys.stderr)

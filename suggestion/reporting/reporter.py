"""`report` and `should_stop`, for whatever runs the trial: `tune`, ``suggest run``, or nothing."""

from __future__ import annotations

import os
import signal
import time

from suggestion.reporting.sinks import sink

TYPE_CHECKING = False  # `typing` and its like would cost each trial some milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from typing import SupportsFloat

    from suggestion.controller.rules import Watch

#: Name of the objective, and whether more of it is better: ``minimize`` or ``maximize``.
OBJECTIVE = "SUGGEST_OBJECTIVE"
DIRECTION = "SUGGEST_OBJECTIVE_TYPE"
#: Early-stopping rules of the trial, JSON: metric, value, comparison, start step of each.
RULES = "SUGGEST_RULES"

VALUE = "value"
# A runner reads reports several times a second, and then tells the trial to stop.
_LONGEST_WAIT = 30.0
_PAUSE = 0.005


class TrialStopped(BaseException):
    """Ends the function of a trial that will not win; raised by `report`.

    It is no `Exception`, so that ``except Exception`` in a training loop does not catch it.
    """


class Reporter:
    """Reports of one trial.

    Args:
        env: What the runner has told the trial.
        ends: Whether `report` ends the trial when it is to stop.
    """

    def __init__(self, env: Mapping[str, str], ends: bool = False) -> None:
        self.objective = env.get(OBJECTIVE) or VALUE
        self.used = False
        self._ends = ends
        self._by_name = False  # whether the objective has been reported by its name
        self._sink = sink(env)
        self._watch = watch(env, self.objective)
        self._fired = False
        self._waited = False
        self._last: float | None = None  # bare value
        self._stop = False  # set by a signal handler

    def report(
        self, value: SupportsFloat | None, step: int | None, metrics: Mapping[str, SupportsFloat]
    ) -> None:
        """Write a report; see `report`."""
        self.used = True
        named = self._named(value, metrics)
        for name in ("step", "timestamp"):
            if name in named:
                raise TypeError(f"metric {name!r}: a report has this field already; rename it")
        texts = {} if step is None else {"step": str(int(step))}
        texts |= {name: repr(_number(name, number)) for name, number in named.items()}
        if len(texts) == (step is not None):
            raise TypeError("report() needs a value or a metric, got neither")
        self._last = None if value is None or self._by_name else float(value)
        self._sink(texts)
        self._judge(named)
        if self._ends and self._fired and not self._waited:
            # It is the runner that ends the trial, once it has read this. Without a runner the
            # trial goes on, as its rules are applied when the runner comes back.
            self._waited = True
            deadline = time.monotonic() + _LONGEST_WAIT
            while not self._stop and time.monotonic() < deadline:
                time.sleep(_PAUSE)
        if self._ends and self._stop:
            raise TrialStopped

    def recall(self, value: SupportsFloat | None, metrics: Mapping[str, SupportsFloat]) -> None:
        """Count a report that another process of the trial has written."""
        self._judge(self._named(value, metrics))

    def _judge(self, named: Mapping[str, SupportsFloat]) -> None:
        if self._watch is None:
            return
        for name, number in named.items():
            self._fired = self._watch.report(name, float(number)) or self._fired

    def finish(self, result: object) -> None:
        """Report what the function of a trial has returned.

        Raises:
            TypeError: If it is neither a number nor a mapping of numbers, nor None after a report.
        """
        self._ends = False
        if result is None:
            if not self.used:
                raise TypeError("the function must return a number, or report one, got None")
        elif hasattr(result, "keys"):
            self.report(None, None, dict(result))  # type: ignore[call-overload]
        else:
            number = _number("the returned value", result)
            if number != self._last:
                self.report(number, None, {})

    def _named(
        self, value: SupportsFloat | None, metrics: Mapping[str, SupportsFloat]
    ) -> Mapping[str, SupportsFloat]:
        """Return all metrics by name.

        A bare value is the objective, unless the objective is reported by its own name.
        """
        self._by_name = self._by_name or self.objective in metrics
        if value is None:
            return metrics
        return {VALUE if self._by_name else self.objective: value, **metrics}

    @property
    def lost(self) -> bool:
        """Whether the rules of the trial have decided against it."""
        return self._fired

    def should_stop(self) -> bool:
        """Return whether the trial is to stop; see `should_stop`."""
        self.used = True
        return self._fired or self._stop

    # -------------------------------------------------------------------- signals

    def listen(self) -> None:
        """Take SIGTERM as the word to stop, instead of ending at once."""
        try:
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, self._told)
        except ValueError:  # not in the main thread
            pass

    def _told(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
        # A function that never asks would go on until it is killed.
        if self._ends and not self.used:
            raise TrialStopped


def _number(name: str, value: object) -> float:
    if hasattr(value, "__float__") or hasattr(value, "__index__"):
        return float(value)  # type: ignore[arg-type]
    raise TypeError(f"{name}: must be a number, got {value!r:.80}")


def watch(env: Mapping[str, str], objective: str) -> Watch | None:
    """Return what judges reports by the rules that `env` holds; None without rules."""
    text = env.get(RULES)
    if not text:
        return None
    import json  # noqa: PLC0415

    from suggestion.controller.rules import Rule, Watch  # noqa: PLC0415

    rules = [Rule(*fields) for fields in json.loads(text)]
    return Watch.over(rules, objective, env.get(DIRECTION) == "maximize")


_current: Reporter | None = None


def current() -> Reporter:
    """Return the reporter of the trial that this process is, or of none."""
    global _current  # noqa: PLW0603
    if _current is None:
        _current = Reporter(os.environ)
    return _current


def enter(reporter: Reporter) -> None:
    """Make `reporter` the one of this process."""
    global _current  # noqa: PLW0603
    _current = reporter


def report(
    value: SupportsFloat | None = None, step: int | None = None, **metrics: SupportsFloat
) -> None:
    """Report metrics of a trial, one step of its learning curve.

    In a trial of `suggestion.tune` it ends the trial here, by `TrialStopped`, when the trial will
    not win. In a trial of ``suggest run`` it writes what the collector of the Experiment file
    reads. Elsewhere it prints ``name=value``.

    Args:
        value: The objective; may be left out where `metrics` have it by its name.
        step: Number of the step, epochs say; it is only recorded.
        metrics: Further metrics by name.

    Raises:
        TypeError: If a metric is no number.

    >>> import suggestion as sg
    >>> sg.report(0.25, step=3, accuracy=0.9)
    step=3 value=0.25 accuracy=0.9
    """
    current().report(value, step, metrics)


def should_stop() -> bool:
    """Return whether the trial is to stop, for programs that want to end by themselves.

    True once early stopping has decided against the trial, or the runner has asked it to end. From
    the first call on SIGTERM no longer ends this process at once: it has the runner's grace period
    to end. False where no trial runs.

    >>> import suggestion as sg
    >>> sg.should_stop()
    False
    """
    reporter = current()
    reporter.listen()
    return reporter.should_stop()

"""`report` and `should_stop`, for whatever runs the trial: `tune`, ``suggest run``, or nothing."""

from __future__ import annotations

import os
import signal
import time

from suggestion.reporting.numbers import as_number
from suggestion.reporting.sinks import sink

TYPE_CHECKING = False  # `typing` and its like would cost each trial some milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType
    from typing import SupportsFloat

    from suggestion.controller.rules import Watch

#: Name of the objective, and whether more of it is better: ``minimize`` or ``maximize``.
OBJECTIVE = "SUGGEST_OBJECTIVE"
DIRECTION = "SUGGEST_OBJECTIVE_TYPE"
#: Early-stopping rules of the trial, JSON: metric, value, comparison, start step of each.
RULES = "SUGGEST_RULES"
#: File with the next of them, which the runner asks for when the trial has come to those; JSON: the
#: number of reports at which it asked, and the rules.
RULES_FILE = "SUGGEST_RULES_FILE"

VALUE = "value"
# A runner reads reports several times a second, and then tells the trial to stop.
_LONGEST_WAIT = 30.0
#: A runner that does not answer in so many seconds is taken for one that has ended.
_LONGEST_WAIT_FOR_RULES = 10.0
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
        self._seen: set[str] = set()
        self._ends = ends
        self._by_name = False  # whether the objective has been reported by its name
        self._sink = sink(env)
        self._watch = watch(env, self.objective)
        self._rules_file = env.get(RULES_FILE)
        self._waits = 0  # for next rules
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
        for name in named:
            if not name or not name.isprintable():
                raise TypeError(f"metric {name!r}: a name needs characters that can be printed")
        texts = {} if step is None else {"step": _step(step)}
        texts |= {name: repr(as_number(name, value)) for name, value in named.items()}
        if len(texts) == (step is not None):
            raise TypeError("report() needs a value or a metric, got neither")
        self._seen.update(named)
        self._last = None if value is None or self._by_name else float(value)
        self._sink(texts)
        self._judge(named)
        if self._ends:
            self._wait_for_rules()
        if self._ends and self._fired:
            self._wait_for_the_end(_LONGEST_WAIT)
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

    def _wait_for_the_end(self, seconds: float) -> None:
        """Wait, once, until the runner ends the trial, which it does when it has read the report.

        Without a runner the trial goes on, as its rules are applied when the runner comes back.
        """
        if self._waited:
            return
        self._waited = True
        deadline = time.monotonic() + seconds
        while not self._stop and time.monotonic() < deadline:
            time.sleep(_PAUSE)

    def _wait_for_rules(self) -> None:
        """Wait until the runner has judged the trial, if its rules have all been compared.

        At step n it waits at most about 2 log2(n) times in all, so that a rule for each step costs
        little; between waits the runner's answers are late by some steps, if steps are fast.
        """
        watch = self._watch
        if watch is None or self._rules_file is None or self._fired or not watch.due:
            return
        self._take_rules(watch)
        if not watch.due or self._waits > 2 * watch.count.bit_length():
            return
        self._waits += 1
        deadline = time.monotonic() + _LONGEST_WAIT_FOR_RULES
        while watch.due and not self._stop:
            if time.monotonic() > deadline:
                self._rules_file = None
                return
            time.sleep(_PAUSE)
            self._take_rules(watch)

    def _take_rules(self, watch: Watch) -> None:
        """Take the next rules, if the runner has told them."""
        import json  # noqa: PLC0415

        from suggestion.controller.rules import Rule  # noqa: PLC0415

        try:
            with open(self._rules_file or "", encoding="utf-8") as file:
                told = json.load(file)
        except FileNotFoundError:
            return
        if told["step"] > watch.asked:
            self._fired = watch.answer(told["step"], [Rule(*fields) for fields in told["rules"]])

    def finish(self, result: object, objectives: Sequence[str] = ()) -> None:
        """Report what the function of a trial has returned.

        Args:
            objectives: Metrics that it must have returned or reported, unless rules have decided
                against the trial before.

        Raises:
            TypeError: If it is neither a number nor a mapping of numbers, nor None after a report;
                or if an objective is lacking.
        """
        self._ends = False
        metrics = dict(result) if hasattr(result, "keys") else None  # type: ignore[call-overload]
        if metrics:
            self.report(None, None, metrics)
        elif result is None or metrics is not None:
            if not self.used:
                rule = "the function must return a number, or report one"
                raise TypeError(f"{rule}, got {result!r:.80}")
        else:
            number = as_number("the returned value", result)
            if number != self._last:
                self.report(number, None, {})
        lacking = [name for name in objectives if name not in self._seen]
        if lacking and not self._fired:
            names = ", ".join(map(repr, lacking))
            got = ", ".join(map(repr, sorted(self._seen)))
            raise TypeError(f"the function must return or report {names}, got {got}")

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
        self._wait_for_rules()
        if self._fired and self._rules_file is not None:
            # A trial that ends before the runner has read its report would count as a whole one.
            self._wait_for_the_end(_LONGEST_WAIT_FOR_RULES)
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


def _step(step: int) -> str:
    try:
        number = int(step)
        sound = number >= 0 and number == float(step)
    except (TypeError, ValueError, OverflowError):
        sound = False
    if not sound:
        raise TypeError(f"step: must be a whole number >= 0, got {step!r:.80}")
    return str(number)


def watch(env: Mapping[str, str], objective: str) -> Watch | None:
    """Return what judges reports by the rules that `env` holds; None without rules."""
    text = env.get(RULES)
    asks = bool(env.get(RULES_FILE))
    if not text and not asks:
        return None
    import json  # noqa: PLC0415

    from suggestion.controller.rules import Rule, Watch  # noqa: PLC0415

    rules = [Rule(*fields) for fields in json.loads(text or "[]")]
    return Watch.over(rules, objective, env.get(DIRECTION) == "maximize", asks)


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
        step: Number of the step, >= 0, epochs say; it is only recorded.
        metrics: Further metrics by name.

    Raises:
        TypeError: If a metric is no number, or a name or the step cannot be written.

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

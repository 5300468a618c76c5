"""Early-stopping rules on stored learning curves: epochs saved against loss lost.

    python -m benchmarks.multifidelity.stopping [--runs 40] [--picture FILE]

A run tries `TRIALS` configurations in a random order, four at a time; an epoch takes a second, and
a trial reports after each. A rule stops trials as `suggest run` applies it: a trial that has come
to its rule's step asks for the next one. The same runs are done without stopping. The epochs saved
are a share of those of a run without stopping. The loss lost is how much higher the least loss of
all reports is than without stopping, in per cent of that.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.multifidelity.curves import EPOCHS
from benchmarks.multifidelity.stopping_picture import draw
from benchmarks.multifidelity.whole_curves import read
from suggestion.controller.rules import GREATER, Rule, Watch
from suggestion.earlystopping.asha import Asha
from suggestion.earlystopping.hyperband import Hyperband
from suggestion.earlystopping.medianstop import MedianStop
from suggestion.earlystopping.percentilestop import PercentileStop
from suggestion.earlystopping.rule import Curve, Threshold
from suggestion.earlystopping.stepwise import Asking, Stepwise, next_threshold

TRIALS: Final = 40
WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule as it is compared.

    Attributes:
        rule: The rule; None for no stopping.
        again: Whether trials ask for their next rules.
    """

    label: str
    rule: Any
    again: bool = True


ENTRIES: Final = (
    Entry("asha", Asha()),
    Entry("asha, eta 2", Asha(eta=2.0)),
    Entry("asha, r_min 3", Asha(r_min=3)),
    Entry("asha, eta 4", Asha(eta=4.0)),
    Entry("asha, asked once", Asha(), again=False),
    Entry("asha, r_min 9, asked once", Asha(r_min=9), again=False),
    Entry("hyperband", Hyperband(r_l=EPOCHS)),
    Entry("medianstop", MedianStop()),
    Entry("medianstop, asked once", MedianStop(), again=False),
    Entry("percentilestop, average", PercentileStop()),
    Entry("percentilestop, latest", PercentileStop(compare="latest")),
    Entry("percentilestop, best", PercentileStop(compare="best")),
    Entry("percentilestop, 25 of latest", PercentileStop(percentile=25.0, compare="latest")),
)


class Run:
    """Configurations tried under a rule.

    Args:
        losses: Curves of the configurations, in the order in which they are tried.

    Attributes:
        epochs: That were spent.
        least: The least loss that was reported.
    """

    def __init__(self, entry: Entry, losses: Sequence[Sequence[float]]) -> None:
        self._entry = entry
        self._losses = losses
        self._steps: dict[int, int] = {}  # reports so far, by trial
        self._whole: set[int] = set()  # trials that were not stopped
        self.epochs = 0
        self.least = float("inf")
        waiting = list(reversed(range(len(losses))))
        running: list[tuple[int, int, Watch]] = []  # second of the next report, trial
        now = 0
        while waiting or running:
            while waiting and len(running) < WORKERS:
                heapq.heappush(running, (now + 1, waiting.pop(), self._watch()))
            now, trial, watch = heapq.heappop(running)
            if self._report(trial, watch):
                heapq.heappush(running, (now + 1, trial, watch))

    def _report(self, trial: int, watch: Watch) -> bool:
        """Take the next report of a trial; return whether it goes on."""
        step = self._steps[trial] = self._steps.get(trial, 0) + 1
        loss = self._losses[trial][step - 1]
        self.epochs += 1
        self.least = min(self.least, loss)
        fired = watch.report("loss", loss)
        if watch.due and not fired:
            fired = watch.answer(step, _rules(self._next(trial, step)))
        if step == EPOCHS and not fired:
            self._whole.add(trial)
        return not fired and step < EPOCHS

    def _watch(self) -> Watch:
        rule = self._entry.rule
        found = None if rule is None else rule.threshold(self._curves())
        return Watch.over(_rules(found), "loss", maximize=False, asks=self._asks)

    @property
    def _asks(self) -> bool:
        return self._entry.again and isinstance(self._entry.rule, Stepwise)

    def _next(self, trial: int, step: int) -> Threshold | None:
        return next_threshold(self._entry.rule, Asking(str(trial), step), self._curves(trial))

    def _curves(self, asking: int | None = None) -> list[Curve]:
        unfinished = getattr(self._entry.rule, "unfinished", False)
        return [
            Curve(str(trial), self._losses[trial][:steps])
            for trial, steps in self._steps.items()
            if unfinished or trial in self._whole or trial == asking
        ]


def _rules(found: Threshold | None) -> list[Rule]:
    return [] if found is None else [Rule("loss", found.loss, GREATER, found.step)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule has come to over all runs.

    Attributes:
        saved: Mean share of the epochs that were saved, in per cent.
        lost: Mean of how much higher the least loss is, in per cent.
        kept: Share of the runs in which the least loss is at most 1 % higher, in per cent.
    """

    saved: float
    lost: float
    kept: float


def compare(curves: Sequence[Sequence[float]], runs: int) -> Mapping[str, Outcome]:
    """Return the outcome of each rule on one problem."""
    orders = [random.Random(seed).sample(range(len(curves)), TRIALS) for seed in range(runs)]
    found = {}
    for entry in ENTRIES:
        saved, lost = [], []
        for order in orders:
            losses = [curves[index] for index in order]
            run = Run(entry, losses)
            least = min(map(min, losses))
            saved.append(100 * (1 - run.epochs / (EPOCHS * TRIALS)))
            lost.append(100 * (run.least / least - 1))
        found[entry.label] = Outcome(
            statistics.fmean(saved),
            statistics.fmean(lost),
            100 * statistics.fmean(loss <= 1 for loss in lost),
        )
    return found


def table(outcomes: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return the outcomes as Markdown.

    Args:
        outcomes: By problem and rule.
    """
    titles = "".join(f" {name}: saved | lost | within 1 % |" for name in outcomes)
    lines = [f"| rule |{titles}", "|---|" + "---|---|---|" * len(outcomes)]
    for entry in ENTRIES:
        cells = "".join(
            f" {found.saved:.0f} % | {found.lost:.1f} % | {found.kept:.0f} % |"
            for found in (of[entry.label] for of in outcomes.values())
        )
        lines.append(f"| {entry.label} |{cells}")
    return "\n".join(lines)


def main() -> None:
    """Compare all rules, print a table, and draw a picture if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    outcomes = {name: compare(curves, arguments.runs) for name, curves in read().items()}
    print(table(outcomes))
    if arguments.picture is not None:
        points = {
            entry.label: (
                statistics.fmean(of[entry.label].saved for of in outcomes.values()),
                statistics.fmean(of[entry.label].lost for of in outcomes.values()),
            )
            for entry in ENTRIES
        }
        arguments.picture.write_text(draw(points))


if __name__ == "__main__":
    main()

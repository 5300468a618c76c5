"""The benchmark of early-stopping rules, on curves whose outcome is calculated by hand."""

from __future__ import annotations

from benchmarks.multifidelity.curves import EPOCHS
from benchmarks.multifidelity.stopping import ENTRIES, Entry, Run
from benchmarks.multifidelity.stopping_picture import draw
from benchmarks.multifidelity.whole_curves import read
from suggestion.earlystopping.asha import Asha

LEVELS = [[float(level)] * EPOCHS for level in (1, 2, 3, 4)]


def test_without_a_rule_all_epochs_are_spent() -> None:
    run = Run(Entry("none", None), LEVELS)
    assert (run.epochs, run.least) == (4 * EPOCHS, 1.0)


def test_trials_are_stopped_as_a_runner_stops_them() -> None:
    # The first two of a rung pass; of three and four trials there, one does.
    run = Run(Entry("asha", Asha()), LEVELS)
    assert run.epochs == 2 * EPOCHS + 2
    # Asked once, a trial is judged by what was there when it began: nothing.
    assert Run(Entry("asha", Asha(), again=False), LEVELS).epochs == 4 * EPOCHS
    # At report 1 the third has the best loss, at report 3 it is the last of three.
    late = [0.5, 5.0, *[5.0] * (EPOCHS - 2)]
    assert Run(Entry("asha", Asha()), [*LEVELS[:2], late]).epochs == 3 * EPOCHS, "its best counts"


def test_the_stored_curves_and_the_picture() -> None:
    stored = read()
    assert {name: len(curves) for name, curves in stored.items()} == {"mlp": 80, "sgd": 80}
    assert {len(curve) for curves in stored.values() for curve in curves} == {EPOCHS}
    svg = draw({entry.label: (80.0, 3.0) for entry in ENTRIES})
    assert svg.count("<circle") == len(ENTRIES)

"""Early-stopping rules, as a metrics collector applies them."""

from __future__ import annotations

import json
import math

import pytest

from suggestion.controller.rules import EQUAL, GREATER, LESS, Rule, Watch


def fired_at(watch: Watch, metric: str, values: list[float]) -> int | None:
    """The report, from 1, at which the trial is given up."""
    for step, value in enumerate(values, 1):
        if watch.report(metric, value):
            return step
    return None


def loss_watch(*rules: Rule) -> Watch:
    return Watch.over(rules, "loss", maximize=False)


def test_a_rule_is_compared_once_at_its_step() -> None:
    rule = Rule("loss", 1.0, GREATER, start_step=3)
    assert fired_at(loss_watch(rule), "loss", [5, 4, 3, 2]) == 3
    # Bad before and after, but not at the third report:
    assert fired_at(loss_watch(rule), "loss", [5, 4, 0.5, 9, 9, 9]) is None


def test_step_0_is_compared_at_every_report() -> None:
    assert fired_at(loss_watch(Rule("time", 10.0, GREATER)), "time", [1, 2, 11]) == 3


def test_of_the_objective_the_best_so_far_is_compared() -> None:
    rule = Rule("loss", 1.0, GREATER, start_step=3)
    assert fired_at(loss_watch(rule), "loss", [0.5, 7, 8]) is None
    best = Watch.over([Rule("acc", 0.5, LESS, start_step=2)], "acc", maximize=True)
    assert fired_at(best, "acc", [0.6, 0.1]) is None
    worst = Watch.over([Rule("acc", 0.5, LESS, start_step=2)], "acc", maximize=True)
    assert fired_at(worst, "acc", [0.1, 0.4]) == 2


def test_of_another_metric_the_report_itself_is_compared() -> None:
    assert fired_at(loss_watch(Rule("acc", 0.5, LESS, start_step=2)), "acc", [0.9, 0.1]) == 2


def test_all_rules_must_have_fired() -> None:
    watch = loss_watch(Rule("loss", 1.0, GREATER, 1), Rule("time", 10.0, GREATER))
    assert not watch.report("loss", 5)
    assert not watch.report("time", 3)
    assert watch.report("time", 11)


def test_two_rules_of_a_metric_share_a_counter() -> None:
    # Each takes one from it: with 4, the second of them comes due at the second report.
    watch = loss_watch(Rule("loss", 1.0, GREATER, 4), Rule("loss", 2.0, GREATER, 4))
    assert fired_at(watch, "loss", [9] * 10) is None
    assert [rule.value for rule in watch.rules] == [1.0]


@pytest.mark.parametrize(
    ("comparison", "value", "holds"),
    [(EQUAL, 1.0, True), (EQUAL, 2.0, False), (LESS, 1.0, False), (GREATER, 1.0, False)],
)
def test_comparisons_are_strict(comparison: str, value: float, holds: bool) -> None:
    assert Rule("loss", 1.0, comparison).holds(value) is holds


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_counts_but_fires_nothing(value: float) -> None:
    rule = Rule("loss", 1.0, GREATER, start_step=2)
    assert fired_at(loss_watch(rule), "loss", [5, value]) is None
    watch = loss_watch(Rule("loss", 1.0, GREATER, start_step=2))
    assert fired_at(watch, "loss", [value, 5]) == 2
    assert watch.best == 5


def test_without_rules_nothing_is_given_up() -> None:
    assert not loss_watch().report("loss", 1e9)


def test_a_watch_survives_its_state() -> None:
    values = [5.0, 4.0, 3.0]
    rules = [Rule("loss", 1.0, GREATER, 3), Rule("acc", 0.5, LESS, 1)]
    whole = Watch.over(rules, "loss", maximize=False)
    assert whole.report("acc", 0.1) is False
    resumed = Watch.load(json.loads(json.dumps(whole.dump())), "loss", maximize=False)
    for value in values:
        state = json.loads(json.dumps(resumed.dump()))
        resumed = Watch.load(state, "loss", maximize=False)
        assert resumed.report("loss", value) == whole.report("loss", value)
        assert resumed == whole
    assert not whole.rules

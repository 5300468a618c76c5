"""The rules, from curves to thresholds; what holds for every rule is tested over the registry."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.cli import reference
from suggestion.earlystopping.medianstop import MedianStop
from suggestion.earlystopping.percentilestop import PercentileStop
from suggestion.earlystopping.quantiles import interpolated, running_average
from suggestion.earlystopping.rule import MAX_STEP, Curve, Rule, Threshold, rules
from suggestion.engine.settings import RawSetting, configure, describe

ROOT = Path(__file__).resolve().parents[2]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
LOSSES = st.lists(st.one_of(FINITE, st.just(math.nan)), min_size=1, max_size=8).filter(
    lambda losses: not all(map(math.isnan, losses))
)
CURVES = st.lists(LOSSES, max_size=9).map(
    lambda several: [Curve(f"trial-{k}", losses) for k, losses in enumerate(several)]
)
EVERY_RULE = pytest.mark.parametrize("name", list(rules()))


def curves(*several: Sequence[float]) -> list[Curve]:
    return [Curve(f"trial-{k}", losses) for k, losses in enumerate(several)]


#: Settings of rules of which some are required.
REQUIRED: dict[str, dict[str, Any]] = {"hyperband": {"r_l": 81}}
QUANTILES = pytest.mark.parametrize("name", ["medianstop", "percentilestop"])


def rule(name: str, **settings: Any) -> Rule:
    return rules().load(name)(**{**REQUIRED.get(name, {}), **settings})


# ------------------------------------------------------------------ every rule


@QUANTILES
@given(several=CURVES, step=st.integers(1, 9), required=st.integers(1, 4))
def test_thresholds_can_leave_the_server(
    name: str, several: list[Curve], step: int, required: int
) -> None:
    found = rule(name, start_step=step, min_trials_required=required).threshold(several)
    assert (found is None) == (len(several) < required) or any(
        all(map(math.isnan, curve.losses[:step])) for curve in several
    )
    if found is not None:
        assert math.isfinite(found.loss)
        assert found.step == step


@EVERY_RULE
@given(several=CURVES)
def test_every_threshold_can_leave_the_server(name: str, several: list[Curve]) -> None:
    found = rule(name).threshold(several)
    if found is not None:
        assert math.isfinite(found.loss)
        assert 1 <= found.step <= MAX_STEP


@EVERY_RULE
@given(data=st.data(), several=CURVES)
def test_the_order_of_trials_does_not_matter(
    name: str, data: st.DataObject, several: list[Curve]
) -> None:
    shuffled = data.draw(st.permutations(several))
    assert rule(name).threshold(shuffled) == rule(name).threshold(several)


@EVERY_RULE
def test_no_more_reports_are_needed_than_it_says(name: str) -> None:
    several = curves(*([float(k * j) for j in range(9)] for k in range(5)))
    subject = rule(name)
    cut = [Curve(c.trial, c.losses[: subject.horizon]) for c in several]
    assert subject.threshold(several) is not None
    assert subject.threshold(cut) == subject.threshold(several)


@EVERY_RULE
def test_steps_beyond_what_a_reply_holds_are_refused(name: str) -> None:
    steps = [s for s in describe(rules().load(name)) if s.name in ("start_step", "r_min", "r_l")]
    assert steps
    for step in steps:
        assert step.parse(str(MAX_STEP)) == MAX_STEP
        with pytest.raises(ValueError, match="at most 2147483647"):
            step.parse(str(MAX_STEP + 1))


@EVERY_RULE
def test_the_readme_of_a_rule_has_its_settings(name: str) -> None:
    readme = ROOT / rules().package(name).replace(".", "/") / "README.md"
    full = f"earlystopping/{name}"
    section = reference.markdown(full)
    assert section in readme.read_text(), f"paste: suggest algorithms {full} --markdown"
    assert reference.text(full).startswith(f"{full}: ")


def test_the_rule_in_the_documentation_is_one() -> None:
    page = (ROOT / "docs" / "early-stopping.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    imports = (
        "from collections.abc import Sequence\n"
        "from dataclasses import dataclass\n"
        "from suggestion.earlystopping.rule import Curve, Threshold\n"
        "from suggestion.engine.algorithm import register\n"
        "from suggestion.engine.settings import setting\n"
    )
    names: dict[str, Any] = {}
    exec(imports + code, names)
    rule, _ = configure(names["BestStop"], "rule", [RawSetting("start_step", "2")])
    several = curves([5, 4], [math.nan, 3], [7, 8])
    assert rule.threshold(several) == Threshold(loss=3, step=2)


# ----------------------------------------------------------------- median stop

FIVE = curves([1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3], [4, 4, 4, 4], [100, 100, 100, 100])


def test_the_threshold_is_the_median_of_the_averages() -> None:
    assert MedianStop().threshold(FIVE) == Threshold(loss=3, step=4)


def test_the_defaults() -> None:
    assert MedianStop() == MedianStop(min_trials_required=3, start_step=4)
    assert PercentileStop() == PercentileStop(
        percentile=50, min_trials_required=3, start_step=4, compare="average"
    )


def test_of_an_even_number_it_is_the_middle_of_the_two_in_the_middle() -> None:
    found = MedianStop().threshold(FIVE[:4])
    assert found == Threshold(loss=2.5, step=4)


@pytest.mark.parametrize("diverged", [9.0, 1e30, 1.7e308])
def test_one_diverged_trial_does_not_move_the_rule(diverged: float) -> None:
    found = MedianStop(start_step=2).threshold(curves([0.1, 0.1], [0.2, 0.2], [diverged] * 2))
    assert found == Threshold(loss=0.2, step=2)


def test_averages_run_to_the_start_step_and_not_on() -> None:
    several = curves(*([8, 4, 0, 0, 0, 0] for _ in range(3)))
    assert MedianStop(start_step=2).threshold(several) == Threshold(loss=6, step=2)
    assert MedianStop(start_step=4).threshold(several) == Threshold(loss=3, step=4)


def test_a_curve_shorter_than_the_start_step_counts_with_what_it_has() -> None:
    several = curves([1], [2, 4], [5, 5, 5, 5])
    assert MedianStop(start_step=4).threshold(several) == Threshold(loss=3, step=4)


def test_reports_that_are_no_numbers_are_left_out_but_keep_their_place() -> None:
    nan = math.nan
    several = curves([nan, 2, 4, 100], [3, nan, 3, 100], [3, 3, 3, 100])
    assert MedianStop(start_step=3).threshold(several) == Threshold(loss=3, step=3)


def test_a_curve_without_a_number_up_to_the_start_step_does_not_count() -> None:
    several = curves([math.nan, math.nan, 1.0], [2, 2, 2], [3, 3, 3])
    assert MedianStop(start_step=2).threshold(several) is None
    assert MedianStop(start_step=3).threshold(several) == Threshold(loss=2, step=3)


def test_below_the_required_number_there_is_no_rule() -> None:
    assert MedianStop(min_trials_required=6).threshold(FIVE) is None
    assert MedianStop(min_trials_required=5).threshold(FIVE) is not None
    assert MedianStop().threshold([]) is None


# ------------------------------------------------------------- percentile stop


@given(CURVES)
def test_50_is_the_median(several: list[Curve]) -> None:
    assert PercentileStop().threshold(several) == MedianStop().threshold(several)


@pytest.mark.parametrize(
    ("percentile", "loss"), [(0, 1), (10, 1.4), (25, 2), (50, 3), (75, 4), (100, 100)]
)
def test_percentiles_count_from_the_best(percentile: float, loss: float) -> None:
    found = PercentileStop(percentile=percentile).threshold(FIVE)
    assert found is not None
    assert found.loss == pytest.approx(loss, rel=1e-15)


@given(CURVES, st.floats(0, 100), st.floats(0, 100))
def test_a_smaller_percentile_is_never_looser(
    several: list[Curve], one: float, other: float
) -> None:
    small, large = (
        PercentileStop(percentile=p, min_trials_required=1).threshold(several)
        for p in sorted((one, other))
    )
    assert small is None or large is None or small.loss <= large.loss


@pytest.mark.parametrize(("compare", "loss"), [("average", 3), ("best", 2), ("latest", 4)])
def test_what_is_compared_can_be_chosen(compare: Any, loss: float) -> None:
    several = curves([2, 3, 4, 0], [3, 2, 4], [2, 4, math.nan, 9])
    several.append(Curve("late", [math.nan, math.nan, math.nan, 7]))  # no number by report 3
    found = PercentileStop(start_step=3, compare=compare).threshold(several)
    assert found == Threshold(loss=loss, step=3)


# ------------------------------------------------------------------ arithmetic


@given(st.lists(FINITE, min_size=1, max_size=9))
def test_the_median_is_that_of_the_standard_library(values: list[float]) -> None:
    ordered = sorted(values)
    middle = (ordered[(len(values) - 1) // 2], ordered[len(values) // 2])
    expected = (
        statistics.fmean(middle) if math.isfinite(sum(middle)) else sum(v / 2 for v in middle)
    )
    assert interpolated(values, 0.5) == pytest.approx(expected, rel=1e-15, abs=1e-320)


@given(st.lists(FINITE, min_size=1, max_size=9), st.floats(0, 1))
def test_a_quantile_lies_among_the_values(values: list[float], quantile: float) -> None:
    assert min(values) <= interpolated(values, quantile) <= max(values)


@given(FINITE, st.integers(1, 40))
def test_the_average_of_equal_losses_is_that_loss(loss: float, number: int) -> None:
    # Else a trial exactly as good as all others would be stopped, for instance at 0.1.
    assert running_average([loss] * number, number) == loss


@given(st.lists(FINITE, min_size=1, max_size=9))
def test_an_average_lies_among_the_losses(losses: list[float]) -> None:
    average = running_average(losses, len(losses))
    assert average is not None
    assert min(losses) <= average <= max(losses)


def test_averages_are_exact_where_a_sum_in_order_is_not() -> None:
    assert running_average([1e16, 1.0, -1e16, 1.0], 4) == 0.5
    assert running_average([1.5e308, 1.5e308, 0.0], 3) == pytest.approx(1e308)

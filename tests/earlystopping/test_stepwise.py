"""Rules that judge a trial again and again, against tables that were calculated by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.earlystopping import ladder
from suggestion.earlystopping.rule import MAX_STEP, Curve, Threshold, build, rules
from suggestion.earlystopping.stepwise import (
    OUT_OF_REACH,
    Asking,
    Stepwise,
    horizon,
    next_threshold,
)
from suggestion.engine.settings import RawSetting
from suggestion.problem.errors import Invalid

FINITE = st.floats(allow_nan=False, allow_infinity=False)
LOSSES = st.lists(st.one_of(FINITE, st.just(math.nan)), min_size=1, max_size=12).filter(
    lambda losses: not all(map(math.isnan, losses))
)
CURVES = st.lists(LOSSES, max_size=9).map(
    lambda several: [Curve(f"trial-{k}", losses) for k, losses in enumerate(several)]
)
SETTINGS: dict[str, dict[str, str]] = {
    "asha": {"eta": "2"},
    "hyperband": {"r_l": "16", "eta": "2"},
    "medianstop": {"min_trials_required": "2", "start_step": "2"},
}
STEPWISE = pytest.mark.parametrize("name", SETTINGS)


def rule(name: str, **settings: object) -> Any:
    given = [RawSetting(key, str(value)) for key, value in settings.items()]
    return build(rules().load(name), given)


def usual(name: str) -> Any:
    return rule(name, **SETTINGS[name])


def curves(*several: Sequence[float]) -> list[Curve]:
    return [Curve(f"trial-{k}", losses) for k, losses in enumerate(several)]


#: Losses of nine trials at reports 1 to 9; the last ones were stopped at 1 and 3.
NINE = curves(
    [0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.5, 0.4, 0.4],
    [0.8, 0.9, 0.6, 0.7, 0.5, 0.5, 0.6, 0.5, 0.3],
    [0.7, 0.6, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.5],
    [0.6, 0.5, 0.8],
    [0.5, 0.7, 0.9],
    [1.0],
    [1.1],
    [1.2],
    [math.nan],
)


def test_which_rules_judge_again() -> None:
    assert {name for name in rules() if isinstance(rule_of(name), Stepwise)} == set(SETTINGS)


def rule_of(name: str) -> Any:
    return usual(name) if name in SETTINGS else rule(name)


# --------------------------------------------------------------------- the rungs


@pytest.mark.parametrize(
    ("least", "eta", "first"),
    [
        (1, 3, (1, 3, 9, 27, 81, 243)),
        (2, 4, (2, 8, 32, 128)),
        (1, 1.5, (1, 2, 3, 5, 7, 11)),  # 1, 1.5, 2.25, 3.375, 5.06, 7.59, 11.4
        (5, 2.5, (5, 12, 31, 78)),  # 5, 12.5, 31.25, 78.1
    ],
)
def test_rungs_grow_by_eta(least: int, eta: float, first: tuple[int, ...]) -> None:
    assert ladder.upwards(least, eta)[: len(first)] == first


@pytest.mark.parametrize(
    ("most", "least", "eta", "rungs"),
    [
        (81, 1, 3, (1, 3, 9, 27)),
        (81, 4, 3, (9, 27)),
        (100, 1, 3, (1, 3, 11, 33)),  # 1.2, 3.7, 11.1, 33.3
        (1000, 1, 10, (1, 10, 100)),
        (2, 1, 3, ()),
    ],
)
def test_rungs_of_hyperband_end_below_the_last_report(
    most: int, least: int, eta: float, rungs: tuple[int, ...]
) -> None:
    assert ladder.downwards(most, least, eta) == rungs


@given(st.integers(1, MAX_STEP), st.floats(ladder.LEAST_ETA, ladder.MOST_ETA))
def test_rungs_are_different_steps_that_a_reply_can_hold(least: int, eta: float) -> None:
    for rungs in (ladder.upwards(least, eta), ladder.downwards(least, 1, eta)):
        assert list(rungs) == sorted(set(rungs))
        assert all(1 <= rung <= MAX_STEP for rung in rungs)


def test_brackets_have_hyperbands_proportions() -> None:
    # For R = 81, eta = 3 algorithm 1 begins with 81, 34, 15, 8 and 5 configurations.
    counts = Counter(ladder.bracket(number, 5, 3) for number in range(1430))
    for index, configurations in enumerate((81, 33.75, 15, 7.5, 5)):
        assert counts[index] == pytest.approx(1430 * configurations / 142.25, abs=3)
    # Ten trials in a row already are in more than one bracket.
    assert len({ladder.bracket(number, 5, 3) for number in range(10)}) >= 3
    assert {ladder.bracket(number, 1, 3) for number in range(10)} == {0}


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("asha", {"brackets": "21"}, "'brackets' must be at most 20, .*, got 21"),
        ("asha", {"eta": "1"}, "'eta' must be at least 1.1, got 1"),
        ("asha", {"r_min": "0", "eta": "x"}, "'r_min' must be at least 1, got 0.*'eta' must be"),
        ("asha", {"brackets": "33"}, "'brackets' must be at most 32, got 33"),
        ("hyperband", {}, "'r_l' is required"),
        (
            "hyperband",
            {"r_l": "8", "r_min": "3"},
            "'r_l' must be at least r_min . eta = 9, .* got 8",
        ),
        ("percentilestop", {"compare": "mean"}, "'compare' must be average, best or latest, got"),
    ],
)
def test_settings_that_are_refused(name: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        rule(name, **settings)


# -------------------------------------------------------------------- thresholds


@pytest.mark.parametrize(
    ("number", "eta", "place"),  # of n + 1 trials floor((n + 1) / eta) continue
    [(0, 3, None), (1, 3, None), (2, 3, 1), (4, 3, 1), (5, 3, 2), (8, 3, 3), (1, 2, 1), (9, 4, 2)],
)
def test_of_all_trials_at_a_rung_the_best_continue(
    number: int, eta: float, place: int | None
) -> None:
    several = curves(*([float(k)] for k in range(number, 0, -1)))
    assert ladder.limit(several, 1, eta) == place


def test_the_first_rule_of_asha() -> None:
    # By report 1 eight trials have a loss: with a further one, the best three of nine continue.
    assert rule("asha").threshold(NINE) == Threshold(0.7, 1)
    # By report 3: best .7 .6 .5 .5 .5; with a further one, two of six.
    assert rule("asha", r_min=3).threshold(NINE) == Threshold(0.5, 3)
    assert rule("asha").threshold(NINE[:1]) == Threshold(OUT_OF_REACH, 1)
    assert rule("asha").threshold([]) == Threshold(OUT_OF_REACH, 1)


@pytest.mark.parametrize(
    ("own", "step", "expected"),
    [
        # Among the best three of nine at report 1; two of six will continue at report 3.
        ([0.7], 1, Threshold(0.5, 3)),
        # Not among them: stopped at once.
        ([0.71], 1, Threshold(0.7, 1)),
        # It has made another report while it was asked for: its best counts.
        ([0.71, 0.4], 2, Threshold(0.5, 3)),
        ([0.71, 0.4], 1, Threshold(0.7, 1)),
        # At report 9: best .4 .3 .4; with a further one, one of four continues.
        ([0.6, 0.6, 0.5], 3, Threshold(0.3, 9)),
        ([0.6, 0.6, 0.51], 3, Threshold(0.5, 3)),
        # Between rungs it is judged at the last one.
        ([0.6, 0.6, 0.55, 0.55], 4, Threshold(0.5, 3)),
        ([0.3] * 9, 9, Threshold(OUT_OF_REACH, 27)),
        ([0.31] * 9, 9, Threshold(0.3, 9)),
        # Nothing is known of it.
        (None, 1, Threshold(0.5, 3)),
        ([math.nan], 1, Threshold(0.5, 3)),
        (None, 0, Threshold(0.7, 1)),
    ],
)
def test_the_next_rule_of_asha(own: list[float] | None, step: int, expected: Threshold) -> None:
    several = [*NINE] if own is None else [Curve("own", own), *NINE]
    assert next_threshold(rule("asha"), Asking("own", step), several) == expected


def test_a_trial_is_not_compared_with_itself() -> None:
    several = curves([0.5], [0.6], [0.7])
    assert next_threshold(rule("asha"), Asking("trial-0", 1), several) == Threshold(OUT_OF_REACH, 3)
    assert next_threshold(rule("asha"), Asking("trial-1", 1), several) == Threshold(0.5, 1)


def test_medianstop_judges_at_every_step() -> None:
    several = curves([4, 2, 0], [5, 3, 1], [6, 4, 2])  # averages 3, 4, 5 by 2, and 2, 3, 4 by 3
    median = rule("medianstop", start_step=2)
    assert median.threshold(several) == Threshold(4, 2)
    assert next_threshold(median, Asking("own", 0), several) == Threshold(4, 2)
    assert next_threshold(median, Asking("own", 1), several) == Threshold(4, 2)
    own = [*several, Curve("own", [9, 4, 4])]
    assert next_threshold(median, Asking("own", 2), own) == Threshold(3, 3)
    assert next_threshold(median, Asking("own", 3), own) == Threshold(3, 3)  # 4 is above 3
    few = next_threshold(median, Asking("own", 2), several[:2])
    assert few == Threshold(OUT_OF_REACH, 3)
    assert next_threshold(median, Asking("own", MAX_STEP), several) is None


def test_hyperband_leaves_some_trials_alone() -> None:
    band = rule("hyperband", r_l=9)
    assert band.rungs == (1, 3)
    firsts = Counter(
        band.threshold(curves(*([1.0] * 9 for _ in range(number)))).step for number in range(30)
    )
    assert firsts == {1: 16, 3: 8, 9: 6}  # of 30, in proportion to 9/3, 3/2 and 1
    assert next_threshold(band, Asking("own", 3), [Curve("own", [9] * 3), *NINE]) is not None
    assert next_threshold(band, Asking("own", 9), [Curve("own", [9] * 9), *NINE]) is None


def test_brackets_of_asha_begin_at_later_rungs() -> None:
    found = {
        rule("asha", brackets=3).threshold(curves(*([1.0] for _ in range(number)))).step
        for number in range(30)
    }
    assert found == {1, 3, 9}
    assert rule("asha", brackets=3).horizon == 9


# ------------------------------------------------------------------------ always


@STEPWISE
@given(data=st.data(), several=CURVES, step=st.integers(0, 12), own=st.integers(0, 9))
def test_the_next_rule_is_a_function_of_the_request_whatever_the_order(
    name: str, data: st.DataObject, several: list[Curve], step: int, own: int
) -> None:
    asking = Asking(f"trial-{own}", step)
    subject = usual(name)
    found = next_threshold(subject, asking, several)
    shuffled = data.draw(st.permutations(several))
    assert next_threshold(usual(name), asking, shuffled) == found
    reports = horizon(subject, asking)
    cut = [Curve(c.trial, c.losses[:reports]) for c in several]
    assert next_threshold(subject, asking, cut) == found
    if found is not None:
        assert math.isfinite(found.loss)
        # Either it is stopped now, or there is a later step: nobody asks twice for the same.
        assert found.step > step or found.loss < min(
            loss for c in several if c.trial == asking.trial for loss in c.losses[:step]
            if not math.isnan(loss)
        )  # fmt: skip


@STEPWISE
@given(several=CURVES, step=st.integers(1, 12))
def test_a_trial_at_least_as_good_as_all_others_is_never_stopped(
    name: str, several: list[Curve], step: int
) -> None:
    best = [-math.inf if math.isnan(x) else x for c in several for x in c.losses]
    lowest = min((x for x in best if x != -math.inf), default=0.0)
    own = Curve("own", [lowest] * step)
    found = next_threshold(usual(name), Asking("own", step), [own, *several])
    assert found is None or found.step > step


@given(st.lists(FINITE, min_size=2, max_size=30, unique=True), st.sampled_from([1.5, 2, 3, 4]))
def test_about_one_in_eta_continues(losses: list[float], eta: float) -> None:
    """If all trials are at a rung, each compared with all others, floor(n / eta) continue."""
    several = curves(*([loss] for loss in losses))
    continuing = [
        c for c in several
        if next_threshold(rule("asha", eta=eta), Asking(c.trial, 1), several)
        != Threshold(ladder.limit([o for o in several if o is not c], 1, eta) or 0.0, 1)
    ]  # fmt: skip
    kept = math.floor(Fraction(len(losses)) / Fraction(eta))
    assert len(continuing) == (kept or len(losses))

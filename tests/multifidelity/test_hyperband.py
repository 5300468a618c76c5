"""Hyperband and ASHA played by a controller, against a straightforward synchronous Hyperband."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suggestion.algorithms.hyperband.model import Model
from suggestion.algorithms.hyperband.plan import plan
from suggestion.algorithms.hyperband.rungs import Configuration
from suggestion.problem.errors import Invalid
from suggestion.problem.numeric import Double, Int
from suggestion.problem.space import SearchSpace

from .controller import Controller, Trial, ask, experiment, validate

SPACE = (
    {"name": "lr", "type": "double", "min": "1e-5", "max": "1", "distribution": "logUniform"},
    {"name": "units", "type": "int", "min": "1", "max": "4096"},
    {"name": "optimizer", "type": "categorical", "list": ["sgd", "adam", "ftrl"]},
    {"name": "epochs", "type": "int", "min": "1", "max": "81"},
)


def noise(*parts: object) -> float:
    """A number in [0, 1) that is the same for the same parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


def outcome(trial: Trial, failing: float = 0.1, sample: int = 0) -> float | None:
    """Falls with the epochs towards a value of the configuration; one in ten trials fails."""
    others = sorted((k, v) for k, v in trial.texts.items() if k != "epochs")
    if sample:  # other losses
        others.append(("sample", str(sample)))
    epochs = trial.number("epochs")
    if noise("fails", others, epochs) < failing:
        return None
    return noise("loss", others) + noise("slope", others) / epochs


Config = tuple[tuple[str, str], ...]
Evaluation = tuple[Config, float]
Losses = dict[Evaluation, float | None]


def evaluation(trial: Trial) -> Evaluation:
    others = tuple(sorted((k, v) for k, v in trial.texts.items() if k != "epochs"))
    return others, trial.number("epochs")


class Synchronous:
    """Hyperband as in the paper, one bracket after the other, on given new configurations."""

    def __init__(self, r_l: int, eta: int) -> None:
        self.r_l, self.eta = r_l, eta
        self.s_max = round(math.log(r_l, eta))

    def bracket(self, s: int) -> list[tuple[int, float]]:
        """Size and resource of each rung; resources are powers of eta."""
        n = -(-(self.s_max + 1) * self.eta**s // (s + 1))
        return [(n // self.eta**i, self.r_l / self.eta ** (s - i)) for i in range(s + 1)]

    def round(
        self, starters: dict[int, list[Evaluation]], losses: Losses
    ) -> dict[int, set[Evaluation]]:
        """Evaluations that each bracket makes of its `starters`."""
        made: dict[int, set[Evaluation]] = {}
        for s in range(self.s_max, -1, -1):
            alive = [config for config, _ in starters[s]]
            made[s] = set()
            for size, resource in self.bracket(s):
                alive = alive[:size]
                made[s] |= {(config, resource) for config in alive}
                known = {c: losses.get((c, resource)) for c in alive}
                ranked = sorted((loss, c) for c, loss in known.items() if loss is not None)
                alive = [c for _, c in ranked]
        return made

    def bound(self) -> float:
        """Resource of one round: (s_max+1) R a bracket, and what rounding n up adds."""
        total = 0.0
        for rungs in map(self.bracket, range(self.s_max + 1)):
            total += (self.s_max + 1) * self.r_l
            total += sum(r / float(self.eta) ** i for i, (_, r) in enumerate(rungs))
        return total


def two_rounds_done(controller: Controller, reference: Synchronous) -> bool:
    top = sum(1 for t in controller.trials if t.done and t.number("epochs") == reference.r_l)
    return top >= 2 * sum(reference.bracket(s)[-1][0] for s in range(reference.s_max + 1)) - 2


@pytest.mark.long
@pytest.mark.parametrize(("r_l", "parallel"), [(27, 1), (27, 50), (81, 9)])
def test_two_rounds_equal_the_synchronous_algorithm(r_l: int, parallel: int) -> None:
    reference = Synchronous(r_l, 3)
    space = (*SPACE[:3], {**SPACE[3], "max": str(r_l)})
    message = experiment(
        "hyperband", space, {"r_l": r_l, "resource_name": "epochs", "eta": 3}, parallel=parallel
    )
    controller = Controller(message, outcome, parallel=parallel, seed=parallel)
    sizes = {s: reference.bracket(s)[0][0] for s in range(reference.s_max + 1)}
    per_round = sum(n for s in sizes for n, _ in reference.bracket(s))

    def rounds() -> list[dict[int, set[Evaluation]]]:
        """What the synchronous algorithm evaluates in two rounds of the configurations given."""
        seen: dict[Config, float] = {}
        starters: dict[int, list[Evaluation]] = {s: [] for s in sizes}
        losses = {}
        for trial in controller.trials:
            config, resource = evaluation(trial)
            if config not in seen:
                seen[config] = resource
                starters[round(math.log(r_l / resource, 3))].append((config, resource))
            if trial.done:
                losses[config, resource] = trial.outcome
        if any(len(starters[s]) < 2 * n for s, n in sizes.items()):
            return []
        halves = [{s: starters[s][k * n : (k + 1) * n] for s, n in sizes.items()} for k in (0, 1)]
        return [reference.round(half, losses) for half in halves]

    def done() -> bool:
        if len(controller.trials) % 10:
            return False
        finished = {evaluation(t) for t in controller.trials if t.done}
        expected = rounds()
        return bool(expected) and all(
            made <= finished for half in expected for made in half.values()
        )

    controller.run(done, limit=4 * per_round + 20 * parallel)
    evaluated = Counter(evaluation(t) for t in controller.trials)
    assert max(evaluated.values()) == 1
    first, second = rounds()
    of_two_rounds = set().union(*first.values(), *second.values())
    starters = {config for config, _ in of_two_rounds}
    ours = {e for e in evaluated if e[0] in starters}
    assert ours == of_two_rounds
    assert sum(resource for _, resource in ours) <= 2 * reference.bound()
    if parallel == 1:  # nothing else was started meanwhile, but for the check every ten trials
        assert len(evaluated) - len(ours) <= 10


SETTINGS = {"r_l": 27, "resource_name": "epochs"}
EPOCHS_27 = {**SPACE[3], "max": "27"}
SMALL = (*SPACE[:3], EPOCHS_27)


def points(suggestions: Sequence[Any]) -> list[tuple[tuple[str, str], ...]]:
    return [tuple(sorted((a.name, a.value) for a in s.assignments)) for s in suggestions]


def at(controller: Controller, epochs: float) -> list[Trial]:
    return [t for t in controller.trials if t.number("epochs") == epochs]


# ------------------------------------------------------------------- what it refuses


INT = {"name": "epochs", "type": "int"}


@pytest.mark.parametrize(
    ("settings", "resource", "text"),
    [
        ({}, EPOCHS_27, "setting 'r_l' is required"),
        ({"r_l": 27}, EPOCHS_27, "setting 'resource_name' is required"),
        (
            {"r_l": 27, "resource_name": "steps"},
            EPOCHS_27,
            "setting 'resource_name' must name a parameter ('lr', 'epochs'), got 'steps'",
        ),
        (
            {"r_l": 27, "resource_name": "epochs"},
            {"name": "epochs", "type": "discrete", "list": ["1", "27"]},
            "setting 'resource_name' must name an int or double parameter, got 'epochs'",
        ),
        (
            {"r_l": 28, "resource_name": "epochs"},
            EPOCHS_27,
            "setting 'r_l' must be in the range 1 to 27 of parameter 'epochs', got 28",
        ),
        (
            {"r_l": 6, "resource_name": "epochs"},
            {**INT, "min": "1", "max": "27", "step": "2"},
            "setting 'r_l' must be a value of parameter 'epochs' (nearest: 5 and 7), got 6",
        ),
        (
            {"r_l": 9.5, "resource_name": "epochs"},
            {**INT, "min": "20", "max": "20"},
            "setting 'r_l' must be an integer, as parameter 'epochs' is an int, got 9.5",
        ),
        ({**SETTINGS, "r_l": 0}, EPOCHS_27, "setting 'r_l' must be greater than 0, got 0"),
        (
            {**SETTINGS, "r_l": 0.5},
            EPOCHS_27,
            "setting 'r_l' must be in the range 1 to 27 of parameter 'epochs', got 0.5",
        ),
        (
            {**SETTINGS, "r_l": 1},
            EPOCHS_27,
            "setting 'r_l' must leave two rungs or more: r_l / eta must not be below 1, the least "
            "resource of parameter 'epochs' (its min where that is above 0, else 1), got r_l = 1 "
            "and eta = 3",
        ),
        (
            {**SETTINGS, "r_l": 1},
            {**INT, "min": "20", "max": "20"},
            "setting 'r_l' must be greater than 1, as parameter 'epochs' has min = max, got 1",
        ),
        (
            {**SETTINGS, "r_l": 1},
            {**INT, "type": "double", "min": "0", "max": "1"},
            "setting 'r_l' must leave two rungs or more",
        ),
        ({**SETTINGS, "r_l": "1e300"}, EPOCHS_27, f"'r_l' must be at most {2**53}, got 1e300"),
        ({**SETTINGS, "eta": 1}, EPOCHS_27, "setting 'eta' must be greater than 1, got 1"),
        ({**SETTINGS, "eta": "nan"}, EPOCHS_27, "setting 'eta' must be a finite number"),
        (
            {**SETTINGS, "eta": 1.0001},
            EPOCHS_27,
            "setting 'eta' must divide r_l = 27 at most 100 times before it falls below 1, "
            "got 1.0001",
        ),
        ({**SETTINGS, "sampler": "gp"}, EPOCHS_27, "setting 'sampler' must be random or tpe"),
    ],
)
def test_refused(settings: dict[str, Any], resource: dict[str, str], text: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate(experiment("hyperband", (SPACE[0], resource), settings))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"r_min": 28}, "setting 'r_min' must not exceed r_l = 27, got 28"),
        ({"r_min": 0}, "setting 'r_min' must be greater than 0 or None, got 0"),
        (
            {"r_min": 10},
            "setting 'r_l' must leave two rungs or more: r_l / eta must not be below 10, the least "
            "resource of parameter 'epochs' (r_min), got r_l = 27 and eta = 3",
        ),
        (
            {"brackets": 5},
            "setting 'brackets' must be at most 4, the number of rungs from r_min to r_l, got 5",
        ),
    ],
)
def test_asha_refuses(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(Invalid, match="^" + re.escape(text) + "$"):
        validate(experiment("asha", SMALL, {**SETTINGS, **settings}))


def test_parallelism_and_settings_of_another_server_are_no_reason_to_refuse() -> None:
    theirs = dict.fromkeys(
        ("s_max", "b_l", "r", "n", "current_s", "current_i", "evaluating_trials"), "7"
    )
    for parallel in (0, 1, 1000):
        validate(experiment("hyperband", SMALL, {**SETTINGS, **theirs}, parallel=parallel))


# -------------------------------------------------------------------------- the plan


@pytest.mark.parametrize(
    ("resource", "r_l", "r_min", "eta", "resources"),
    [
        (Double("r", "0.1", "1"), 1.0, None, 3.0, (1 / 9, 1 / 3, 1.0)),
        (Double("r", "0.1", "1"), 1.0, None, 10.0, (0.1, 1.0)),
        (Double("r", "0.1", "1", "0.1"), 1.0, None, 3.0, (0.1, 0.3, 1.0)),
        (Double("r", "0.01", "0.3", "0.01"), 0.3, None, 3.0, (0.01, 0.03, 0.1, 0.3)),
        (Double("r", 0, 1), 1.0, 0.3, 3.0, (1 / 3, 1.0)),
        (Double("r", 0, 4), 4.0, None, 2.0, (1.0, 2.0, 4.0)),
        (Double("r", "0.5", 4), 4.0, None, 2.0, (0.5, 1.0, 2.0, 4.0)),
        (Double("r", 1, 100_000, "1e-9"), 100_000.0, None, 1000.0, (100.0, 100_000.0)),
    ],
)
def test_resources_may_be_fractions(
    resource: Double, r_l: float, r_min: float | None, eta: float, resources: tuple[float, ...]
) -> None:
    assert plan(resource, r_l, r_min, eta).resources == resources


def test_fractions_are_promoted_to_the_end() -> None:
    space = (SPACE[0], {"name": "share", "type": "double", "min": "0.1", "max": "1"})
    for name in ("hyperband", "asha"):
        message = experiment(name, space, {"r_l": 1, "resource_name": "share"}, parallel=4)
        controller = Controller(message, lambda t: noise(t.texts["lr"]), parallel=4, seed=1)
        while len(controller.trials) < 30:
            controller.step()
        assert {t.number("share") for t in controller.trials} == {1 / 9, 1 / 3, 1.0}


@given(
    r_l=st.integers(1, 2000),
    eta=st.sampled_from([1.1, 1.5, 2.0, 2.5, 3.0, 4.0, 10.0]),
    low=st.integers(0, 20),
    step=st.integers(1, 7),
    double=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_bracket_keeps_to_the_papers_budget(
    r_l: int, eta: float, low: int, step: int, double: bool
) -> None:
    low = min(low, r_l)
    low = r_l - (r_l - low) // step * step  # r_l is on the lattice
    kind = Double if double else Int
    parameter = kind("epochs", low, r_l, None if low == r_l else min(step, r_l - low))
    found = plan(parameter, float(r_l), 1.0, eta)
    assert found.resources[-1] == r_l
    assert all(resource in parameter for resource in found.resources)
    values = [float(resource) for resource in found.resources]
    assert values[0] >= 1
    assert values == sorted(set(values))
    assert found.brackets[0].start == 0
    assert [b.start for b in found.brackets] == list(range(len(values)))
    least = values[0]
    s_max = math.floor(math.log(r_l / least) / math.log(eta) + 1e-9)
    for bracket in found.brackets:
        resources = values[bracket.start :]
        assert len(bracket.sizes) == len(resources)
        assert all(a >= b >= 1 for a, b in itertools.pairwise(bracket.sizes))
        spent = sum(n * r for n, r in zip(bracket.sizes, resources, strict=True))
        # (s_max + 1) R, and one configuration more in every rung because n is rounded up.
        assert spent <= (s_max + 1) * r_l + sum(resources) + 1e-6


def test_the_example_of_the_paper() -> None:
    found = plan(Int("epochs", 1, 81), 81.0, 1, 3.0)
    assert found.resources == (1, 3, 9, 27, 81)
    assert [b.sizes for b in found.brackets] == [
        (81, 27, 9, 3, 1),
        (34, 11, 3, 1),
        (15, 5, 1),
        (8, 2),
        (5,),
    ]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [("int", {"1": 9, "3": 3, "9": 1}), ("double", {"1.0": 9, "3.0": 3, "9.0": 1})],
)
def test_a_resource_with_min_equal_to_max_is_a_placeholder(
    kind: str, texts: dict[str, int]
) -> None:
    space = (SPACE[0], {"name": "epochs", "type": kind, "min": "20", "max": "20"})
    message = experiment("hyperband", space, {"r_l": 9, "resource_name": "epochs"}, parallel=1)
    controller = Controller(message, lambda t: outcome(t, failing=0), parallel=1, seed=0)
    controller.run(lambda: len(controller.trials) == 13, limit=13)
    assert Counter(t.texts["epochs"] for t in controller.trials) == texts


def test_a_log_distribution_of_the_resource_is_not_in_the_way() -> None:
    space = (SPACE[0], {**EPOCHS_27, "distribution": "logNormal"})
    suggestions = ask(experiment("hyperband", space, SETTINGS), [], 49, 49)
    assert Counter(dict(p)["epochs"] for p in points(suggestions)) == {
        "1": 27,
        "3": 12,
        "9": 6,
        "27": 4,
    }


# ----------------------------------------------------------- what is not yet visible


@pytest.mark.long
def test_requests_in_flight_never_get_the_same_point() -> None:
    """With equal trials and rising totals; at every point of an experiment."""
    message = experiment("hyperband", SMALL, SETTINGS, parallel=4)
    controller = Controller(message, outcome, parallel=4, seed=5)
    promotions = 0
    while len(controller.trials) < 110:
        controller.step()
        trials, total = controller.visible(), len(controller.trials)
        tried = {tuple(sorted(t.texts.items())) for t in controller.trials}
        replies = []
        for count in (2, 3, 4):
            total += count
            replies += points(ask(message, trials, count, total))
        assert len(set(replies)) == 9
        assert not tried & set(replies)
        promotions += any(dict(p)["epochs"] == "27" for p in replies[:2])
    assert promotions > 3  # some of these requests were made while promotions were due


@pytest.mark.long
def test_suggestions_that_become_trials_late_are_not_given_again() -> None:
    """Whatever finishes meanwhile: each trial becomes visible four requests after its reply."""
    message = experiment("hyperband", SMALL, SETTINGS, parallel=5)
    rng = random.Random(3)
    given: list[Trial] = []
    for total in range(1, 200):
        for trial in given[:-4]:
            trial.done = trial.done or rng.random() < 0.3
        (suggestion,) = ask(message, [t.as_message() for t in given[:-4]], 1, total)
        texts = {a.name: a.value for a in suggestion.assignments}
        trial = Trial(f"t{total}", total - 1, texts, {}, None)
        trial.outcome = outcome(trial)
        given.append(trial)
    assert len({tuple(sorted(t.texts.items())) for t in given}) == len(given)


@pytest.mark.long
@pytest.mark.parametrize(
    ("algorithm", "least", "share"), [("hyperband", 14, 0.1), ("asha", 1.25, 0.2)]
)
def test_trials_without_metrics_do_not_stop_promotions(
    algorithm: str, least: float, share: float
) -> None:
    """One in seven (configuration, resource) never reports, and so is missing from requests.

    At the top are 8 of the 69 trials of a round, or 1 of 27 new ones. What vanishes is tried again
    now and then: it cannot be told from what was never tried. In samples of losses and of what
    vanishes, 32 and 56 of them, 20 (hyperband) and 2.6 (asha) configurations report from the top,
    with deviations of 3.4 and 1.6, and 5 and 15 % of the trials are repetitions. So means of four
    samples fail by chance at about one in 20 changes of suggestions.
    """
    tops, repeated = [], []
    for sample, parallel in enumerate((1, 4, 1, 4)):
        message = experiment(algorithm, SMALL, SETTINGS, parallel=parallel)
        losses = partial(outcome, sample=sample)
        hide = partial(hidden, sample=sample)
        controller = Controller(message, losses, parallel=parallel, seed=1, hide=hide)
        controller.run(partial(has_trials, controller, 250), limit=260)
        tops.append(len({t.texts["lr"] for t in at(controller, 27) if not hide(t)}))
        evaluated = Counter(evaluation(t) for t in controller.trials)
        repeated.append(sum(n - 1 for n in evaluated.values()) / len(controller.trials))
    assert np.mean(tops) >= least
    assert np.mean(repeated) <= share


def hidden(trial: Trial, sample: int) -> bool:
    return noise("hidden", sample, trial.texts["lr"], trial.texts["epochs"]) < 0.15


def has_trials(controller: Controller, number: int) -> bool:
    return len(controller.trials) >= number


@pytest.mark.long
def test_a_promotion_that_always_vanishes_takes_a_small_share() -> None:
    """The winner of the first bracket never comes back from its last rung."""
    message = experiment("hyperband", SMALL, SETTINGS, parallel=1)
    winner: list[str] = []

    def hide(trial: Trial) -> bool:
        if trial.number("epochs") != 27:
            return False
        if not winner:
            winner.append(trial.texts["lr"])
        return trial.texts["lr"] == winner[0]

    controller = Controller(message, outcome, parallel=1, seed=1, hide=hide)
    controller.run(lambda: len(controller.trials) >= 150, limit=150)
    again = [t for t in at(controller, 27) if t.texts["lr"] == winner[0]]
    assert 1 <= len(again) <= 8
    assert len(at(controller, 27)) - len(again) >= 6


# -------------------------------------------------------- out-of-space and edited trials


def test_order_names_and_restarts_do_not_matter() -> None:
    message = experiment("hyperband", SMALL, SETTINGS, parallel=3)
    controller = Controller(message, outcome, parallel=3, seed=2)
    controller.run(lambda: len(controller.trials) >= 60, limit=70)
    total = len(controller.trials) + 5
    expected = points(ask(message, controller.visible(), 5, total))
    for _ in range(5):
        assert points(ask(message, controller.visible(), 5, total)) == expected
    nameless = controller.visible()
    for trial in nameless:
        trial.name = ""
    assert points(ask(message, nameless, 5, total)) == expected


def test_out_of_space_trials_do_not_derail_it() -> None:
    message = experiment("hyperband", SMALL, SETTINGS, parallel=1)
    controller = Controller(message, outcome, parallel=1, seed=2)
    strangers = [
        {"lr": "5", "units": "3", "optimizer": "sgd", "epochs": "1"},  # out of range
        {"units": "3", "optimizer": "sgd", "epochs": "1"},  # lr is missing
        {"lr": "0.1", "units": "3", "optimizer": "sgd", "epochs": "2"},  # on no rung
        {"lr": "0.2", "units": "3", "optimizer": "sgd", "epochs": "nan"},
        {"lr": "0.3", "units": "3", "optimizer": "sgd", "epochs": "27"},  # a rung's, by hand
    ]
    for texts in strangers:
        controller.add(texts, 0.5)
    controller.run(lambda: len(controller.trials) >= 5 + 40, limit=5 + 40)
    ours = Counter(t.texts["epochs"] for t in controller.trials[5:])
    assert ours == {"1": 27, "3": 9, "9": 3, "27": 1}


@pytest.mark.parametrize(
    "edited",
    [
        (SPACE[0] | {"max": "0.9"}, *SMALL[1:]),
        (SPACE[0], SPACE[1] | {"step": "3"}, *SMALL[2:]),
        (*SMALL, {"name": "new", "type": "double", "min": "0", "max": "1"}),
    ],
)
def test_a_space_edited_on_the_way_is_honoured(edited: tuple[dict[str, str], ...]) -> None:
    message = experiment("hyperband", SMALL, SETTINGS, parallel=1)
    controller = Controller(message, outcome, parallel=1, seed=2)
    controller.run(lambda: len(controller.trials) >= 20, limit=20)
    # The service checks that each suggestion is inside the new space.
    controller.edit(experiment("hyperband", edited, SETTINGS | {"seed": 7}, parallel=1))
    controller.run(lambda: len(controller.trials) >= 120, limit=120)
    assert max(Counter(evaluation(t) for t in controller.trials).values()) == 1
    assert len(at(controller, 27)) >= 4


# ------------------------------------------------------------------- finite spaces


@pytest.mark.parametrize("parallel", [1, 3, 50])
def test_a_sub_space_smaller_than_a_rung(parallel: int) -> None:
    """Six configurations: all are tried once at the bottom, and then go up, the best first."""
    space = (
        {"name": "layers", "type": "int", "min": "1", "max": "3"},
        {"name": "optimizer", "type": "categorical", "list": ["sgd", "adam"]},
        EPOCHS_27,
    )
    message = experiment("hyperband", space, SETTINGS, parallel=parallel)
    controller = Controller(message, lambda t: outcome(t, failing=0), parallel=parallel, seed=4)
    controller.run(lambda: len(controller.trials) >= 24, limit=80)
    first = controller.trials[:6]
    assert {t.texts["epochs"] for t in first} == {"1"}
    assert len({evaluation(t)[0] for t in first}) == 6
    # Four rungs of six configurations are 24 points; only then others, and still no repetition.
    assert {t.texts["epochs"] for t in controller.trials[:24]} == {"1", "3", "9", "27"}
    assert max(Counter(evaluation(t) for t in controller.trials).values()) == 1
    if parallel == 1:
        third = [evaluation(t)[0] for t in controller.trials[6:] if t.number("epochs") == 3]
        known = {evaluation(t): t.outcome for t in controller.trials}
        losses = [known[config, 1.0] for config in third]
        assert all(
            a is not None and b is not None and a <= b for a, b in itertools.pairwise(losses)
        )


def test_requests_in_flight_in_a_tiny_space() -> None:
    """Six configurations at four rungs: twelve requests before any trial is visible."""
    space = (
        {"name": "layers", "type": "int", "min": "1", "max": "3"},
        {"name": "optimizer", "type": "categorical", "list": ["sgd", "adam"]},
        EPOCHS_27,
    )
    message = experiment("hyperband", space, SETTINGS, parallel=2)
    replies = [points(ask(message, [], 2, total)) for total in range(2, 26, 2)]
    everything = [point for reply in replies for point in reply]
    assert len(set(everything)) == 24
    assert {dict(point)["epochs"] for point in everything} == {"1", "3", "9", "27"}


def test_a_used_up_space_repeats_but_not_in_one_reply() -> None:
    space = (
        {"name": "layers", "type": "int", "min": "1", "max": "2"},
        {"name": "epochs", "type": "int", "min": "1", "max": "3"},
    )
    message = experiment("hyperband", space, {"r_l": 3, "resource_name": "epochs"}, parallel=5)
    controller = Controller(message, outcome, parallel=5, seed=4)
    controller.run(lambda: len(controller.trials) >= 40, limit=60)
    assert len(set(points(ask(message, controller.visible(), 6, len(controller.trials) + 6)))) == 6
    assert len({tuple(t.texts.values()) for t in controller.trials[:6]}) == 6


def test_a_space_of_the_resource_alone() -> None:
    message = experiment("hyperband", (EPOCHS_27,), SETTINGS, parallel=2)
    controller = Controller(message, outcome, parallel=2, seed=4)
    controller.run(lambda: len(controller.trials) >= 27, limit=30)
    assert {t.texts["epochs"] for t in controller.trials[:4]} == {"1", "3", "9", "27"}
    assert len({t.texts["epochs"] for t in controller.trials[:27]}) == 27


# ---------------------------------------------------------------------------- BOHB


@pytest.mark.long
@pytest.mark.parametrize("parallel", [1, 9])
def test_bohb_keeps_the_rungs_of_hyperband(parallel: int) -> None:
    message = experiment("hyperband", SMALL, {**SETTINGS, "sampler": "tpe"}, parallel=parallel)
    controller = Controller(message, lambda t: outcome(t, failing=0), parallel=parallel, seed=6)
    controller.run(lambda: len(controller.trials) >= 140, limit=150)
    assert max(Counter(evaluation(t) for t in controller.trials).values()) == 1
    if parallel == 1:  # a round is 69 trials: 49 new ones
        for turn in (controller.trials[:69], controller.trials[69:138]):
            assert Counter(t.texts["epochs"] for t in turn) == {"1": 27, "3": 21, "9": 13, "27": 8}


def test_bohb_does_not_learn_from_the_least_resource() -> None:
    """Its first bracket is that of hyperband: 27 + 9 + 3 + 1 trials; then it has a model."""
    texts = {}
    for sampler in ("random", "tpe"):
        message = experiment("hyperband", SMALL, {**SETTINGS, "sampler": sampler}, parallel=1)
        controller = Controller(message, outcome, parallel=1, seed=6)
        trials = controller.trials
        controller.run(lambda trials=trials: len(trials) >= 69, limit=70)  # type: ignore[misc]
        texts[sampler] = [t.texts for t in controller.trials]
    assert texts["random"][:40] == texts["tpe"][:40]
    assert texts["random"][40:] != texts["tpe"][40:]


def test_bohbs_densities_share_no_configuration() -> None:
    space = SearchSpace((Double("x", "0", "1"), Double("y", "0", "1")))

    def fit(results: int, failed: int = 0) -> Model | None:
        configurations = []
        for index in range(results + failed):
            key = (index / 100, 0.5)
            configuration = Configuration(key, dict(zip("xy", key, strict=True)), levels={0, 1})
            if index < results:
                configuration.losses.update({0: float(index), 1: float(index)})
            configurations.append(configuration)
        return Model.fit(space, configurations, 1)

    assert fit(5) is None
    assert fit(3, failed=3) is None  # none of l would be worse than another that was observed
    for results, failed, good in ((6, 0, 3), (4, 2, 3), (40, 0, 6)):
        model = fit(results, failed)
        assert model is not None
        assert model.good.points[:, 0] == pytest.approx([i / 100 for i in range(good)])
        rest = [i / 100 for i in range(good, results + failed)]
        assert sorted(model.bad.points[:, 0]) == pytest.approx(rest)


@pytest.mark.long
def test_bohb_draws_near_the_good_ones() -> None:
    """The loss is the distance of lr from 0.01; random draws are there as often as anywhere."""

    def distance(trial: Trial) -> float:
        wrong = 0.0 if trial.texts["optimizer"] == "adam" else 2.0
        return abs(math.log10(trial.number("lr")) + 2) + wrong + 1 / trial.number("epochs")

    def near(sampler: str) -> float:
        settings = {**SETTINGS, "sampler": sampler}
        message = experiment("hyperband", SMALL, settings, parallel=3)
        controller = Controller(message, distance, parallel=3, seed=8)
        controller.run(lambda: len(controller.trials) >= 140, limit=150)
        new = [t for t in controller.trials[69:] if t.number("epochs") < 27]
        lrs = {t.texts["lr"]: t for t in new}
        good = [t for t in lrs.values() if distance(t) - 1 / t.number("epochs") < 0.5]
        return len(good) / len(lrs)

    assert near("tpe") > 2 * near("random")


# ---------------------------------------------------------------------------- ASHA


@pytest.mark.long
@pytest.mark.parametrize("parallel", [1, 9])
@pytest.mark.parametrize("brackets", [1, 3])
def test_asha_promotes_the_best_third_of_a_rung(parallel: int, brackets: int) -> None:
    settings = {**SETTINGS, "brackets": brackets}
    message = experiment("asha", SMALL, settings, parallel=parallel)
    controller = Controller(message, outcome, parallel=parallel, seed=9)
    starts: dict[Config, float] = {}
    seen = 0
    while len(controller.trials) < 160:
        finished = {evaluation(t): t.outcome for t in controller.trials if t.done}
        controller.step()
        for trial in controller.trials[seen:]:
            config, epochs = evaluation(trial)
            if config not in starts:
                starts[config] = epochs
                continue
            below = epochs / 3
            rung = {
                c: loss
                for (c, resource), loss in finished.items()
                if resource == below and starts[c] == starts[config]
            }
            observed = sorted((loss, c) for c, loss in rung.items() if loss is not None)
            assert config in [c for _, c in observed[: len(rung) // 3]]
        seen = len(controller.trials)
    assert {t.texts["epochs"] for t in controller.trials} == {"1", "3", "9", "27"}
    began = Counter(starts.values())
    shares = dict(zip((1.0, 3.0, 9.0), (27, 12, 6), strict=True))
    used = list(shares)[:brackets]
    total = sum(shares[r] for r in used)
    assert set(began) == set(used)
    for resource in used:
        assert began[resource] == pytest.approx(len(starts) * shares[resource] / total, abs=1.5)


def test_asha_counts_its_rungs_from_r_min() -> None:
    space = (SPACE[0], {**INT, "min": "1", "max": "100"})
    settings = {"r_l": 100, "resource_name": "epochs", "r_min": 10}
    suggestions = ask(experiment("asha", space, settings), [], 4, 4)
    assert {dict(p)["epochs"] for p in points(suggestions)} == {"11"}

"""The LSTM controller of ``enas``: each setting has its effect, and what is rewarded is learned."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from suggestion.algorithms.nas.controller import GROUPS, Training, most_steps, rewards_of, train
from suggestion.algorithms.nas.goal import Goal
from suggestion.algorithms.nas.lstm import Network, Shape
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.trial_messages import read_trials
from suggestion.problem.errors import Cancelled, Invalid
from tests.nas.support import network, read
from tests.support.cases import prepare, suggest, validate
from tests.support.requests import ask_for, integer, points_of, trial
from tests.test_deadlines import Counted

SHAPE = Shape(4, 3)
GOAL = Goal(hidden=6)
QUICK = {"search": "controller", "controller_train_steps": "3", "controller_learning_rate": "0.01"}


def made(goal: Goal = GOAL, shape: Shape = SHAPE, spread: float = 0) -> Network:
    """A network, always the same; with `spread`, of normally distributed weights."""
    rng = np.random.default_rng(1)
    found = Network.initial(shape, goal, rng)
    if spread:
        found.weights.flat[:] = spread * rng.normal(size=len(found.weights.flat))
    return found


def random(count: int, shape: Shape = SHAPE) -> NDArray[np.int64]:
    """Architectures, always the same, of a network that has learned nothing."""
    uniform = np.random.default_rng(2).random((count, shape.decisions))
    return made(shape=shape).sample(uniform)


def drawn(learned: Network, count: int = 2000) -> tuple[NDArray[np.intp], float]:
    """Choices of so many architectures, and the share of skip connections that they have."""
    shape = learned.shape
    found = learned.sample(np.random.default_rng(3).random((count, shape.decisions)))
    choices, reads = shape.split(found)
    return choices, float(reads.sum() / (count * (shape.decisions - shape.layers)))


def after(
    training: Training, goal: Goal = GOAL, count: int = 12, rewarded: int | None = 2
) -> Network:
    """A network that learned from random architectures how often `rewarded` is chosen."""
    learned, decisions = made(goal), random(count)
    losses = -(SHAPE.split(decisions)[0] == rewarded).sum(axis=1)
    train(learned, training, decisions, rewards_of(losses))
    return learned


def entropy(learned: Network) -> float:
    choices, reads = SHAPE.split(random(20))
    return learned.gradient(choices, reads, np.zeros(20))[0].entropy


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize(
    ("goal", "shape"),
    [
        (Goal(5, 0.7, 2.25, 0.3, 0.4, 0.8), SHAPE),
        (Goal(5, None, None, None, 1.0, 3.0), SHAPE),
        (Goal(5, 5.0, 1.0, 2.0, 0.2, None), Shape(3, 4, skips=False)),
    ],
    ids=["all", "few", "no skips"],
)
def test_the_gradient_is_that_of_finite_differences(goal: Goal, shape: Shape) -> None:
    learned = made(goal, shape, 0.7)
    choices, reads = shape.split(random(5, shape))
    advantages = np.array([1.0, -2.0, 0.5, 0.0, 0.3])
    _, slopes = learned.gradient(choices, reads, advantages)
    weights, step = learned.weights.flat, 1e-6
    for place in np.random.default_rng(4).permutation(len(weights))[:150]:
        before = weights[place]
        values = []
        for moved in (before - step, before + step):
            weights[place] = moved
            values.append(learned.gradient(choices, reads, advantages)[0].value)
        weights[place] = before
        numeric = (values[1] - values[0]) / (2 * step)
        assert slopes.flat[place] == pytest.approx(numeric, rel=1e-4, abs=1e-7)


def test_decisions_are_drawn_with_the_probabilities_that_training_changes() -> None:
    """The value of an architecture with advantage 1, without further terms, is that in log."""
    shape = Shape(2, 3)
    learned = made(replace(GOAL, entropy_weight=None, skip_weight=None), shape, 2.0)
    found = learned.sample(np.random.default_rng(5).random((20_000, shape.decisions)))
    kinds, counts = np.unique(found, axis=0, return_counts=True)
    total = 0.0
    for kind, count in zip(kinds, counts, strict=True):
        choices, reads = shape.split(kind[None])
        chance = np.exp(learned.gradient(choices, reads, np.ones(1))[0].value)
        total += chance
        # Five standard errors of a share of 20,000.
        assert count / 20_000 == pytest.approx(chance, abs=0.02)
    assert total == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("tanh_const", [None, 0.5])
@pytest.mark.parametrize("temperature", [None, 1e-300, 1e9])
def test_extreme_weights_and_settings_stay_finite(
    temperature: float | None, tanh_const: float | None
) -> None:
    goal = Goal(6, temperature, tanh_const, 1e9, 1.0, 1e9)
    learned = made(goal, SHAPE, 1e4)
    train(learned, Training(steps=3, rate=1.0), random(4), np.array([1.0, -1.0, 0.5, -0.5]))
    assert np.isfinite(learned.weights.flat).all()
    assert set(np.unique(drawn(learned, 50)[0])) <= {0, 1, 2}


def test_rewards_know_ranks_alone() -> None:
    losses = np.array([3.0, 1.0, 2.0, 2.0, 1e300])
    rewards = rewards_of(losses)
    assert rewards.mean() == pytest.approx(0, abs=1e-9)
    assert rewards[1] > rewards[2] == rewards[3] > rewards[0] > rewards[4] > -2
    assert rewards_of(losses / 1e290 - 7).tolist() != rewards.tolist()  # 1, 2 and 3 became equal
    assert rewards_of(losses * 1e7 - 7).tolist() == rewards.tolist()
    assert rewards_of(np.ones(3)).tolist() == pytest.approx([0, 0, 0], abs=1e-9)


# ---------------------------------------------------------------- what settings mean


def test_training_makes_what_is_rewarded_likelier_the_more_the_more_steps_there_are() -> None:
    shares = [float((drawn(after(Training(steps, 0.002)))[0] == 2).mean()) for steps in (1, 20, 40)]
    # A third at random; of 8,000 choices the standard error is .005.
    assert shares[0] + 0.05 < shares[1] < shares[2] - 0.05, shares


def test_a_step_moves_weights_by_the_learning_rate() -> None:
    learned = made()
    before = learned.weights.flat.copy()
    train(learned, Training(steps=1, rate=0.003), random(1), np.ones(1))
    moved = np.abs(learned.weights.flat - before)
    assert np.median(moved) == pytest.approx(0.003, rel=0.05)
    assert moved.max() <= 0.003 * (1 + 1e-9)


def test_the_weight_of_entropy_keeps_probabilities_even() -> None:
    training = Training(steps=10, rate=0.01)
    weighted = [entropy(after(training, replace(GOAL, entropy_weight=w))) for w in (None, 1, 30)]
    assert weighted[0] < weighted[1] < weighted[2]
    most = 4 * np.log(3) + 6 * np.log(2)
    assert weighted[2] == pytest.approx(most, rel=0.05)
    assert weighted[0] < 0.9 * most


@pytest.mark.parametrize("target", [0.1, 0.8])
def test_skip_connections_go_to_their_target_by_its_weight(target: float) -> None:
    def share(weight: float | None) -> float:
        goal = replace(GOAL, skip_target=target, skip_weight=weight)
        return drawn(after(Training(steps=20, rate=0.02), goal, rewarded=None))[1]

    assert share(None) == pytest.approx(0.5, abs=0.03)
    assert share(0.8) == pytest.approx(target, abs=0.03)


def test_temperature_and_tanh_flatten_and_bound_logits() -> None:
    hot, cold = (entropy(made(replace(GOAL, temperature=t), spread=1.0)) for t in (50.0, 1.0))
    assert hot > cold
    bounded = made(replace(GOAL, temperature=None, tanh_const=0.5), spread=50.0)
    choices, share = drawn(bounded)
    # exp(.5) / (exp(.5) + 2 exp(-.5)) is .576, the sigmoid of 2 * .5 is .731.
    assert 0.5 < np.bincount(choices[:, 0], minlength=3).max() / len(choices) < 0.62
    assert 0.2 < share < 0.8
    free = made(replace(GOAL, temperature=None, tanh_const=None), spread=50.0)
    assert np.bincount(drawn(free)[0][:, 0], minlength=3).max() == len(choices)


def test_the_baseline_follows_rewards_by_its_decay(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    training = Training(steps=3, baseline_decay=0.5, log_every=1)
    train(made(), training, random(2), np.array([1.0, -1.0]), "e")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3, "those of the last trial alone"
    assert "experiment 'e': controller step 2 of 3: loss " in lines[1]
    found = [float(line.partition("baseline ")[2].partition(",")[0]) for line in lines]
    assert found == [0.875, -0.0625, -0.53125]


def test_each_trial_has_its_steps_until_neighbours_share_them() -> None:
    calls: list[None] = []

    def checks(count: int) -> int:
        calls.clear()
        rewards = np.zeros(count)
        train(made(), Training(steps=2), random(count), rewards, check=lambda: calls.append(None))
        return len(calls)

    assert [checks(count) for count in (1, 7, GROUPS + 1)] == [2, 14, 2 * GROUPS]


# ---------------------------------------------------------------- requests


def evaluated(count: int = 15, layers: int = 4) -> list[api.Trial]:
    """Trials of an experiment that has none of the settings of a controller."""
    points = points_of(suggest(ask_for(network(layers=layers), count)))
    losses = [-str(read(point["architecture"])).count("[3") for point in points]
    return [trial(f"t{k:02d}", p, str(losses[k])) for k, p in enumerate(points)]


def asked(
    trials: Iterable[api.Trial], more: Iterable[tuple[str, str]] = (), count: int = 8
) -> list[str]:
    """Architectures that a controller suggests after `trials`."""
    message = network(settings={**QUICK, **dict(more)}.items())
    reply = suggest(ask_for(message, count, 100 + count, [*trials]))
    return [point["architecture"] for point in points_of(reply)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", "32"),
        ("temperature", "0.01"),
        ("tanh_const", "None"),
        ("entropy_weight", "100"),
        ("baseline_decay", "0.1"),
        ("learning_rate", "0.1"),
        ("skip_target", "0.99"),
        ("skip_weight", "500"),
        ("train_steps", "9"),
        ("log_every_steps", "2"),
    ],
)
def test_every_setting_has_an_effect(name: str, value: str) -> None:
    trials = evaluated()
    same = name == "log_every_steps"  # see the test of the baseline
    settings = [(f"controller_{name}", value)]
    assert (asked(trials, settings) == asked(trials)) == same


def test_with_its_defaults_it_learns_a_rewarded_operation() -> None:
    """At random it has one in eight; the standard error of 160 is .026."""
    trials = evaluated(40)
    message = network(settings=[("search", "controller")])
    points = points_of(suggest(ask_for(message, 40, 80, trials)))
    choices = [layer[0] for point in points for layer in read(point["architecture"])]
    assert choices.count(3) / len(choices) > 0.23


def test_a_reply_is_a_function_of_the_request_whatever_its_order() -> None:
    trials = evaluated()
    found = asked(trials)
    assert len(set(found)) == len(found)
    assert asked(trials[::-1]) == found == asked(trials)
    # A suggestion does not depend on how many are asked for.
    assert asked(trials, count=8)[:1] == found[:1]


def test_failed_trials_are_no_lesson() -> None:
    trials = evaluated()
    unlike = {"architecture": "[[0], [0, 1], [0, 1, 1], [0, 1, 1, 1]]"}
    failed = trial("failed", unlike, None, api.TrialStatus.FAILED)
    assert asked([*trials, failed]) == asked(trials)


def test_points_all_differ_where_few_are_left() -> None:
    message = network(layers=1, settings=QUICK.items())
    points = points_of(suggest(ask_for(message, 8)))
    assert len({point["architecture"] for point in points}) == 8


def test_training_ends_with_the_deadline() -> None:
    prepared = prepare(network(settings=[("search", "controller")]))
    history = read_trials(evaluated(), prepared.problem)
    for checks in (20, 300):
        with pytest.raises(Cancelled):
            prepared.suggest(1, first_index=20, trials=history, deadline=Counted(checks))


# ---------------------------------------------------------------- which search

CONTROLLER = {
    "hidden_size": "64",
    "temperature": "5.0",
    "tanh_const": "2.25",
    "entropy_weight": "1e-5",
    "baseline_decay": "0.999",
    "learning_rate": "5e-5",
    "skip_weight": "0.8",
    "train_steps": "50",
    "log_every_steps": "10",
}


def first(*settings: tuple[str, str]) -> str:
    return points_of(suggest(ask_for(network(settings=settings))))[0]["architecture"]


@pytest.mark.parametrize("name", CONTROLLER)
def test_a_setting_of_the_controller_asks_for_it(name: str) -> None:
    given = (f"controller_{name}", CONTROLLER[name])
    assert first(given) == first(("search", "controller"), given) != first()
    rule = f"setting 'controller_{name}' has no effect with search 'evolution', and must be left"
    with pytest.raises(Invalid, match=rule):
        validate(network(settings=[("search", "evolution"), given]))


def test_without_one_it_evolves() -> None:
    assert first(("search", "auto")) == first(("search", "evolution")) == first()
    both = [("controller_skip_target", "0.9"), ("search", "evolution")]
    assert first(both[0]) == first(*both) != first()


def test_what_cannot_be_trained_in_time_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        validate(network(layers=64, settings=[("controller_train_steps", "10000")]))
    most = most_steps(Shape(64, 8), 64)
    rule = f"'controller_train_steps' must be at most {most} with 64 layers and 64 units"
    (violation,) = caught.value.violations
    assert rule in violation.description
    validate(network(layers=64, settings=[("controller_train_steps", str(most))]))
    validate(network(layers=64, settings=[("search", "controller")]))
    many = {"convolution": (integer("filters", "1", "15000"),)}
    with pytest.raises(Invalid, match="hidden_size' must be at most 8 with 15000 choices of a la"):
        validate(network(layers=1, operations=many, settings=[("search", "controller")]))
    validate(network(layers=1, operations=many))

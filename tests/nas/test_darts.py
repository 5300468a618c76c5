"""``darts``: every trial receives the whole space."""

from __future__ import annotations

import pytest

from suggestion.problem.errors import Invalid
from tests.nas.support import network, read
from tests.support.cases import suggest, validate
from tests.support.requests import ask_for, categorical, integer, points_of, trial

CELL = {
    "separable_convolution": (categorical("filter_size", "3", "5"),),
    "max_pooling": (integer("filter_size", "2", "3"),),
    "skip_connection": (categorical("filter_size", "3"),),
}


def test_every_trial_receives_settings_operations_and_layers() -> None:
    message = network("darts", 70 - 8, CELL, [("num_epochs", "2"), ("batch_size", "None")])
    del message.spec.nas_config.graph_config.input_sizes[:]
    del message.spec.nas_config.graph_config.output_sizes[:]
    first, second = points_of(suggest(ask_for(message, 2)))
    assert first == second
    assert list(first) == ["algorithm-settings", "search-space", "num-layers"]
    assert first["num-layers"] == "62"
    assert read(first["search-space"]) == [
        "separable_convolution_3x3",
        "separable_convolution_5x5",
        "max_pooling_2x2",
        "max_pooling_3x3",
        "skip_connection",
    ]
    assert read(first["algorithm-settings"]) == {
        "num_epochs": 2,
        "w_lr": 0.025,
        "w_lr_min": 0.001,
        "w_momentum": 0.9,
        "w_weight_decay": 3e-4,
        "w_grad_clip": 5.0,
        "alpha_lr": 3e-4,
        "alpha_weight_decay": 1e-3,
        "batch_size": None,
        "num_workers": 4,
        "init_channels": 16,
        "print_step": 50,
        "num_nodes": 4,
        "stem_multiplier": 3,
    }


def test_trials_change_nothing() -> None:
    message = network("darts", 3, CELL)
    (point,) = points_of(suggest(ask_for(message)))
    trials = [trial("a", point, "Genotype(normal=[])"), trial("b", point)]
    assert points_of(suggest(ask_for(message, 1, 3, trials))) == [point]


@pytest.mark.parametrize(
    ("operations", "settings", "rule"),
    [
        ({"a": ()}, {}, "operation 'a': must have one parameter, .*, got none"),
        ({"a": (integer("n", "1", "2"), integer("m", "1", "2"))}, {}, "got 'n', 'm'"),
        (CELL, {"w_lr": "-1"}, "'w_lr' must be at least 0"),
        (CELL, {"num_epochs": "0"}, "'num_epochs' must be at least 1"),
        (CELL, {"w_ler": "1"}, "did you mean 'w_lr'?"),
    ],
)
def test_what_it_cannot_hand_on_is_refused(
    operations: dict[str, tuple[object, ...]], settings: dict[str, str], rule: str
) -> None:
    with pytest.raises(Invalid, match=rule.replace("?", r"\?")):
        validate(network("darts", 3, operations, settings.items()))  # type: ignore[arg-type]

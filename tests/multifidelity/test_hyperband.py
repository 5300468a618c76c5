"""Hyperband and ASHA played by a controller, against a straightforward synchronous Hyperband."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import pytest

from .controller import Controller, Trial, experiment

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


def outcome(trial: Trial, failing: float = 0.1) -> float | None:
    """Falls with the epochs towards a value of the configuration; one in ten trials fails."""
    others = sorted((k, v) for k, v in trial.texts.items() if k != "epochs")
    epochs = trial.number("epochs")
    if noise("fails", others, epochs) < failing:
        return None
    return noise("loss", others) + noise("slope", others) / epochs


Evaluation = tuple[tuple[tuple[str, str], ...], float]


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

    def round(self, starters: dict[int, list[Evaluation]], losses: dict) -> dict[int, set]:
        """Evaluations that each bracket makes of its `starters`."""
        made: dict[int, set] = {}
        for s in range(self.s_max, -1, -1):
            alive = [config for config, _ in starters[s]]
            made[s] = set()
            for size, resource in self.bracket(s):
                alive = alive[:size]
                made[s] |= {(config, resource) for config in alive}
                known = [c for c in alive if losses.get((c, resource)) is not None]
                alive = sorted(known, key=lambda c, r=resource: losses[c, r])
        return made

    def bound(self) -> float:
        """Resource of one round: (s_max+1) R a bracket, and what rounding n up adds."""
        return sum(
            (self.s_max + 1) * self.r_l + sum(r / self.eta**i for i, (_, r) in enumerate(rungs))
            for rungs in map(self.bracket, range(self.s_max + 1))
        )


def two_rounds_done(controller: Controller, reference: Synchronous) -> bool:
    top = sum(1 for t in controller.trials if t.done and t.number("epochs") == reference.r_l)
    return top >= 2 * sum(reference.bracket(s)[-1][0] for s in range(reference.s_max + 1)) - 2


@pytest.mark.parametrize(("r_l", "parallel"), [(27, 1), (27, 3), (27, 9), (27, 50), (81, 9)])
def test_two_rounds_equal_the_synchronous_algorithm(r_l: int, parallel: int) -> None:
    reference = Synchronous(r_l, 3)
    space = (*SPACE[:3], {**SPACE[3], "max": str(r_l)})
    message = experiment(
        "hyperband", space, {"r_l": r_l, "resource_name": "epochs", "eta": 3}, parallel=parallel
    )
    controller = Controller(message, outcome, parallel=parallel, seed=parallel)
    sizes = {s: reference.bracket(s)[0][0] for s in range(reference.s_max + 1)}
    per_round = sum(n for s in sizes for n, _ in reference.bracket(s))

    def rounds() -> list[dict[int, set]]:
        """What the synchronous algorithm evaluates in two rounds of the configurations given."""
        seen: dict[tuple, float] = {}
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

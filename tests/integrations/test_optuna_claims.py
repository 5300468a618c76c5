"""Workers of one storage, in every order in which the storage may see their steps."""

from __future__ import annotations

import contextlib
import itertools
import queue
import random
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the extra 'optuna' is not installed")

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution

from suggestion.integrations.optuna import SuggestionSampler, claims, sampler
from suggestion.integrations.optuna.claims import Claim, Decision
from suggestion.tuning.solvers import Suggested, open_solver
from tests.support.servers import ServerProcess

CHOICES = {"a": (1, 2), "b": (1, 2, 3)}
SPACE: dict[str, BaseDistribution] = {
    name: CategoricalDistribution(values) for name, values in CHOICES.items()
}
#: A worker that meets nobody reads and writes the storage so often: before it knows of the others,
#: and for its point (read, claim, read, confirm).
BEFORE = 3
STEPS = 4


class First:
    """A solver that always suggests the first points that nobody has: whoever asks at once clashes.

    Where nothing is left, it suggests what others have.
    """

    def __init__(self, *arguments: object) -> None:
        self.taken: list[Mapping[str, str]] = []

    def suggest(self, count: int, first_index: int | None = None) -> list[Suggested]:
        points = [{"a": str(a), "b": str(b)} for a in (1, 2) for b in (1, 2, 3)]
        free = [point for point in points if point not in self.taken]
        return [Suggested(point) for point in (free or points)[:count]]

    def start(self, number: int, name: str, texts: Mapping[str, str]) -> None:
        self.taken.append(texts)

    def validate(self) -> None:
        pass

    def finish(self, number: int, value: float | None) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def clash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "open_solver", First)
    monkeypatch.setattr(sampler, "_PAUSE", 0)


class Over(BaseException):
    """Ends a worker that has not taken all of its steps."""


class Turns(optuna.storages.InMemoryStorage):
    """A storage whose workers, threads, take each step when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: dict[str, threading.Semaphore] = {}
        self.waiting: queue.Queue[str] = queue.Queue()
        self.over = False

    def wait(self) -> None:
        name = threading.current_thread().name
        if name in self.turns:
            self.waiting.put(name)
            assert self.turns[name].acquire(timeout=60)
            if self.over:
                raise Over

    def create_new_trial(self, *arguments: Any, **more: Any) -> int:
        self.wait()
        return super().create_new_trial(*arguments, **more)

    def get_all_trials(self, *arguments: Any, **more: Any) -> Any:
        self.wait()
        return super().get_all_trials(*arguments, **more)

    def set_trial_system_attr(self, *arguments: Any, **more: Any) -> None:
        self.wait()
        super().set_trial_system_attr(*arguments, **more)


def play(order: Iterable[int], workers: int, dies: int | None = None) -> list[tuple[object, ...]]:
    """Return the points of workers that take their steps in an order; then each in its turn.

    Args:
        dies: A worker that takes no step any more once the order is done.
    """
    storage = Turns()
    optuna.create_study(study_name="turns", storage=storage)
    points: dict[str, tuple[object, ...]] = {}

    def work() -> None:
        name = threading.current_thread().name
        own = SuggestionSampler("random", space=SPACE)
        study = optuna.load_study(study_name="turns", storage=storage, sampler=own)
        trial = study.ask()
        own_point = [trial.suggest_categorical(key, CHOICES[key]) for key in SPACE]
        points[name] = tuple(own_point)
        del storage.turns[name]
        storage.waiting.put(name)

    def until_over() -> None:
        with contextlib.suppress(Over):
            work()

    threads = [
        threading.Thread(target=until_over, name=f"{n}", daemon=True) for n in range(workers)
    ]
    storage.turns = {thread.name: threading.Semaphore(0) for thread in threads}
    for thread in threads:
        thread.start()
        storage.waiting.get(timeout=60)

    def step(worker: int) -> None:
        turn = storage.turns.get(f"{worker}")
        if turn is not None:
            turn.release()
            storage.waiting.get(timeout=60)

    for worker in [w for w in range(workers) for _ in range(BEFORE)]:
        step(worker)
    for worker in order:
        step(worker)
    for worker in itertools.cycle(w for w in range(workers) if w != dies):
        step(worker)
        if len(points) == workers - (dies is not None):
            break
    storage.over = True
    for turn in storage.turns.values():
        turn.release()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return list(points.values())


def orders(workers: int, steps: int) -> Sequence[tuple[int, ...]]:
    """Every order in which two workers may take their steps; of more workers, some."""
    if workers == 2:
        places = itertools.combinations(range(2 * steps), steps)
        return [tuple(int(n in own) for n in range(2 * steps)) for own in map(set, places)]
    generator = random.Random(1)
    return [tuple(generator.choices(range(workers), k=workers * steps)) for _ in range(40)]


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_get_distinct_points_in_whatever_order_they_write(workers: int) -> None:
    for order in orders(workers, STEPS):
        points = play(order, workers)
        assert len(set(points)) == workers, order


def test_a_worker_that_died_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "_LONGEST_WAIT", 0.05)
    # Both have read, and claimed the same point; the second one dies.
    assert play([0, 1, 1, 0], 2, dies=1) == [(1, 2)]


def test_what_is_taken_is_given_where_nothing_is_left() -> None:
    points = play([], 7)
    assert len(points) == 7
    assert len(set(points)) == 6


def test_a_trial_that_has_ended_in_the_meantime_counts() -> None:
    own = SuggestionSampler("random", space=SPACE)
    study = optuna.create_study(study_name="ended", sampler=own)
    asked = study.ask(SPACE)
    replay = own._replay
    assert replay is not None
    study.tell(asked, 1.0)
    assert replay.claims(study.trials) == [Claim(0, {"a": "1", "b": "1"}, True)]
    replay.suggest(study.trials)
    assert replay.claims(study.trials) == []


@pytest.mark.parametrize("remote", [False, True])
def test_trials_that_ask_out_of_order_leave_out_no_point(
    remote: bool, server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "open_solver", open_solver)
    target = server.address if remote else None
    study = optuna.create_study(sampler=SuggestionSampler("sobol", space=SPACE, target=target))
    trials = [study.ask() for _ in range(6)]
    points = []
    for number in (5, 0, 1, 4, 3, 2):
        trial = trials[number]
        points.append([trial.suggest_categorical(key, CHOICES[key]) for key in SPACE])
        study.tell(trial, 1.0)
    assert len({*map(tuple, points)}) == 6


@pytest.mark.parametrize(
    ("rivals", "decision"),
    [
        ([], Decision.CONFIRM),
        ([(3, "other", False), (7, "other", True)], Decision.CONFIRM),
        ([(7, "own", False)], Decision.WAIT),
        ([(3, "own", False)], Decision.GIVE_WAY),
        ([(7, "own", True)], Decision.GIVE_WAY),
        ([(7, "own", False), (9, "own", True)], Decision.GIVE_WAY),
    ],
)
def test_what_a_worker_does(rivals: list[tuple[int, str, bool]], decision: Decision) -> None:
    others = [Claim(number, {"x": text}, confirmed) for number, text, confirmed in rivals]
    assert claims.decide(5, {"x": "own"}, others) is decision

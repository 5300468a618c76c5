"""Population based training played by a controller whose trials keep real checkpoints."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.algorithms.pbt import checkpoints, names
from suggestion.algorithms.pbt.algorithm import perturbed
from suggestion.algorithms.pbt.names import Place
from suggestion.problem.errors import Cancelled, Invalid, Unready, quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.priors import Distribution

from .controller import Controller, Trial, ask, experiment, validate

SPACE = (
    {"name": "lr", "type": "double", "min": "0.0001", "max": "0.1"},
    {"name": "batch", "type": "int", "min": "1", "max": "512"},
    {"name": "momentum", "type": "discrete", "list": ["0.9", "0", "0.5"]},
    {"name": "optimizer", "type": "categorical", "list": ["sgd", "adam", "ftrl"]},
)
LABEL = "pbt.suggestion.katib.kubeflow.org/"
GENERATION = LABEL + "generation"
NAME = re.compile(r"digits-g(\d{3})-m(\d{2})-(\d{4})(-p\d{4})?")


def matched(name: str) -> re.Match[str]:
    """The parts of a trial's name."""
    found = NAME.fullmatch(name)
    assert found is not None, name
    return found


def noise(*parts: object) -> float:
    """A number in [0, 1) that is the same for the same parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


class Program:
    """What a trial does: go on from the checkpoint in its folder, and leave one there."""

    def __init__(self, data: Path, failing: float = 0.1) -> None:
        self.folder = data / "digits"
        self.folder.mkdir(exist_ok=True)
        self._failing = failing

    def __call__(self, trial: Trial) -> float | None:
        folder = self.folder / trial.name
        file = folder / "weights" / "history.txt"
        history = file.read_text().splitlines() if file.exists() else []
        generation = int(trial.labels[LABEL + "generation"])
        assert len(history) == generation, "a generation is missing from the checkpoint"
        parent = trial.labels.get(LABEL + "parent")
        assert history[-1:] == ([parent] if parent else [])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*history, trial.name]))
        if noise("fails", trial.name) < self._failing:
            return None
        return noise("loss", trial.name) + abs(trial.number("lr") - 0.01)


def settings(data: Path, **others: object) -> dict[str, object]:
    return {
        "suggestion_trial_dir": data,
        "n_population": 5,
        "truncation_threshold": 0.4,
        **others,
    }


def generations(controller: Controller) -> dict[int, dict[int, list[Trial]]]:
    found: dict[int, dict[int, list[Trial]]] = defaultdict(lambda: defaultdict(list))
    for trial in controller.trials:
        match = NAME.fullmatch(trial.name)
        assert match
        generation, member, index = map(int, match.groups()[:3])
        assert index == trial.index
        found[generation][member].append(trial)
    return found


@pytest.mark.parametrize("parallel", [1, 3, 9, pytest.param(50, marks=pytest.mark.long)])
def test_ten_generations(parallel: int, tmp_path: Path) -> None:
    message = experiment("pbt", SPACE, settings(tmp_path), name="digits", parallel=parallel)
    program = Program(tmp_path)
    controller = Controller(message, program, parallel=parallel, seed=parallel)
    controller.run(
        lambda: any(t.labels[GENERATION] == "10" for t in controller.trials[-1:]),
        limit=1500,
    )
    found = generations(controller)
    assert sorted(found) == list(range(11))
    for generation in range(1, 11):
        finished = [t for trials in found[generation - 1].values() for t in trials]
        losses = {t.name: t.outcome for t in finished if t.done and t.outcome is not None}
        member_of = {name: int(matched(name)[2]) for name in losses}
        assert set(member_of.values()) == set(range(5))
        copied = []
        for member, trials in found[generation].items():
            (parent,) = {t.labels[LABEL + "parent"] for t in trials}  # the same for all of them
            if member_of[parent] != member:
                copied.append(member_of[parent])
                (original,) = (t for t in finished if t.name == parent)
                assert trials[0].texts == original.texts
                assert all(t.texts != original.texts for t in trials[1:])
        if generation < 10:
            assert len(found[generation]) == 5
            assert 1 <= len(copied) <= 4
        if parallel == 1:  # then a generation is complete before the next one begins
            ranked = [member_of[name] for name in sorted(losses, key=lambda name: losses[name])]
            assert set(copied) <= set(ranked[:2])
            assert len(copied) == len(set(copied))
            for member in ranked[:3]:
                for trial in found[generation].get(member, []):
                    assert member_of[trial.labels[LABEL + "parent"]] == member
    if parallel == 1:  # then nobody stands by: further trials are for failed members alone
        failed = sum(1 for t in controller.trials if t.outcome is None)
        assert len(controller.trials) == 50 + failed + 1


def test_explored_values_are_those_of_the_parent_times_a_factor(tmp_path: Path) -> None:
    message = experiment("pbt", SPACE, settings(tmp_path), name="digits", parallel=5)
    controller = Controller(message, Program(tmp_path, failing=0), parallel=5, seed=1)
    controller.run(lambda: len(controller.trials) >= 40, limit=50)
    by_name = {t.name: t for t in controller.trials}
    moved = defaultdict(set)
    for trial in controller.trials:
        parent = by_name.get(trial.labels.get(LABEL + "parent", ""))
        if parent is None or parent.texts == trial.texts:
            continue
        moved["lr"].add(round(trial.number("lr") / parent.number("lr"), 6))
        batch = parent.number("batch")
        assert trial.texts["batch"].isdigit()
        near = [round(batch * 0.8), round(batch * 1.2), 512]
        assert trial.number("batch") in [*near, batch - 1, batch + 1]
        for key, order in (("momentum", ["0", "0.5", "0.9"]), ("optimizer", SPACE[3]["list"])):
            assert abs(order.index(trial.texts[key]) - order.index(parent.texts[key])) <= 1
    assert {0.8, 1.2} <= moved["lr"]


def test_resampling_draws_anew(tmp_path: Path) -> None:
    given_settings = settings(tmp_path, resample_probability=1)
    message = experiment("pbt", SPACE, given_settings, name="digits", parallel=5)
    controller = Controller(message, Program(tmp_path, failing=0), parallel=5, seed=1)
    controller.run(lambda: len(controller.trials) >= 40, limit=50)
    by_name = {t.name: t for t in controller.trials}
    ratios = [
        t.number("lr") / by_name[t.labels[LABEL + "parent"]].number("lr")
        for t in controller.trials
        if LABEL + "parent" in t.labels
    ]
    explored = [ratio for ratio in ratios if ratio != 1]
    assert sum(0.79 < ratio < 1.21 for ratio in explored) < len(explored) / 2


def test_a_repeated_request_is_answered_alike_and_copies_once(tmp_path: Path) -> None:
    message = experiment("pbt", SPACE, settings(tmp_path), name="digits", parallel=5)
    controller = Controller(message, Program(tmp_path, failing=0), parallel=5, seed=1)
    while not any(t.labels[LABEL + "generation"] == "1" for t in controller.trials):
        trials = controller.visible()
        controller.step()
    newest = controller.trials[-1]
    checkpoint = tmp_path / "digits" / newest.name / "weights" / "history.txt"
    assert checkpoint.read_text().endswith(newest.name)  # the trial has gone on from the copy
    again = ask(message, trials, 1, len(controller.trials))
    assert [s.trial_name for s in again] == [newest.name]
    assert {a.name: a.value for a in again[0].assignments} == newest.texts
    assert checkpoint.read_text().endswith(newest.name)


def test_requests_in_flight_get_different_members(tmp_path: Path) -> None:
    message = experiment("pbt", SPACE, settings(tmp_path), name="digits", parallel=5)
    replies = [ask(message, [], 2, 2), ask(message, [], 2, 4), ask(message, [], 1, 5)]
    given_names = [s.trial_name for reply in replies for s in reply]
    assert [name[:-5] for name in given_names] == [f"digits-g000-m{m:02d}" for m in range(5)]


def test_every_value_of_a_tiny_space(tmp_path: Path) -> None:
    space = ({"name": "flag", "type": "categorical", "list": ["on", "off"]},)
    message = experiment("pbt", space, settings(tmp_path), name="digits", parallel=5)
    controller = Controller(message, lambda t: noise(t.name), parallel=5, seed=1)
    controller.run(lambda: len(controller.trials) >= 30, limit=40)
    assert {t.texts["flag"] for t in controller.trials} == {"on", "off"}


def test_an_edited_space_is_honoured(tmp_path: Path) -> None:
    message = experiment("pbt", SPACE, settings(tmp_path), name="digits", parallel=3)
    controller = Controller(message, lambda t: noise(t.name), parallel=3, seed=1)
    controller.run(lambda: len(controller.trials) >= 22, limit=30)
    narrower = (
        {**SPACE[0], "max": "0.02"},
        {"name": "batch", "type": "int", "min": "1", "max": "512", "step": "7"},
        *SPACE[2:],
    )
    controller.edit(experiment("pbt", narrower, settings(tmp_path), name="digits"))
    controller.run(lambda: len(controller.trials) >= 60, limit=70)  # the service checks each one
    assert max(generations(controller)) >= 6


# --------------------------------------------------------------------------- values


numbers = st.integers(-1000, 1000)


@given(low=numbers, high=numbers, step=st.integers(1, 50), up=st.booleans(), data=st.data())
def test_perturbed_numbers_stay_on_the_lattice(
    low: int, high: int, step: int, up: bool, data: st.DataObject
) -> None:
    low, high = min(low, high), max(low, high)
    step = max(1, min(step, high - low))
    kind = data.draw(st.sampled_from([Int, Double]))
    parameter = kind("x", low, high, step)
    levels = parameter.levels
    assert levels is not None
    level = data.draw(st.integers(0, levels - 1))
    value = float(parameter.value(level))
    moved = perturbed(parameter, value, up, np.random.default_rng(0))
    assert moved in parameter
    assert not isinstance(moved, str)
    towards = (1 if up else -1) * (1 if value >= 0 else -1)
    if 0 <= level + towards < levels:
        assert (moved - value) * towards > 0, "it moves by one step at least"
    else:
        assert moved == value
    assert abs(moved - value) <= max(0.2 * abs(value) + step / 2, step)


@pytest.mark.parametrize("low", [1e-9, -3.0, 0.0])
def test_perturbed_doubles(low: float) -> None:
    parameter = Double("x", low, 2.0)
    rng = np.random.default_rng(0)
    assert perturbed(parameter, 1.0, True, rng) == 1.2
    assert perturbed(parameter, 1.0, False, rng) == 0.8
    assert perturbed(parameter, 1.9, True, rng) == 2.0
    assert perturbed(parameter, low, False, rng) in parameter
    log = Double("x", 1e-9, 2.0, distribution=Distribution.LOG_UNIFORM)
    assert perturbed(log, 1e-9, False, rng) == 1e-9


def test_lists_do_not_wrap_round() -> None:
    rng = np.random.default_rng(0)
    discrete = Discrete("x", ("10", "1", "5"))
    assert [perturbed(discrete, value, True, rng) for value in (1.0, 5.0, 10.0)] == [5, 10, 10]
    assert [perturbed(discrete, value, False, rng) for value in (1.0, 5.0, 10.0)] == [1, 1, 5]
    listed = Categorical("x", ("c", "a", "b"))
    assert [perturbed(listed, value, True, rng) for value in "cab"] == ["a", "b", "b"]


# ---------------------------------------------------------------------------- names


@given(
    st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True),
    st.integers(0, 10**6),
    st.integers(0, 10**4),
    st.integers(0, 10**7),
    st.none() | st.integers(0, 10**7),
)
def test_names_are_labels_that_come_back(
    name: str, generation: int, member: int, index: int, parent: int | None
) -> None:
    place = Place(generation, member, index, parent)
    trial = names.name(name, place)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", trial)
    assert names.place(name, trial) == place
    assert names.place(name + "x", trial) is None


def test_long_experiments_that_begin_alike_have_different_trials() -> None:
    one, other = ("a" * 62 + end for end in "xy")
    assert names.name(one, Place(3, 7, 42)) != names.name(other, Place(3, 7, 42))
    assert names.name("digits", Place(0, 7, 7)) == "digits-g000-m07-0007"
    assert names.name("digits", Place(3, 7, 42, 31)) == "digits-g003-m07-0042-p0031"


@pytest.mark.parametrize(
    "trial", ["", "digits", "digits-g1-m2-3", "digits-g001-m02-00003", "x-digits-g001-m02-0003"]
)
def test_names_of_others_are_not_read(trial: str) -> None:
    assert names.place("digits", trial) is None


# ---------------------------------------------------------------------- checkpoints


def nothing() -> None:
    """A caller who waits for ever."""


def parent(data: Path, name: str = "parent") -> Path:
    folder = data / "digits" / name
    (folder / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a" * 5000)
    (folder / "deep" / "b.bin").write_bytes(b"b" * 5000)
    (folder / "latest").symlink_to("deep/b.bin")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_copy_has_everything_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    (folder / "a.bin").chmod(0o640)
    checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    child = tmp_path / "digits" / "child"
    assert content(child) == content(folder)
    assert (child / "latest").is_symlink()
    assert (child / "a.bin").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path / "digits")) == ["child", "parent"]


def test_a_copy_that_is_there_is_left_alone(tmp_path: Path) -> None:
    parent(tmp_path)
    child = tmp_path / "digits" / "child"
    child.mkdir()
    (child / "mine").write_text("later")
    checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    assert content(child) == {"mine": b"later"}


def test_a_parent_without_a_folder_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        checkpoints.hand_down(tmp_path / "absent", "digits", "parent", "child", nothing)
    assert "child starts from the beginning" in caplog.text
    assert os.listdir(tmp_path) == []


def test_a_copy_cut_short_is_taken_up_where_it_ended(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    child = tmp_path / "digits" / "child"
    for pieces in range(1, 20):
        left = iter(range(pieces))

        def check(left: object = left) -> None:
            if next(left, None) is None:  # type: ignore[call-overload]
                raise Cancelled

        try:
            checkpoints.hand_down(tmp_path, "digits", "parent", "child", check)
        except Cancelled:
            assert not child.exists()
            continue
        break
    assert pieces > 3
    assert content(child) == content(folder)
    assert sorted(os.listdir(tmp_path / "digits")) == ["child", "parent"]


def at_a_time(*copies: Callable[[], None]) -> None:
    """Runs `copies` in threads that begin together, and raises what any of them raises."""
    failures: list[BaseException] = []
    begin = threading.Barrier(len(copies))

    def run(copy: Callable[[], None]) -> None:
        begin.wait()
        try:
            copy()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(copy,)) for copy in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_same_copy_several_times_at_a_time(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    for number in range(200):
        (folder / f"{number}.bin").write_bytes(b"x" * number)
        (folder / f"{number}.link").symlink_to(f"{number}.bin")
        (folder / "deep" / f"{number}").mkdir()

    def copy() -> None:
        checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)

    at_a_time(copy, copy, copy, copy)
    child = tmp_path / "digits" / "child"
    assert content(child) == content(folder)
    assert sorted(child.rglob("*")) == sorted(
        child / path.relative_to(folder) for path in folder.rglob("*")
    )
    assert sorted(os.listdir(tmp_path / "digits")) == ["child", "parent"]


def test_the_same_copy_within_every_moment_of_another(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    moments = 0

    def count() -> None:
        nonlocal moments
        moments += 1

    checkpoints.hand_down(tmp_path, "digits", "parent", "first", count)
    assert moments > 3
    for moment in range(moments):
        child = tmp_path / "digits" / f"child-{moment}"
        left = iter(range(moment))

        def overtake(child: Path = child, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                checkpoints.hand_down(tmp_path, "digits", "parent", child.name, nothing)

        checkpoints.hand_down(tmp_path, "digits", "parent", child.name, overtake)
        assert content(child) == content(folder)
    assert not [name for name in os.listdir(tmp_path / "digits") if name.startswith(".")]


def test_copies_of_other_children_at_a_time(tmp_path: Path) -> None:
    folder = parent(tmp_path)

    def copies(thread: int) -> Callable[[], None]:
        def run() -> None:
            for number in range(50):
                child = f"child-{thread}-{number}"
                checkpoints.hand_down(tmp_path, "digits", "parent", child, nothing)
                assert content(tmp_path / "digits" / child) == content(folder)

        return run

    at_a_time(*map(copies, range(4)))
    assert len(os.listdir(tmp_path / "digits")) == 201


def test_a_copy_killed_at_any_moment_leaves_nothing_behind_once_done(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    program = (
        "import os, pathlib, signal, sys\n"
        "from suggestion.algorithms.pbt import checkpoints\n"
        "left = iter(range(int(sys.argv[2])))\n"
        "def kill():\n"
        "    if next(left, None) is None:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "checkpoints.hand_down(pathlib.Path(sys.argv[1]), 'digits', 'parent', 'child', kill)\n"
    )
    for moment in (1, 2, 4):
        arguments = [sys.executable, "-c", program, str(tmp_path), str(moment)]
        run = subprocess.run(arguments, check=False)
        assert run.returncode == -signal.SIGKILL
        assert not (tmp_path / "digits" / "child").exists()
    checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    assert content(tmp_path / "digits" / "child") == content(folder)
    assert sorted(os.listdir(tmp_path / "digits")) == ["child", "parent"]


def test_the_longest_names(tmp_path: Path) -> None:
    folder = parent(tmp_path, "p" * 253)
    checkpoints.hand_down(tmp_path, "digits", folder.name, "c" * 253, nothing)
    assert content(tmp_path / "digits" / ("c" * 253)) == content(folder)


@pytest.mark.parametrize(
    "link", ["digits", "digits/parent", "aside", "aside/complete", "aside/complete/deep"]
)
def test_nothing_is_read_or_written_outside(link: str, tmp_path: Path) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    data.mkdir()
    parent(outside)
    if link == "digits":
        (data / "digits").symlink_to(outside / "digits")
    elif link == "digits/parent":
        (data / "digits").mkdir()
        (data / "digits" / "parent").symlink_to(outside / "digits" / "parent")
    else:
        parent(data)
        aside = checkpoints.aside(data / "digits", "parent", "child")
        place = aside / Path(link).relative_to("aside")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside / "digits")
    before = content(outside)
    with pytest.raises(Unready, match="must not be a link out of the data directory"):
        checkpoints.hand_down(data, "digits", "parent", "child", nothing)
    assert content(outside) == before
    assert not (data / "digits" / "child").exists()


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/etc", "a\\b", ".incoming"])
def test_an_experiment_must_be_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="must be a valid folder name for algorithm 'pbt'"):
        validate(experiment("pbt", SPACE, settings(tmp_path), name=name))


def test_a_full_disk_is_said_clearly(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    (folder / "deep" / "large.bin").write_bytes(bytes(2**20))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, hard))  # no file may grow larger
    try:
        with pytest.raises(Unready, match=r"^checkpoint of 'parent': cannot be copied to .*large"):
            checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "digits" / "child").exists()
    checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    assert content(tmp_path / "digits" / "child") == content(folder)


def test_a_read_only_volume_is_said_clearly() -> None:
    """The file system of processes takes no new folders, not even from root."""
    with pytest.raises(Unready, match=r"^checkpoint of 'attr': cannot be copied to '/proc/self/c'"):
        checkpoints.hand_down(Path("/proc"), "self", "attr", "c", nothing)


def test_the_environment_decides_where_the_server_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checkpoints.root("/opt/katib/data") == Path("/opt/katib/data")
    monkeypatch.setenv("SUGGEST_DATA_DIR", str(tmp_path))
    assert checkpoints.root("/opt/katib/data") == tmp_path


def test_every_trial_finds_a_folder_that_anybody_may_write(tmp_path: Path) -> None:
    """In a cluster a missing one is made by the node, for root, and programs are other users."""
    old = os.umask(0o077)
    try:
        reply = ask(experiment("pbt", SPACE, settings(tmp_path), name="digits"), [], 3, 3)
    finally:
        os.umask(old)
    for suggestion in reply:
        folder = tmp_path / "digits" / suggestion.trial_name
        assert folder.stat().st_mode & 0o777 == 0o777
        assert os.listdir(folder) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_a_copy_of_what_another_user_wrote_can_be_continued(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    for path in (folder / "deep", folder / "a.bin", folder / "deep" / "b.bin"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(path, 12345, 12345)
    checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    child = tmp_path / "digits" / "child"
    assert child.stat().st_mode & 0o777 == 0o777
    assert (child / "deep").stat().st_mode & 0o777 == 0o777
    assert (child / "a.bin").stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize("swapped", ["z.bin", "deep"])
def test_a_trial_that_swaps_its_files_for_links_while_they_are_copied(
    swapped: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.bin").write_bytes(b"secret of the server")
    for moment in range(12):
        data = tmp_path / f"data-{moment}"
        folder = parent(data)
        (folder / "z.bin").write_bytes(b"z")
        left = iter(range(moment))

        def swap(folder: Path = folder, left: Iterator[int] = left) -> None:
            place = folder / swapped
            if next(left, None) is None and not place.is_symlink():
                place.rename(folder.parent / "aside")
                place.symlink_to(outside / "b.bin" if swapped == "z.bin" else outside)

        with suppress(Unready):
            checkpoints.hand_down(data, "digits", "parent", "child", swap)
        for path in (data / "digits").rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert path.read_bytes() != b"secret of the server"


def test_a_pipe_in_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = parent(tmp_path)
    exists = checkpoints._exists

    def swap(name: str, at: int) -> bool:
        if name == "a.bin" and not stat.S_ISFIFO((folder / name).stat().st_mode):
            (folder / name).unlink()
            os.mkfifo(folder / name)
        return exists(name, at)

    monkeypatch.setattr(checkpoints, "_exists", swap)
    checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)
    assert not (tmp_path / "digits" / "child" / "a.bin").exists()


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    deep = parent(tmp_path)
    for _ in range(100):
        deep = deep / "d"
        deep.mkdir()
    with pytest.raises(Unready, match="is over 64 folders deep"):
        checkpoints.hand_down(tmp_path, "digits", "parent", "child", nothing)


@pytest.mark.parametrize("place", ["/proc/checkpoints", "/dev/null/checkpoints", "file"])
def test_a_folder_that_cannot_be_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    data = tmp_path / place
    with pytest.raises(Invalid) as caught:
        validate(experiment("pbt", SPACE, settings(data), name="digits"))
    assert str(caught.value).startswith(
        "setting 'suggestion_trial_dir' must be a folder that this server can write, got "
        f"{quote(str(data / 'digits'))}: "
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Invalid, match="Permission denied"):
        validate(experiment("pbt", SPACE, settings(tmp_path), name="digits"))


def test_validation_leaves_an_empty_folder(tmp_path: Path) -> None:
    validate(experiment("pbt", SPACE, settings(tmp_path), name="digits"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "digits"]


# ------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"n_population": 4}, "setting 'n_population' must be at least 5, got 4"),
        ({"truncation_threshold": 1.5}, "setting 'truncation_threshold' must be at most 1"),
        ({"resample_probability": -0.1}, "setting 'resample_probability' must be at least 0"),
        ({"suggestion_trial_dir": " "}, "setting 'suggestion_trial_dir' must not be empty"),
    ],
)
def test_refused(changed: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=re.escape(text)):
        validate(experiment("pbt", SPACE, {**settings(tmp_path), **changed}))


def test_required(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        validate(experiment("pbt", SPACE, {}))
    for name in ("suggestion_trial_dir", "n_population", "truncation_threshold"):
        assert f"setting '{name}' is required by algorithm 'pbt'" in str(caught.value)


def test_a_threshold_above_a_half_means_a_half(tmp_path: Path) -> None:
    trials = []
    for member in range(6):
        texts = {"lr": repr(0.01 + member / 100), "batch": "8", "momentum": "0"}
        place = Place(0, member, member)
        trial = Trial(names.name("digits", place), member, {**texts, "optimizer": "sgd"}, {}, 0.0)
        trial.outcome, trial.done = float(member), True
        trials.append(trial.as_message())

    def parents(threshold: float) -> list[str]:
        given_settings = settings(tmp_path, n_population=6, truncation_threshold=threshold)
        message = experiment("pbt", SPACE, given_settings, name="digits")
        return [s.labels[LABEL + "parent"] for s in ask(message, trials, 6, 12)]

    assert parents(1) == parents(0.5)
    assert [name[-7:-5] for name in parents(0)] == ["00", "01", "02", "03", "04", "05"]
    assert [name[-7:-5] for name in parents(0.5)][:3] == ["00", "01", "02"]
    assert {name[-7:-5] for name in parents(0.5)[3:]} == {"00", "01", "02"}

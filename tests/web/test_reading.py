"""What the page is told of an experiment: everything once, then each change."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from suggestion.controller.commands import Batch, Changes
from suggestion.controller.driver import Controller
from suggestion.controller.events import Exited, Launched
from suggestion.controller.moments import Moment
from suggestion.controller.observation import Report, Series
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Condition
from suggestion.views.directory import changed_at
from suggestion.views.web import document, reading
from suggestion.views.web.catalog import Catalog
from suggestion.views.web.importance import importance
from tests.experiments.support import Machine, Recorder
from tests.experiments.support import document as experiment_file
from tests.web import support


def after(known: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """What the page makes of changes, as frontend/src/study.ts does."""
    trials = {trial["number"]: trial for trial in [*known["trials"], *changes["trials"]]}
    curves = {**known["curves"], **changes["curves"]}
    curves = {number: curve for number, curve in curves.items() if curve}
    return {**known, **changes, "trials": [trials[n] for n in sorted(trials)], "curves": curves}


def test_the_changes_add_up_to_everything(machine: Machine, tmp_path: Path) -> None:
    readers: list[reading.Reader] = []
    seen: list[dict[str, Any]] = []

    def look(controller: Controller) -> None:
        if not readers:
            readers.append(reading.Reader(tmp_path / "state"))
            seen.append(readers[0].everything())
        if (changes := readers[0].changes()) is not None:
            seen.append(after(seen[-1], changes))

    flag = tmp_path / "flag"
    command = (
        f"mkdir {flag} 2>/dev/null && exit 4; for i in 3 2 1; do echo loss=$i; sleep 0.1; done; "
        "echo loss=${trialParameters.x}"
    )
    machine.run(
        tmp_path, experiment_file(command, maxTrialCount="6"), view=Recorder(on_refresh=look)
    )
    reader = readers[0]
    try:
        last = after(seen[-1], reader.changes() or {"trials": [], "curves": {}})
        assert reader.changes() is None
    finally:
        reader.close()
    fresh = reading.read(tmp_path / "state")
    # The lock is free by now, which the last change may not have told yet.
    for told in (last, fresh):
        told.pop("runs")
    assert last == fresh
    assert len(seen) > 6
    assert any(t["condition"] == "Running" and t["reports"] for s in seen for t in s["trials"])
    assert len(fresh["curves"]["5"]) == 4


def test_what_is_written_without_an_event_is_told_too(tmp_path: Path) -> None:
    """As failed trials are tried again before a session begins."""
    trials = [support.trial(0, 0.5), support.trial(1, None)]
    folder = support.store(tmp_path / "one", support.experiment(), trials)
    reader, writer = reading.Reader(folder), Store(folder, create=True)
    try:
        assert reader.changes() is None
        writer.commit(Changes(trials=(trials[1].again("tried again", 0, 0),)))
        changes = reader.changes()
        assert changes is not None
        assert [(t["number"], t["attempt"]) for t in changes["trials"]] == [(1, 2)]
        running = support.trial(
            1, 0.25, attempt=2, condition=Condition.RUNNING, completed="", batch=2
        )
        batches = (Batch(1, 2, [Report("loss", "0.25"), Report("loss", "nan")]),)
        writer.commit(Changes(trials=(running,), batches=batches))
        changes = reader.changes()
        assert changes is not None
        assert changes["curves"] == {"1": [(1, 0.25)]}
        writer.commit(Changes(forgotten=((1, -2),), trials=(running.again("tried again", 1, 0),)))
        changes = reader.changes()
        assert changes is not None
        assert changes["curves"] == {"1": []}
    finally:
        reader.close()
        writer.close()


def test_texts_are_exact_and_a_parameter_may_be_missing(tmp_path: Path) -> None:
    exact = "0.12345678901234567890"
    one = support.trial(0, 0.5, series={"loss": Series(exact, "1", "1", 2)})
    two = replace(support.trial(1, None), assignment={"kind": "b"})
    folder = support.store(tmp_path / "one", support.experiment(), [one, two])
    read = reading.read(folder)
    assert read["trials"][0]["values"] == ["0.01234567", "a"]
    assert read["parameters"][0] == {
        "name": "lr", "type": "double", "list": None, "log": True, "min": 1e-5, "max": 1.0,
        "step": None,
    }  # fmt: skip
    assert read["objective"]["goal"] is None
    assert "maxTrialCount" in read["file"]
    assert read["trials"][0]["metrics"] == [exact]
    assert read["trials"][1]["values"] == [None, "b"]


def test_only_the_latest_curves_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "CURVES", 2)
    folder = support.store(
        tmp_path / "one", support.experiment(), [support.trial(n, 0.5) for n in range(2)]
    )
    reader, writer = reading.Reader(folder), Store(folder, create=True)
    try:
        first = reader.everything()
        batch = Batch(2, 1, [Report("loss", "9.5"), Report("loss", "0.25")])
        writer.commit(Changes(trials=(support.trial(2, 0.25),), batches=(batch,)))
        changes = reader.changes()
        assert changes is not None
        assert changes["curves"] == {"0": [], "2": [(1, 9.5), (2, 0.25)]}
        now = after(first, changes)
        assert (set(now["curves"]), now["curvesLeftOut"]) == ({"1", "2"}, 1)
        assert now == reader.everything()
    finally:
        reader.close()
        writer.close()


def two(folder: Path) -> Path:
    """An experiment with two objectives and a bound; its best trial alone is infeasible."""
    settings = [
        {"name": "objectives", "value": "latency: minimize"},
        {"name": "metric_constraints", "value": "memory <= 8"},
    ]
    objective = {
        "type": "minimize", "objectiveMetricName": "loss",
        "additionalMetricNames": ["latency", "memory"],
    }  # fmt: skip
    algorithm = {"algorithmName": "random", "algorithmSettings": settings}
    values = [
        ("3", "1", "4"),
        ("2", "2", "4"),
        ("1", "3", "8"),
        ("2.5", "2.5", "4"),
        ("0", "0", "9"),
    ]
    trials = []
    for number, texts in enumerate(values):
        named = zip(("loss", "latency", "memory"), texts, strict=True)
        series = {name: Series(text, text, text, 1) for name, text in named}
        trials.append(support.trial(number, 1.0, series=series))
    made = support.experiment("two", objective=objective, algorithm=algorithm)
    return support.store(folder, made, trials, reports=False)


def test_the_trade_off_is_told_with_each_change(tmp_path: Path) -> None:
    folder = two(tmp_path / "two")
    reader, writer = reading.Reader(folder), Store(folder, create=True)
    try:
        first = reader.everything()
        assert (first["best"], first["front"]) == (2, [0, 1, 2])
        assert [trial["feasible"] for trial in first["trials"]] == [True] * 4 + [False]
        series = {name: Series("0.5", "0.5", "0.5", 1) for name in ("loss", "latency", "memory")}
        writer.commit(Changes(trials=(support.trial(5, 1.0, series=series),)))
        changes = reader.changes()
        assert changes is not None
        assert (changes["best"], changes["front"]) == (5, [5])
    finally:
        reader.close()
        writer.close()


def test_experiments_that_repeat_each_other_have_one_digest() -> None:
    def digest(name: str, seed: str, **spec: Any) -> str:
        settings = [{"name": "random_state", "value": seed}, {"name": "gamma", "value": "0.2"}]
        algorithm = {"algorithmName": "tpe", "algorithmSettings": settings}
        made = support.experiment(name, **{"algorithm": algorithm, **spec})
        return document.digest(made.document)

    one = digest("one", "1")
    assert one == digest("two", "2", maxTrialCount="9")
    assert one != digest("one", "1", parallelTrialCount="1")
    assert one != digest("one", "1", trialTemplate={"command": ["other"]})
    assert one != digest("one", "1", algorithm={"algorithmName": "tpe"})


CONDITION = [{"name": "conditions", "value": "lr if kind == 'a'"}]


def test_what_was_suggested_for_an_inactive_parameter_is_no_value(tmp_path: Path) -> None:
    algorithm = {"algorithmName": "random", "algorithmSettings": CONDITION}
    trials = [support.trial(number, float(number)) for number in range(2)]  # of kinds a and b
    folder = support.store(
        tmp_path / "one", support.experiment(algorithm=algorithm), trials, reports=False
    )
    rows = reading.read(folder)["trials"]
    assert [row["values"] for row in rows] == [["0.01234567", "a"], [None, "b"]]


def test_a_thinned_curve_keeps_its_ends_and_its_extremes() -> None:
    values = [random.Random(3).random() for _ in range(5000)]
    values[1234], values[3210] = 9.0, -9.0
    curve = list(enumerate(values, 1))
    thinned = document.thinned(curve)
    assert len(thinned) <= document.POINTS
    assert thinned == sorted(thinned)
    assert {curve[0], curve[-1], (1235, 9.0), (3211, -9.0)} <= set(thinned)
    assert document.thinned(thinned) == thinned


@pytest.mark.parametrize("matters", ["lr", "kind"])
def test_the_parameter_that_matters_is_found(matters: str) -> None:
    pytest.importorskip("sklearn", reason="the extra 'ui' is not installed")
    draw = random.Random(5)
    trials = []
    for number in range(60):
        one = support.trial(number, draw.random())
        lr, kind = float(one.assignment["lr"]), one.assignment["kind"]
        value = str((lr if matters == "lr" else ord(kind)) + 0.01 * draw.random())
        series = {"loss": Series(value, value, value, 1)}
        trials.append(support.trial(number, 1.0, series=series))
    found = importance(support.experiment(), trials)
    means = {entry["name"]: entry["mean"] for entry in found["parameters"]}
    assert max(means, key=lambda name: means[name]) == matters
    assert found["explained"] > 0.6
    assert found["trials"] == 60


def test_noise_is_said_to_be_noise() -> None:
    pytest.importorskip("sklearn", reason="the extra 'ui' is not installed")
    draw = random.Random(6)
    found = importance(
        support.experiment(), [support.trial(number, draw.random()) for number in range(60)]
    )
    assert found["explained"] < 0.2
    assert "at least 10 trials" in importance(support.experiment(), [])["error"]
    alike = [support.trial(number, 0.5) for number in range(20)]
    assert "same value" in importance(support.experiment(), alike)["error"]


def test_what_was_suggested_for_an_inactive_parameter_has_no_importance() -> None:
    pytest.importorskip("sklearn", reason="the extra 'ui' is not installed")
    draw = random.Random(7)
    values = [draw.random() for _ in range(60)]
    trials = [
        replace(support.trial(n, x), assignment={"lr": f"{x:.6f}", "kind": "b"})
        for n, x in enumerate(values)
    ]
    algorithm = {"algorithmName": "random", "algorithmSettings": CONDITION}
    found = importance(support.experiment(algorithm=algorithm), trials)
    assert [entry["mean"] for entry in found["parameters"] if entry["name"] == "lr"] == [0]


def test_trials_with_the_same_value_share_a_rank() -> None:
    pytest.importorskip("sklearn", reason="the extra 'ui' is not installed")
    rng = random.Random(1)
    numbers = [rng.random() for _ in range(200)]
    trials = [
        replace(support.trial(n, float(x > 0.5)), assignment={"lr": f"{x:.6f}", "kind": "a"})
        for n, x in enumerate(numbers)
    ]
    assert importance(support.experiment(), trials)["explained"] > 0.9


def test_the_file_is_told_again_once_limits_are_changed(tmp_path: Path) -> None:
    made = support.experiment()
    folder = support.store(tmp_path / "one", made, [support.trial(0, 0.5)])
    reader, writer = reading.Reader(folder), Store(folder, create=True)
    try:
        spec = {**made.document["spec"], "maxTrialCount": 9}
        changed = replace(
            made,
            document={**made.document, "spec": spec},
            options={"changed": {"maxTrialCount": [4, 9]}},
        )
        writer.save_experiment(changed)
        changes = reader.changes()
        assert changes is not None
        assert "maxTrialCount: 9\n" in changes["file"]
        assert changes["changed"] == [{"field": "maxTrialCount", "file": 4, "now": 9}]
        writer.commit(Changes(trials=(support.trial(1, 0.25),)))
        changes = reader.changes()
        assert changes is not None
        assert "file" not in changes
    finally:
        writer.close()
        reader.close()


def test_who_looks_changes_nothing(tmp_path: Path) -> None:
    """Else the latest experiment were that which was looked at last."""
    folder = support.store(tmp_path / "one", support.experiment(), [support.trial(0, 0.5)])
    os.utime(folder / FILE, (1e9, 1e9))
    reader = reading.Reader(folder)
    try:
        assert changed_at(folder) == 1e9
    finally:
        reader.close()


def test_the_list_reads_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for every two seconds by each browser; a long experiment is read once."""
    made = support.store(
        tmp_path / "one", support.experiment(), [support.trial(n, 0.5) for n in range(3)]
    )
    catalog, writer = Catalog([tmp_path]), Store(made, create=True)
    try:
        (entry,) = catalog.list()
        assert (entry["ended"], entry["best"]) == (3, "0.5")
        monkeypatch.setattr(Store, "trials", lambda _: pytest.fail("all trials are read again"))
        running = support.trial(3, None, condition=Condition.RUNNING, completed="")
        now = Moment(datetime(2026, 11, 27, tzinfo=UTC), 2.0)
        writer.commit(Changes(trials=(running,)), [Launched(now, 3, {})])
        os.utime(made / FILE, (1e9, 3e9))
        (entry,) = catalog.list()
        assert (entry["ended"], entry["running"], entry["best"]) == (3, 1, "0.5")
        better = support.trial(3, 0.25)
        writer.commit(Changes(trials=(better,)), [Exited(now, 3, 0)])
        os.utime(made / FILE, (1e9, 4e9))
        (entry,) = catalog.list()
        assert (entry["ended"], entry["running"], entry["best"]) == (4, 0, "0.25")
    finally:
        writer.close()
    monkeypatch.undo()
    # Another experiment in its place is read from its beginning.
    shutil.rmtree(made)
    support.store(made, support.experiment("two"), [])
    (entry,) = catalog.list()
    assert (entry["name"], entry["ended"], entry["best"]) == ("two", 0, "")

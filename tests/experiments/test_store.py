"""The state file: what is written at once, and files of earlier versions."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from suggestion.controller import schema
from suggestion.controller.commands import Batch, Changes
from suggestion.controller.events import Exited, Launched
from suggestion.controller.experiment import Experiment
from suggestion.controller.moments import Moment
from suggestion.controller.observation import Objective, Report, Series
from suggestion.controller.store import FILE, Store
from suggestion.controller.trials import Condition, Stopping, Trial
from suggestion.runtimes.process import session
from suggestion.runtimes.process.nursery import Nursery
from suggestion.views import status
from tests.experiments.simulation import document
from tests.experiments.support import Machine, Recorder

OLD = Path(__file__).parent.parent / "data" / "state-v1"


def old(folder: Path, kind: str) -> Path:
    """An experiment's directory as version 1 left it, made of what version 1 wrote."""
    (folder / "state").mkdir(parents=True)
    db = sqlite3.connect(folder / "state" / FILE)
    db.executescript((OLD / f"{kind}.sql").read_text())
    db.close()
    return folder / "state"


def test_a_finished_experiment_of_version_1_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    directory = old(tmp_path, "finished")
    before = (directory / FILE).read_bytes()
    experiment, trials = status.load(directory)
    assert experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
    assert {trial.condition for trial in trials} == {Condition.SUCCEEDED}
    assert all(trial.series["loss"].latest == trial.assignment["x"] for trial in trials)
    assert "Current optimal trial" in status.text(experiment, trials)
    store = Store(directory)
    assert [report.metric for report in store.reports(0)] == ["loss", "acc"] * 3
    store.close()
    # A runner of that version may be at work in it.
    assert (directory / FILE).read_bytes() == before


def test_an_interrupted_experiment_of_version_1_goes_on(machine: Machine, tmp_path: Path) -> None:
    """Its two running trials are gone: they run again, and what they reported is forgotten."""
    directory = old(tmp_path, "interrupted")
    made = json.loads((OLD / "interrupted.json").read_text())
    done = {
        trial.number: trial for trial in status.load(directory)[1] if not trial.condition.active
    }
    (tmp_path / "go").touch()
    controller = machine.run(tmp_path, made)
    assert controller.experiment.condition()["reason"] == "ExperimentMaxTrialsReached"
    store = Store(directory)
    trials = store.trials()
    assert [trial.number for trial in trials] == list(range(5))
    assert {trial.condition for trial in trials} == {Condition.SUCCEEDED}
    assert [trial.attempt for trial in trials] == [1, 1, 2, 2, 1]
    assert all(trial.series["loss"].count == 1 for trial in trials)
    assert {number: trials[number] for number in done} == done
    assert store.undelivered() == []
    store.close()


def test_a_running_trial_of_version_1_is_adopted(machine: Machine, tmp_path: Path) -> None:
    directory = old(tmp_path, "interrupted")
    made = json.loads((OLD / "interrupted.json").read_text())
    (tmp_path / "go").touch()
    trial = next(t for t in status.load(directory)[1] if t.condition is Condition.RUNNING)
    folder = directory / "trials" / trial.name
    folder.mkdir(parents=True)
    output = folder / "output-1.log"
    output.write_text(f"loss={trial.assignment['x']}\n")
    nursery = Nursery()
    running = session.start(
        nursery, ["/bin/sh", "-c", "while [ ! -e go-on ]; do sleep 0.05; done; echo loss=0.001"],
        dict(os.environ), folder, output, folder / "status-1",
    )  # fmt: skip
    identity = running.identity
    running.go()
    db = sqlite3.connect(directory / FILE)
    with db:
        db.execute(
            "UPDATE trials SET pid = ?, ticks = ?, boot = ? WHERE number = ?",
            (identity.pid, identity.started, identity.boot, trial.number),
        )
    db.close()

    class Watching(Recorder):
        def note(self, text: str) -> None:
            super().note(text)
            if "adopted" in text:
                (folder / "go-on").touch()

    view = Watching()
    machine.run(tmp_path, made, view=view)
    running.leave()
    nursery.close()
    assert f"{trial.name}: still running, adopted" in view.notes
    adopted = status.load(directory)[1][trial.number]
    assert (adopted.condition, adopted.attempt) == (Condition.SUCCEEDED, 1)
    assert (adopted.series["loss"].latest, adopted.series["loss"].count) == ("0.001", 2)


def test_batches_continue_after_those_of_version_1(tmp_path: Path) -> None:
    """Else the confirmation of an old batch would count for a new one."""
    directory = old(tmp_path, "interrupted")
    store = Store(directory, create=True)
    state, _ = store.load(Objective.of(json.loads((OLD / "interrupted.json").read_text())))
    assert {number: trial.batch for number, trial in state.active.items()} == {2: 1, 3: 1}
    assert state.undelivered == {0: (1,), 1: (1,), 2: (1,), 3: (1,)}
    assert state.attempts[2].kept == 1
    assert state.attempts[2].last == datetime(2026, 11, 27, 4, 55, 41, 309918, UTC)
    store.close()
    again = Store(directory, create=True)  # and only once
    assert len(again.trials()) == 4
    again.close()


def test_a_migration_is_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = old(tmp_path, "interrupted")
    broken = {1: (*schema._MIGRATIONS[1][:3], "no such statement")}
    monkeypatch.setattr(schema, "_MIGRATIONS", broken)
    with pytest.raises(sqlite3.OperationalError):
        Store(directory, create=True)
    monkeypatch.undo()
    assert len(status.load(directory)[1]) == 4
    Store(directory, create=True).close()
    assert len(status.load(directory)[1]) == 4


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version = 99")
    db.close()
    for create in (False, True):
        with pytest.raises(ValueError, match=r"must be at most \d+, got 99"):
            Store(tmp_path, create=create)


def test_a_trial_is_read_as_it_was_written(tmp_path: Path) -> None:
    series = {"loss": Series().plus("3").plus("nan").plus("1e-3")}
    trial = Trial(
        0, "t", {"x": "1", "y": "a"}, {"k": "v"}, [["loss", 1.0, "less", 2]], Condition.RUNNING,
        "why", 2, 1, Stopping.EARLY, {"any": ["thing", 1]}, 3, {"seen": 4}, {"rules": []}, series,
        (1, 2), 5, "a", "b", "c",
    )  # fmt: skip
    store = Store(tmp_path, create=True)
    store.commit(Changes(trials=[trial]))
    assert store.trials() == [trial]
    store.close()


def test_the_journal_is_written_with_what_followed(tmp_path: Path) -> None:
    at = Moment(datetime(2026, 1, 1, tzinfo=UTC), 1.0)
    store = Store(tmp_path, create=True)
    store.save_experiment(Experiment("study", document(1, 1)))
    trial = Trial(0, "t", {})
    launched, exited = Launched(at, 0, {"job": 1}), Exited(at, 0, 3)
    batch = Batch(0, 1, [Report("loss", "1", "2026-01-01T00:00:00.000000Z")])
    store.commit(Changes(trials=[trial], batches=[batch]), [launched, exited])
    assert [row[1:] for row in store.events()] == [
        ("2026-01-01T00:00:00.000000Z", "Launched", 0, {"handle": {"job": 1}}),
        ("2026-01-01T00:00:00.000000Z", "Exited", 0, {"status": 3}),
    ]
    with pytest.raises(TypeError):  # no JSON
        store.commit(Changes(delivered=[(0, 1)]), [Launched(at, 0, {"job": object()})])
    assert store.undelivered() == [(0, 1)]
    assert [row[2] for row in store.events(after=1)] == ["Exited"]
    store.close()


def test_no_state_knows_of_processes(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    db = sqlite3.connect(tmp_path / FILE)
    columns = {row[1] for row in db.execute("PRAGMA table_info(trials)")}
    db.close()
    assert "handle" in columns
    assert not columns & {"pid", "ticks", "boot"}


def test_a_process_that_was_not_told_to_go_never_began(tmp_path: Path) -> None:
    """The runner dies after storing the handle: the same attempt is launched again."""
    mark = tmp_path / "mark"
    nursery = Nursery()
    made = session.start(
        nursery, ["touch", str(mark)], dict(os.environ), tmp_path,
        tmp_path / "out", tmp_path / "status",
    )  # fmt: skip
    made.abandon()
    nursery.close()
    assert session.unbegun(tmp_path / "status")
    assert session.read_status(tmp_path / "status") is None
    assert not mark.exists()

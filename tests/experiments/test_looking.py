"""Looking at an experiment in a terminal: the latest one, its best trials, what goes on now."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from io import FileIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from suggestion.cli.main import main
from suggestion.controller.driver import Controller
from suggestion.controller.lock import Lock, held
from suggestion.controller.observation import Objective, Series
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition, Trial
from suggestion.views import printed, top
from suggestion.views.live import Frame
from tests.experiments.support import Machine, Recorder, document, stored
from tests.web import support as web

OK = "echo loss=${trialParameters.x}"


def suggest(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def made(machine: Machine, tmp_path: Path) -> Path:
    """A directory with an experiment of four trials, the first of which has failed."""
    flag = tmp_path / "flag"
    machine.run(tmp_path, document(f"mkdir {flag} 2>/dev/null && exit 4; {OK}"))
    return tmp_path / "state"


def test_without_a_directory_the_latest_is_shown(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = suggest("status")
    assert refused.exit_code == 2
    assert "where runs/ holds no experiment" in refused.output
    for place, name in enumerate(["old", "new", "older"]):
        folder = tmp_path / "runs" / name
        folder.parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", made, folder], check=True)
        for file in folder.glob("state.db*"):
            os.utime(file, (1e9, 1e9 + [1, 2, 0][place]))
    assert "suggest logs runs/new " in suggest("status").output
    for command in ("trials", "top"):
        assert suggest(command).exit_code == 0
    assert suggest("plot").output == "runs/new/plot.html\n"


def test_the_best_trials_and_another_order(made: Path) -> None:
    values = {t.number: float(t.assignment["x"]) for t in stored(made.parent)}
    failed = next(t.number for t in stored(made.parent) if t.condition == "Failed")
    good = sorted((n for n in values if n != failed), key=lambda number: values[number])

    def numbers(*options: object) -> list[int]:
        lines = suggest("trials", made, "--csv", *options).output.splitlines()
        return [int(line.split(",")[0]) for line in lines[1:]]

    assert numbers("--best", 2) == good[:2]
    assert numbers("--sort", "loss") == [*good, failed]
    assert numbers("--sort", "loss", "--reverse") == [*good[::-1], failed]
    assert numbers("--sort", "x") == sorted(values, key=lambda number: values[number])
    assert numbers("--best", 3, "--reverse") == good[::-1]
    assert numbers("--sort", "condition")[0] == failed
    wrong = suggest("trials", made, "--sort", "los")
    assert wrong.exit_code == 2
    assert "--sort: must be one of loss, x, number, trial" in wrong.output


def test_numbers_on_screen_are_short_and_those_in_files_exact(made: Path) -> None:
    best = min(
        (t for t in stored(made.parent) if t.condition == "Succeeded"),
        key=lambda trial: float(trial.assignment["x"]),
    )
    exact = best.assignment["x"]
    assert len(exact) > 8
    for command in ("status", "trials", "top"):
        shown = suggest(command, made).output
        assert f"{float(exact):.5g}" in shown
        assert exact not in shown
    assert exact in suggest("status", made, "--output", "json").output
    assert exact in suggest("trials", made, "--csv").output


def test_top_shows_a_running_experiment(machine: Machine, tmp_path: Path) -> None:
    flag, seen = tmp_path / "flag", []

    def look(controller: Controller) -> None:
        if controller.running and not flag.exists():
            shown = suggest("top", tmp_path / "state").output
            if re.search(r"Running +3 +1", shown):
                seen.append(shown)
                flag.touch()

    command = f"echo loss=3; while [ ! -e {flag} ]; do sleep 0.05; done; {OK}"
    machine.run(tmp_path, document(command), view=Recorder(on_refresh=look))
    assert seen
    assert "study  0/4 trials" in seen[0]
    assert "no runner" not in seen[0]
    shown = suggest("top", tmp_path / "state").output
    assert re.match(r"study  4/4 trials · \d+ s · Succeeded\n", shown)


def test_top_follows_until_the_end(made: Path) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=80)
    top.follow(made, console)
    assert "4/4 trials, 1 failed" in re.sub(
        r"\x1b\[[0-9;?]*[a-zA-Z]",
        "",
        console.file.getvalue(),  # type: ignore[attr-defined]
    )


def test_top_ends_when_the_experiment_is_removed(tmp_path: Path) -> None:
    folder = web.store(tmp_path / "one", web.experiment(), [web.trial(0, 0.5)])

    class Screen(StringIO):
        def write(self, text: str) -> int:
            shutil.rmtree(folder, ignore_errors=True)
            return super().write(text)

    with pytest.raises(FileNotFoundError, match="one: the experiment is not there any more"):
        top.follow(folder, Console(file=Screen(), force_terminal=True, width=80))


def test_a_lock_that_is_held(tmp_path: Path) -> None:
    assert not held(tmp_path)
    lock = Lock(tmp_path)
    assert held(tmp_path)
    lock.release()
    assert not held(tmp_path)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_live_view_has_room_for_what_it_shows(width: int) -> None:
    """Columns that do not fit are left out with their number; none is squeezed to nothing."""
    space = [{"name": f"parameter_{n}", "parameterType": "double"} for n in range(9)]
    trials = [
        Trial(
            number,
            f"study-{number:08x}",
            {entry["name"]: f"0.1234567890{number}" for entry in space},
            condition=Condition.SUCCEEDED,
            series={"loss": Series("0.5", "0.7", "0.123456789", 3)},
        )
        for number in range(3)
    ]
    objective = Objective("loss", False, None, (), {"loss": "min"})
    frame = Frame(
        "study", objective, space, 3, 0, 9, 70.0, 140.0, "", trials[0], "study-1: oh", trials
    )
    console = Console(file=StringIO(), width=width)
    console.print(frame)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(text.split())
    assert "study 3/9 trials · 1 min 10 s, about 2 min 20 s left" in words
    head = next(line for line in lines if line.startswith("trial "))
    for name in head.split():
        assert re.fullmatch(r"trial|condition|loss|reports|parameter_\d|\+\d", name)
    assert ("+" in head) == (width < 200)
    row = next(line for line in lines if line.startswith("00000001"))
    assert len(row.split()) == len(head.replace("+", "").split()) - ("+" in head)


def test_a_log_is_followed_until_the_trial_has_ended(machine: Machine, tmp_path: Path) -> None:
    flag, read = tmp_path / "flag", []
    begun = threading.Event()

    def follow() -> None:
        begun.wait(60)
        command = [
            sys.executable,
            "-m",
            "suggestion",
            "logs",
            str(tmp_path / "state"),
            "0",
            "--follow",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                read.append(line)
                flag.touch()

    def look(controller: Controller) -> None:
        if any(attempt.launched for attempt in controller.running.values()):
            begun.set()

    thread = threading.Thread(target=follow)
    thread.start()
    command = f"echo first; while [ ! -e {flag} ]; do sleep 0.05; done; {OK}"
    spec = document(command, parallelTrialCount="1", maxTrialCount="1")
    machine.run(tmp_path, spec, view=Recorder(on_refresh=look))
    thread.join(60)
    assert read == ["first\n", f"loss={stored(tmp_path)[0].assignment['x']}\n"]


def test_a_trial_is_read_by_its_number_and_a_change_is_seen(made: Path) -> None:
    reader, writer = Store(made), Store(made, create=True)
    try:
        assert reader.trial(1) == reader.trials()[1]
        assert reader.trial(99) is None
        mark = reader.change_mark()
        assert reader.change_mark() == mark
        experiment = writer.experiment()
        assert experiment is not None
        writer.save_experiment(experiment)
        assert reader.change_mark() != mark
    finally:
        reader.close()
        writer.close()


def test_what_is_printed_while_a_log_is_read_is_followed_too(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what comes right after the end was seen for the first time."""
    trial = stored(made.parent)[1]
    path = printed._output(made, trial, trial.attempt)
    before = path.read_bytes()
    late = [b"late\n"]

    class Late(FileIO):
        """Its end is seen before the last line is printed."""

        def read(self, size: int | None = -1, /) -> Any:
            piece = super().read(size)
            if not piece and late:
                with path.open("ab") as more:
                    more.write(late.pop())
            return piece

    monkeypatch.setattr(printed, "open_own", lambda file, _: Late(file))
    assert b"".join(printed.follow(made, trial)) == before + b"late\n"

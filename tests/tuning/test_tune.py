"""Tuning a function: trials in processes of their own, kept, resumed, stopped early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import suggestion as sg
from suggestion.client import cluster, document, manifest
from suggestion.controller.lock import Lock
from tests.support.servers import ServerProcess
from tests.tuning import functions

ROOT = Path(__file__).resolve().parents[2]
X = {"x": sg.uniform(0, 1)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def quiet(*arguments: object, **options: object) -> sg.Result:
    return sg.tune(*arguments, progress=False, **{"seed": 1, **options})  # type: ignore[arg-type]


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "suggestion", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_a_function_is_tuned_and_all_of_it_is_kept(folder: Path) -> None:
    space = {"x": sg.uniform(0, 1), "n": sg.integer(1, 3)}
    result = quiet(functions.square, space, trials=4, parallel=2, directory="runs/a")
    assert result.complete
    assert [trial.number for trial in result.trials] == [0, 1, 2, 3]
    for trial in result.trials:
        x, n = trial.parameters["x"], trial.parameters["n"]
        assert isinstance(x, float)
        assert isinstance(n, int)
        assert trial.value == x * x + n
        assert trial.metrics == {"value": trial.value}
        assert trial.state is sg.State.SUCCEEDED
        assert trial.output is not None
        assert trial.output.read_text() == f"x is {x}\n"
        assert trial.duration is not None
    assert result.best.value == min(trial.value or 9 for trial in result.trials)
    assert repr(result).startswith("Result of 'square': 4 trials (trials=4 is reached)\nbest")
    assert "<table>" in result._repr_html_()
    assert "srcdoc" in result.plot()._repr_html_()
    assert sg.load_result("runs/a") == sg.load_result(Path("runs/a"))
    status = command("status", "runs/a", cwd=folder)
    assert "Succeeded 4" in status.stdout, status.stderr
    csv = command("trials", "runs/a", "--csv", cwd=folder)
    assert len(csv.stdout.splitlines()) == 5
    assert command("logs", "runs/a", "0", cwd=folder).stdout.startswith("x is 0.")
    # It has ended: nothing runs again, whatever the function is now.
    again = quiet(functions.square, space, trials=4, parallel=2, directory="runs/a")
    assert again.trials == result.trials


@pytest.mark.parametrize("algorithm", ["random", "tpe"])
def test_suggestions_are_those_of_a_study(algorithm: str) -> None:
    result = quiet(functions.square, X, trials=4, algorithm=algorithm, settings=START[algorithm])
    study = sg.Study(X, algorithm=algorithm, seed=1, settings=START[algorithm])
    for trial in result.trials:
        point = study.ask()
        assert dict(point) == trial.parameters
        study.tell(point, trial.value)


def test_a_server_suggests_the_same(server: ServerProcess) -> None:
    space = {"n": sg.integer(1, 3)}
    here = quiet(functions.anything, space, algorithm="grid")
    there = quiet(functions.anything, space, algorithm="grid", target=server.address)
    assert [t.parameters for t in there.trials] == [t.parameters for t in here.trials]
    assert here.reason == there.reason == "the algorithm has no more suggestions"
    with pytest.raises(sg.InvalidArgument, match=r"^settings\['bogus'\]: "):
        quiet(functions.anything, space, trials=1, settings={"bogus": 1}, target=server.address)


START: dict[str, dict[str, float]] = {"random": {}, "tpe": {"n_startup_trials": 2}}


def test_values_arrive_as_the_user_gave_them() -> None:
    space = {
        "x": sg.uniform(1, 2),
        "n": sg.log_integer(1, 64),
        "kind": [None, "a=b $(HOME) ${x}"],
        "function": [abs, round],
    }
    result = quiet(functions.types, space, trials=3)
    for trial in result.trials:
        assert trial.output is not None
        name = getattr(trial.parameters["function"], "__name__", "")
        assert trial.output.read_text() == f"float int {trial.parameters['kind']!r} {name}\n"


def test_functions_that_no_module_has() -> None:
    offset = 3
    result = quiet(lambda x: x + offset, X, trials=1)
    assert result.best.value == pytest.approx(3 + float(str(result.best.parameters["x"])))
    assert quiet(partial(functions.square, n=5), X, trials=1).best.value > 5  # type: ignore[operator]
    lock = threading.Lock()
    taken = r"\(\): cannot be taken to another process, because of 'lock': "
    for function in (lambda x: lock, partial(lambda x, lock: x, lock=lock), Locked(), Locked().go):
        with pytest.raises(sg.InvalidArgument, match=taken):
            quiet(function, X, trials=1)
    with pytest.raises(sg.NoResult, match=r"test_tune\.py(.|\n)* lambda x: x / 0,  # the line"):
        quiet(
            lambda x: x / 0,  # the line
            X,
            trials=1,
        )


class Locked:
    """Holds what cannot be pickled."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, x: float) -> float:
        return x

    def go(self, x: float) -> float:
        return x


def test_a_mapping_of_metrics_and_maximize() -> None:
    result = quiet(functions.metrics, X, trials=2, maximize="accuracy")
    assert result.maximize
    assert set(result.best.metrics) == {"accuracy", "size"}
    assert result.best.value == max(trial.metrics["accuracy"] for trial in result.trials)
    frame = pytest.importorskip("pandas") and result.dataframe()
    columns = ["number", "state", "accuracy", "x", "size", "duration"]
    assert list(frame.columns) == columns


def test_inactive_parameters_are_left_out_where_the_function_has_a_default() -> None:
    space = {"kind": ["a", "b"], "x": sg.uniform(0.5, 1), "y": sg.uniform(0.5, 1)}
    more = {"conditions": ["x if kind == 'a'", "y if kind == 'a'"], "seed": 1}
    points = [{"kind": "a", "x": 0.75}, {"kind": "b"}]
    result = quiet(
        functions.conditional, space, trials=4, initial_points=points, **more, directory="runs/i"
    )
    study = sg.Study(space, initial_points=points, **more)  # type: ignore[arg-type]
    for trial in result.trials:
        point = study.ask()
        assert dict(point) == trial.parameters
        study.tell(point, trial.value)
        active = trial.parameters["kind"] == "a"
        assert trial.parameters.keys() == ({"kind", "x", "y"} if active else {"kind"})
        # `y` has no default, and so a placeholder; `x` has.
        assert trial.output is not None
        shown = trial.output.read_text().split()
        assert (shown == ["b", "None", "0.5"]) is not active
    assert result.trials[0].parameters["x"] == 0.75
    assert "<td>-</td>" in result._repr_html_()
    assert len(result.dataframe()) == 4
    with pytest.raises(sg.InvalidArgument, match=r"^conditions: .*did you mean 'kind'"):
        quiet(functions.conditional, space, trials=1, conditions="x if kin == 'a'")


def test_the_goal_ends_it() -> None:
    result = quiet(functions.square, X, goal=100)
    assert len(result.trials) == 1
    assert result.reason == "the goal is reached"


# --------------------------------------------------------------------- failures


def test_the_first_five_failures_raise_with_the_first_traceback(folder: Path) -> None:
    with pytest.raises(sg.TrialError) as caught:
        quiet(functions.boom, X, trials=20, directory="runs/b")
    text = str(caught.value)
    assert text.startswith("the first 5 trials failed, and none has succeeded; the first failed:")
    assert text.rstrip().splitlines()[-1].startswith("ValueError: boom at 0.")
    assert "worker.py" not in text
    result = sg.load_result("runs/b")
    assert [trial.state for trial in result.trials] == [sg.State.FAILED] * 5
    assert all("ValueError: boom" in trial.error for trial in result.trials)
    with pytest.raises(sg.NoResult):
        _ = result.best
    assert "no trial has a value" in repr(result)


def test_the_traceback_of_a_function_that_no_module_has_shows_its_lines() -> None:
    def broken(x: float) -> float:
        raise ArithmeticError(x)

    with pytest.raises(
        sg.TrialError, match=r'tests/tuning/test_tune\.py", line \d+, in broken\n    raise'
    ):
        quiet(broken, X, trials=1, max_failures=1)


def test_it_goes_on_once_the_cause_is_fixed(folder: Path) -> None:
    function = partial(functions.sometimes, switch=str(folder / "switch"))
    with pytest.raises(sg.TrialError, match="the switch is off"):
        quiet(function, X, trials=3, max_failures=2, directory="runs/c")
    (folder / "switch").touch()
    result = quiet(function, X, trials=3, max_failures=2, directory="runs/c")
    assert [trial.state for trial in result.trials] == [sg.State.SUCCEEDED] * 3


def test_no_value_is_an_exception() -> None:
    for function in (lambda x: None, lambda x: "0.3", lambda x: sys.exit(0)):
        with pytest.raises(sg.TrialError):
            quiet(function, X, trials=9, max_failures=1)
    with pytest.raises(
        sg.NoResult, match="no trial has a value, of 2; the first reported value = "
    ):
        quiet(lambda x: float("nan"), X, trials=2)
    with pytest.raises(sg.TrialError, match=r"max_failures is 1; .*\n.*report one, got \{\}"):
        quiet(lambda x: {}, X, trials=9, max_failures=1)
    with pytest.raises(sg.TrialError, match="reported no value: it ended without a report"):
        quiet(lambda x: os._exit(0), X, trials=9, max_failures=1)


def test_a_function_may_close_its_output() -> None:
    def closes(x: float) -> float:
        sys.stdout.close()
        sys.stderr.close()
        return x

    assert quiet(closes, X, trials=1).best.value is not None


async def coroutine(x: float) -> float:
    return x


async def async_generator(x: float) -> AsyncIterator[float]:
    yield x


class Called:
    """An instance that is called, as models are."""

    def __call__(self, x: float) -> Iterator[float]:
        yield x


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (coroutine, r"coroutine\(\): must return a number, but is an async function"),
        (async_generator, r"async_generator\(\): .* an async generator function"),
        (Called(), r"Called\(\): .* a generator function, which returns a generator"),
        (partial(coroutine), r"coroutine\(\): .* an async function, which returns a coroutine"),
    ],
    ids=["async", "async generator", "instance", "partial"],
)
def test_a_function_that_can_return_no_number_is_refused(
    function: Callable[..., object], kind: str, folder: Path
) -> None:
    with pytest.raises(sg.InvalidArgument, match=kind):
        quiet(function, X, trials=1)
    assert not (folder / "runs").exists()


def test_a_directory_of_another_experiment_is_refused() -> None:
    quiet(functions.square, X, trials=1, directory="runs/d")
    for arguments, what in (
        ({"space": {"x": sg.uniform(0, 2)}}, "the space"),
        ({"seed": 2}, "algorithm, settings or seed"),
        ({"maximize": True}, "minimize, maximize or goal"),
        ({"stop": "medianstop"}, "stop"),
    ):
        with pytest.raises(sg.InvalidArgument, match=f"^directory: runs/d .* differs in {what};"):
            quiet(functions.square, **{"space": X, "trials": 1, "directory": "runs/d", **arguments})
    more = quiet(functions.square, X, trials=2, directory="runs/d")
    assert len(more.trials) == 2


def test_all_that_is_wrong_is_said_before_the_first_trial(folder: Path) -> None:
    with pytest.raises(sg.InvalidArgument) as caught:
        quiet(
            functions.square,
            {"y": sg.uniform(1, 0)},
            trials=0,
            parallel=-1,
            time=0,
            goal=float("nan"),
            stop="asha",
            stop_settings={"eta": 1},
            minimize=["a", "b"],
            learn_from=[],
        )
    assert str(caught.value).splitlines() == [
        "minimize: several objectives go to the argument objectives, got ['a', 'b']",
        "goal: must be a finite number, got nan",
        "trials: must be a whole number, at least 1, got 0",
        "parallel: must be a whole number, at least 1, got -1",
        "time: must be a number of seconds above 0, got 0",
        "space: has no parameter 'x', which square() needs",
        "space['y']: square() takes no argument of this name",
        "space['y'].min: min must not exceed max, got min = 1, max = 0",
        "stop_settings['eta']: must be at least 1.1, got 1",
    ]
    with pytest.raises(sg.InvalidArgument) as caught:
        quiet(
            functions.square, {"x": (0, 1)}, trials=0, settings={"gama": 1}, stop_settings={"a": 1}
        )
    assert [rule.place for rule in caught.value.broken] == [
        "space['x']",
        "trials",
        "stop_settings",
        "settings['gama']",
    ]
    with pytest.raises(sg.InvalidArgument) as caught:
        quiet(functions.square, X, trials=1, settings={"gamma": 2}, stop="medianstop",
              stop_settings={"start_step": 0, "bogus": 1})  # fmt: skip
    assert [rule.place for rule in caught.value.broken] == [
        "stop_settings['start_step']",
        "stop_settings['bogus']",
        "settings['gamma']",
    ]
    with pytest.raises(sg.InvalidArgument, match=r"^trials: must be given, or time, or goal"):
        quiet(functions.square, X)
    with pytest.raises(sg.InvalidArgument, match=r"^stop: .*did you mean 'medianstop'"):
        quiet(functions.square, X, trials=1, stop="medianstopp")
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: pbt hands checkpoints"):
        quiet(functions.square, X, trials=1, algorithm="pbt")
    assert list(folder.iterdir()) == []


# ---------------------------------------------------------------- early stopping


def test_a_trial_that_will_not_win_ends_where_it_is_judged() -> None:
    settings = {"start_step": 3, "min_trials_required": 3}
    result = quiet(
        functions.curve, X, trials=6, stop="medianstop", stop_settings=settings, directory="runs/e"
    )
    states = [trial.state for trial in result.trials]
    assert states == [sg.State.SUCCEEDED] * 4 + [sg.State.STOPPED] * 2
    for trial in result.trials:
        assert trial.output is not None
        stopped = trial.state is sg.State.STOPPED
        assert trial.output.read_text() == f"left at {2 if stopped else 7}\n"
    assert result.trials[4].metrics["epoch"] == 2
    assert result.best.number < 4
    assert "2 stopped early" in repr(result)


def half(losses: list[float]) -> list[int]:
    """Return at which report each of some level curves ends, one after the other, with eta = 2."""
    ends: list[int] = []
    for number, loss in enumerate(losses):
        for rung in (1, 2, 4, 8):
            others = [x for x, end in zip(losses[:number], ends, strict=True) if end >= rung]
            better = sum(other < loss for other in others)
            if others and better >= (len(others) + 1) // 2:
                ends.append(rung)
                break
        else:
            ends.append(9)
    return ends


def test_asha_judges_a_function_at_each_rung() -> None:
    """However fast it reports: at a rung it waits for what the runner says."""
    result = quiet(
        functions.level, X, trials=10, seed=7, stop="asha", stop_settings={"eta": 2}, parallel=1
    )
    ends = half([float(str(trial.parameters["x"])) for trial in result.trials])
    assert len(set(ends)) > 1
    for trial, end in zip(result.trials, ends, strict=True):
        assert trial.output is not None
        assert trial.output.read_text() == f"left at {end}\n"
        assert trial.state is (sg.State.SUCCEEDED if end == 9 else sg.State.STOPPED)


def test_stop_settings_are_checked_by_name() -> None:
    with pytest.raises(sg.InvalidArgument) as caught:
        quiet(functions.level, X, trials=1, stop="hyperband", stop_settings={"r_l": 2})
    assert str(caught.value).startswith("stop_settings['r_l']: must be at least")
    with pytest.raises(sg.InvalidArgument, match=r"^stop_settings\['r_l'\]: .*is required"):
        quiet(functions.level, X, trials=1, stop="hyperband")


# ------------------------------------------------------------ kills and interrupts

PROGRAM = """
import sys
import suggestion as sg
from tests.tuning import functions
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

if __name__ == "__main__":
    slow = partial(functions.slow, folder=sys.argv[1], seconds=float(sys.argv[2]))
    result = sg.tune(slow, {"x": sg.uniform(0, 1)}, trials=6, parallel=2, directory="runs/k")
    print(len(result.trials), result.complete)
"""


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(PROGRAM)
    (folder / "seen").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "program.py", "seen", str(seconds)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def wait_for(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while len(list((folder / "seen").iterdir())) < count:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.integration
def test_a_program_that_is_killed_goes_on_where_it_was(folder: Path) -> None:
    process = start(folder, 0.6)
    wait_for(folder, 3, process)
    process.kill()
    process.communicate()
    begun = {path.name: path.read_text() for path in (folder / "seen").iterdir()}
    process = start(folder, 0.1)
    out, error = process.communicate(timeout=60)
    assert out == "6 True\n", error
    result = sg.load_result("runs/k")
    assert [trial.state for trial in result.trials] == [sg.State.SUCCEEDED] * 6
    for name, pid in begun.items():  # what ran then was not run again
        assert (folder / "seen" / name).read_text() == pid


@pytest.mark.integration
def test_ctrl_c_lets_running_trials_finish_and_a_second_one_stops_them(folder: Path) -> None:
    process = start(folder, 3)
    wait_for(folder, 2, process)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert out == "2 False\n", error
    process = start(folder, 60)
    wait_for(folder, 4, process)
    process.send_signal(signal.SIGINT)
    for _ in range(5):  # two at once may arrive as one
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            out, error = process.communicate(timeout=10)
            break
    assert process.poll() is not None
    assert out == ""
    assert "KeyboardInterrupt" in error
    process = start(folder, 0.1)
    out, error = process.communicate(timeout=60)
    assert out == "6 True\n", error


def test_a_trial_that_somebody_ends_is_no_success() -> None:
    with pytest.raises(sg.TrialError, match="killed by SIGTERM"):
        quiet(functions.killed, X, trials=2, max_failures=1)


def test_the_time_limit_ends_it(folder: Path) -> None:
    slow = partial(functions.slow, folder=str(folder), seconds=0.0)
    result = quiet(slow, X, time=1.5)
    assert len(result.trials) > 0
    assert not result.complete
    assert "incomplete; call tune again to resume" in repr(result)


def test_a_directory_that_cannot_be_made_is_refused(folder: Path) -> None:
    (folder / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(sg.InvalidArgument, match=r"^directory: must be a directory, or one"):
            quiet(functions.square, X, trials=1, directory=name)


def test_one_program_at_a_time(folder: Path) -> None:
    (folder / "runs" / "h").mkdir(parents=True)
    lock = Lock(folder / "runs" / "h")
    with pytest.raises(RuntimeError, match="another runner is at work here"):
        quiet(functions.square, X, trials=1, directory="runs/h")
    lock.release()


def test_in_a_thread() -> None:
    found: list[sg.Result] = []
    thread = threading.Thread(target=lambda: found.append(quiet(functions.square, X, trials=1)))
    thread.start()
    thread.join()
    assert len(found[0].trials) == 1


def test_what_a_script_shows(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(sg.TrialError):
        sg.tune(functions.boom, X, trials=1, max_failures=1)
    shown = capfd.readouterr().err
    assert "Failed" in shown
    assert "\n  ValueError: boom at" in shown


# -------------------------------------------------------------------- clusters


@pytest.mark.integration
def test_the_same_space_moves_to_a_cluster(folder: Path) -> None:
    space = {"x": sg.log_uniform(1e-5, 1), "n": sg.integer(1, 3)}
    result = quiet(functions.square, space, trials=2, max_failures=9, directory="runs/f")
    path = result.experiment_file("e.yaml", image="registry/train:1", namespace="me")
    loaded = document.load(path, image=True)
    spec = loaded.document["spec"]
    assert spec["parameters"][0]["feasibleSpace"]["min"] == "1e-05"
    assert "min: '1e-05'" in path.read_text()
    assert spec["algorithm"]["algorithmSettings"] == [{"name": "random_state", "value": "1"}]
    assert (spec["maxTrialCount"], spec["maxFailedTrialCount"]) == ("2", "2")
    done = command("run", "e.yaml", "--plain", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    # The same seed: the very trials that were run here.
    again = sg.load_result("runs/square")
    assert [trial.parameters for trial in again.trials] == [t.parameters for t in result.trials]
    assert again.best.value == result.best.value


def test_an_experiment_file_passes_the_rules_of_a_cluster() -> None:
    space = {
        "x": sg.log_uniform(1e-5, 1, step="1e-5"),
        "n": ["1", "a b", "yes", "null"],
        "batch": sg.discrete([16, 32]),
    }
    result = quiet(
        functions.anything, space, trials=2, parallel=2, goal=-1, stop="medianstop", maximize="acc"
    )
    read = manifest.load(result.experiment_file("e.yaml", image="x"), {}, kind="Experiment")
    assert list(cluster.refusals(read)) == []
    loaded = document.load(Path("e.yaml"), image=True)
    assert loaded.document["spec"]["parameters"][1]["feasibleSpace"]["list"] == space["n"]
    assert loaded.document["spec"]["trialTemplate"]["retain"] == "true"


def test_what_cannot_be_named_on_a_command_line() -> None:
    result = quiet(lambda x: 1.0, {"x": [(1, 2), abs]}, trials=1)
    with pytest.raises(sg.InvalidArgument) as caught:
        result.experiment_file("e.yaml", image="x")
    assert [rule.place for rule in caught.value.broken] == ["<lambda>", "space['x']"]
    words = ["train", "--x=${trialParameters.x}"]
    path = result.experiment_file("e.yaml", image="x", command=words)
    made = document.load(path, image=True).template.render("t", {"x": "abs"})
    assert made.argv == ("train", "--x=abs")
    read = manifest.load(path, {}, kind="Experiment")
    assert list(cluster.refusals(read)) == []


def test_the_function_of_a_program_is_named_as_the_program_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = quiet(functions.square, X, trials=1)
    monkeypatch.setattr(functions.square, "__module__", "__main__")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "/home/me/script.py", raising=False)
    for spec, name in (
        (ModuleSpec("package.program", None), "package.program"),
        (None, "script.py"),
    ):
        monkeypatch.setattr(main, "__spec__", spec)
        path = result.experiment_file("e.yaml", image="x")
        assert f"- {name}:square\n" in path.read_text()
    monkeypatch.delattr(main, "__file__")
    with pytest.raises(sg.InvalidArgument, match="square: is defined in no file that an image"):
        result.experiment_file("e.yaml", image="x")


def test_a_working_directory_that_is_gone_is_said(folder: Path) -> None:
    (folder / "gone").mkdir()
    os.chdir(folder / "gone")
    (folder / "gone").rmdir()
    with pytest.raises(RuntimeError, match="the working directory, in which trials run, is gone"):
        quiet(functions.square, X, trials=1, directory=folder / "runs")


def test_the_stored_space_is_json() -> None:
    quiet(functions.square, X, trials=1, directory="runs/g")
    store = sg.load_result("runs/g")._experiment.options
    assert json.loads(json.dumps(store))["space"][0]["name"] == "x"


def test_a_file_where_experiments_belong(folder: Path) -> None:
    (folder / "runs").write_text("")
    with pytest.raises(sg.InvalidArgument, match=r"^directory: must be given, since runs/ cannot"):
        quiet(functions.square, X, trials=1)

"""Reports of trials: of `tune`, of ``suggest run``, of a shell, and where no trial runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from suggestion.cli.report import report
from suggestion.client import schema
from suggestion.controller.rules import GREATER, LESS, Rule, Watch
from suggestion.reporting import reporter
from suggestion.reporting.reporter import Reporter, TrialStopped
from suggestion.views import status

RULES = json.dumps([["loss", 0.5, GREATER, 2]])


def test_without_a_trial_reports_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made = Reporter({})
    made.report(0.25, 3, {"accuracy": 1})
    made.report(float("nan"), None, {})
    assert capsys.readouterr().out == "step=3 value=0.25 accuracy=1.0\nvalue=nan\n"
    assert not made.should_stop()


def test_a_bare_value_is_the_objective_unless_that_has_its_name() -> None:
    seen: list[dict[str, str]] = []
    made = Reporter({"SUGGEST_OBJECTIVE": "accuracy"})
    made._sink = lambda texts: seen.append(dict(texts))
    made.report(0.1, None, {})
    made.report(0.2, None, {"accuracy": 0.8})
    made.finish(0.3)
    assert seen == [
        {"accuracy": "0.1"},
        {"value": "0.2", "accuracy": "0.8"},
        {"value": "0.3"},
    ]


def test_what_a_function_returns_is_reported_once() -> None:
    seen: list[dict[str, str]] = []
    made = Reporter({})
    made._sink = lambda texts: seen.append(dict(texts))
    with pytest.raises(TypeError, match="must return a number, or report one, got None"):
        made.finish(None)
    made.report(0.5, 1, {})
    made.finish(0.5)
    made.finish(None)
    made.finish({"value": 2, "size": 3})
    assert [entry.get("value") for entry in seen] == ["0.5", "2.0"]


@pytest.mark.parametrize("value", ["0.3", None, [1.0]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a number, got|needs a value"):
        Reporter({}).report(value, None, {})


@pytest.mark.parametrize("step", ["a", float("nan"), [1], -1, 1.5, 10**400])
def test_a_step_that_is_no_number_is_refused(step: Any) -> None:
    with pytest.raises(TypeError, match="step: must be a whole number >= 0, got "):
        Reporter({}).report(0.5, step, {})


@pytest.mark.parametrize(
    ("form", "lines"),
    [("text", ["step=1 loss=0.25 a=2.0"]), ("json", [{"step": "1", "loss": "0.25", "a": "2.0"}])],
)
def test_reports_go_where_the_collector_reads(
    tmp_path: Path, form: str, lines: list[object]
) -> None:
    path = tmp_path / "metrics"
    env = {"SUGGEST_METRICS_PATH": str(path), "SUGGEST_METRICS_FORMAT": form}
    Reporter({**env, "SUGGEST_OBJECTIVE": "loss"}).report(0.25, 1, {"a": 2})
    found: list[object] = []
    for line in path.read_text().splitlines():
        if form == "text":
            found.append(line.partition("Z ")[2])
        else:
            entry = json.loads(line)
            assert entry.pop("timestamp").endswith("Z")
            found.append(entry)
    assert found == lines


def test_rules_count_reports_as_the_collector_does(capsys: pytest.CaptureFixture[str]) -> None:
    env = {"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES": RULES}
    made = Reporter(env)
    made.report(0.9, None, {})
    assert not made.should_stop()
    made.report(0.8, None, {})
    assert made.should_stop()
    better = Reporter(env)
    for value in (0.4, 0.9):  # the best so far is compared
        better.report(value, None, {})
    assert not better.should_stop()
    more = json.dumps([["loss", 0.5, LESS, 1]])
    most = Reporter({**env, "SUGGEST_RULES": more, "SUGGEST_OBJECTIVE_TYPE": "maximize"})
    most.report(0.4, None, {})
    assert most.should_stop()


def test_a_trial_that_its_rules_end_may_lack_an_objective() -> None:
    """It may have stopped, as asked, before it could measure the further one."""
    made = Reporter({"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES": RULES})
    made._sink = lambda texts: None
    made.report(0.9, None, {})
    with pytest.raises(TypeError, match="must return or report 'size', got 'loss'"):
        made.finish(None, ["loss", "size"])
    made.report(0.8, None, {})
    assert made.should_stop()
    made.finish(None, ["loss", "size"])


def test_without_a_runner_a_trial_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "_LONGEST_WAIT", 0.01)
    alone = Reporter({"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES": RULES}, ends=True)
    alone._sink = lambda texts: None
    for _ in range(3):
        alone.report(0.9, None, {})
    assert alone.lost


def told(path: Path, step: int, *rules: list[object]) -> None:
    path.write_text(json.dumps({"step": step, "rules": rules}))


def test_at_a_rung_a_trial_waits_for_its_next_rule(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    told(path, 2, ["loss", 0.3, GREATER, 4])
    env = {"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES": RULES, "SUGGEST_RULES_FILE": str(path)}
    made = Reporter(env, ends=True)
    made._sink = lambda texts: None
    for _ in range(3):
        made.report(0.4, None, {})
    assert not made.lost
    later = threading.Timer(0.1, told, (path, 4, ["loss", 0.1, GREATER, 5]))
    later.start()
    made.report(0.2, None, {})  # until it is told
    later.join()
    # Nobody else ends it here.
    made._stop = True
    with pytest.raises(TrialStopped):
        made.report(0.2, None, {})
    assert made.lost


def test_a_trial_waits_once_for_a_runner_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(reporter, "_LONGEST_WAIT_FOR_RULES", 0.01)
    monkeypatch.setattr("time.sleep", waited.append)
    nowhere = str(tmp_path / "rules.json")
    made = Reporter({"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES_FILE": nowhere}, ends=True)
    made._sink = lambda texts: None
    made.report(0.4, None, {})
    assert waited
    waited.clear()
    for _ in range(3):
        made.report(0.4, None, {})
        assert not made.should_stop()
    assert not waited


class Late(Reporter):
    """Is told its next rule when it waits for it, and not before."""

    waits = 0

    def _take_rules(self, watch: Watch) -> None:
        if self._waits > self.waits:
            self.waits = self._waits
            watch.answer(watch.count, [Rule("loss", 0.9, GREATER, watch.count + 1)])


def test_a_rule_for_each_step_is_not_waited_for_at_each() -> None:
    """A runner that is slow to answer holds up a trial of 1,000 reports some 20 times."""
    made = Late({"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES_FILE": "told"}, ends=True)
    made._sink = lambda texts: None
    for _ in range(1000):
        made.report(0.4, None, {})
    assert 10 <= made.waits <= 24


def test_sigterm_ends_the_function_at_its_next_report() -> None:
    # Other tests of this process may have left a handler, which a reporter would not replace.
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    made = Reporter({}, ends=True)
    made._sink = lambda texts: None
    try:
        made.listen()
        made.report(1, None, {})
        os.kill(os.getpid(), signal.SIGTERM)
        assert made.should_stop()
        with pytest.raises(TrialStopped):
            made.report(1, None, {})
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        silent = Reporter({}, ends=True)
        silent.listen()
        with pytest.raises(TrialStopped):  # one that never reports would go on until killed
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not issubclass(TrialStopped, Exception)


@pytest.mark.parametrize("name", ["", "a\nloss", "\x1b[2Jloss", "\x00"])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    seen: list[Any] = []
    made = Reporter({})
    made._sink = seen.append
    with pytest.raises(TypeError, match="a name needs characters that can be printed"):
        made.report(None, None, {name: 1.0})
    assert not seen


@pytest.mark.parametrize("name", ["val loss", "a=loss"])
def test_a_name_that_a_line_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    """The default filter would read the metric ``loss``."""
    env = {"SUGGEST_METRICS_PATH": str(tmp_path / "log"), "SUGGEST_METRICS_FORMAT": "text"}
    for told in (env, {}):
        with pytest.raises(TypeError, match="a name in a line of text has no '=' and no blanks"):
            Reporter(told).report(None, None, {name: 1.0})
    assert not (tmp_path / "log").exists()
    Reporter(env | {"SUGGEST_METRICS_FORMAT": "json"}).report(None, None, {name: 1.0})
    assert json.loads((tmp_path / "log").read_text())[name] == "1.0"


# ---------------------------------------------------------------- suggest report


def run_report(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "suggestion", "report", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
    )


def test_the_command_exits_with_1_when_the_trial_should_stop(tmp_path: Path) -> None:
    env = {"SUGGEST_OBJECTIVE": "loss", "SUGGEST_RULES": RULES, "SUGGEST_TRIAL_DIR": str(tmp_path)}
    first = run_report("loss=0.9", "acc=0.1", "--step", "1", **env)
    assert (first.returncode, first.stdout) == (0, "step=1 loss=0.9 acc=0.1\n")
    second = run_report("loss=0.8", **env)
    assert (second.returncode, second.stdout) == (1, "loss=0.8\n")
    other = run_report("loss=0.9", **env, SUGGEST_ATTEMPT="2")  # a new attempt begins anew
    assert other.returncode == 0
    bad = run_report("loss=high")
    assert bad.returncode == 2
    assert "must be [NAME=]NUMBER, got 'loss=high'" in bad.stderr


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["1", "--step", "-1"], "step: must be a whole number >= 0, got -1"),
        (["a b=1"], "metric 'a b': a name in a line of text has no '=' and no blanks"),
        (["step=1"], "metric 'step': a report has this field already; rename it"),
        (["1", "2"], "needs one VALUE without a NAME at most, got '1 2'"),
        (["loss=1", "loss=2"], "needs metric 'loss' once at most, got 'loss=1 loss=2'"),
    ],
)
def test_what_cannot_be_reported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], rule: str
) -> None:
    monkeypatch.setenv("SUGGEST_TRIAL_DIR", str(tmp_path))
    done = CliRunner().invoke(report, words)
    assert done.exit_code == 2
    assert rule in done.output
    assert not list(tmp_path.iterdir())


def test_a_report_follows_one_of_which_a_part_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reports-1.jsonl").write_bytes(b'[null, {"loss": 0.9}]\n[null, {"lo\xff\n3\n')
    monkeypatch.setenv("SUGGEST_TRIAL_DIR", str(tmp_path))
    monkeypatch.setenv("SUGGEST_RULES", RULES)
    assert CliRunner().invoke(report, ["loss=0.8"]).exit_code == 1  # the second one
    monkeypatch.setenv("SUGGEST_TRIAL_DIR", str(tmp_path / "removed"))
    lost = CliRunner().invoke(report, ["loss=0.8"])
    assert lost.exit_code == 1
    assert "Error: the report is lost: " in lost.output


EXPERIMENT = """
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: shell}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm: {algorithmName: random}
  parallelTrialCount: 1
  maxTrialCount: 1
  parameters:
    - {name: x, parameterType: double, feasibleSpace: {min: "0", max: "1"}}
  metricsCollectorSpec:
    collector: {kind: File}
    source: {fileSystemPath: {path: /tmp/metrics.log, kind: File, format: FORMAT}}
  trialTemplate:
    command: [sh, -c, "PYTHON -m suggestion report loss=${trialParameters.x} --step 1"]
"""


@pytest.mark.integration
@pytest.mark.parametrize("form", ["TEXT", "JSON"])
def test_a_shell_in_a_trial_of_suggest_run(tmp_path: Path, form: str) -> None:
    text = EXPERIMENT.replace("FORMAT", form).replace("PYTHON", sys.executable)
    (tmp_path / "e.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "suggestion", "run", "e.yaml", "--plain"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, (trial,) = status.load(tmp_path / "runs" / "shell")
    assert float(trial.series["loss"].latest) == float(trial.assignment["x"])
    assert schema.API_VERSION in text

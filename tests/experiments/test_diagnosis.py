"""Why a trial has no metrics: what was read instead, and the filter that would match."""

from __future__ import annotations

from pathlib import Path

import pytest

from suggestion import collectors
from suggestion.client.document import Collector as Settings
from suggestion.collectors.lines import text_parser
from suggestion.controller.runtime import TrialFiles
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import TrialWorkspace
from tests.experiments.test_poison import event


def explained(
    folder: Path, settings: Settings, metric: str, printed: str, written: str | None = None
) -> str:
    (folder / "output").write_text(printed)
    if written is not None:
        (folder / "file").write_text(written)
    made = collectors.collector(settings, (metric,))
    return made.explain(folder / "output", folder / "file")


STDOUT = Settings("StdOut", "", False, ())
JSON = Settings("File", "/m.json", True, ())


@pytest.mark.parametrize(
    ("metric", "printed", "said"),
    [
        ("loss", "", "it printed nothing"),
        ("loss", "a\nb\n", "2 lines read, none matched the default filter, name=value"),
        ("acc", "val_acc=1\nlr: 2\n", "2 lines read, none matched the default filter, name=value; "
         "found instead: val_acc, lr"),
        ("acc", "the end\nacc: 0.9", "; line 2 holds the name: 'acc: 0.9'; this metricsFormat"),
        ("Acc", "acc=0.9", "; found instead: acc"),
    ],
)  # fmt: skip
def test_lines_that_do_not_match(tmp_path: Path, metric: str, printed: str, said: str) -> None:
    assert said in explained(tmp_path, STDOUT, metric, printed)


@pytest.mark.parametrize(
    ("metric", "line", "value"),
    [
        ("accuracy", "INFO: accuracy: 0.93 (10 s)", "0.93"),
        ("val/loss", "train/loss: 0.1 val/loss: 0.5", "0.5"),
        ("loss", "{'loss': 0.25, 'acc': 0.9}", "0.25"),
        ("val_loss", "{'loss': [0.9, 0.7], 'val_loss': [0.95, 5e-1]}", "5e-1"),
        ("loss", "step 3 loss is 0.5", "0.5"),
        ("loss", "loss .5", ".5"),
    ],
)
def test_the_filter_that_is_told_matches(
    tmp_path: Path, metric: str, line: str, value: str
) -> None:
    said = explained(tmp_path, STDOUT, metric, line)
    _, found, text = said.partition("this metricsFormat matches it: ")
    assert found, said
    assert [report.value for report in text_parser((metric,), (text,))(line)] == [value]


def test_doubled_backslashes(tmp_path: Path) -> None:
    settings = Settings("StdOut", "", False, (r"([\\w|-]+)\\s*[:=]\\s*((-?\\d+)(\\.\\d+)?)",))
    said = explained(tmp_path, settings, "Accuracy", "Accuracy: 71.59% (9332/13036)")
    assert said.endswith(
        r"with single backslashes the filter matches it: ([\w|-]+)\s*[:=]\s*((-?\d+)(\.\d+)?)"
    )


@pytest.mark.parametrize(
    ("printed", "written", "said"),
    [
        ("x", None, "the file /m.json never appeared"),
        ("loss=0.5", None, "the file /m.json never appeared; it printed 'loss=0.5', which the "
         "collector StdOut would read"),
        ("", "", "the file /m.json is empty"),
        ("", '{\n "loss": 0.25,\n "acc": 1\n}', "the file is one JSON document over 4 lines, and "
         "holds loss; one object in each line is read"),
        ("", '{"val_loss": 1}\n', "1 line read, none has the key; found instead: val_loss"),
        ("", '{"loss": [1]}\n', "1 line read; loss must be a number, got '[1]'"),
        ("", "no json\n", "1 line read, none is a JSON object"),
    ],
)  # fmt: skip
def test_json(tmp_path: Path, printed: str, written: str | None, said: str) -> None:
    assert explained(tmp_path, JSON, "loss", printed, written) == said


def test_event_files(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    settings = Settings("TensorFlowEvent", "/tb", False, ())
    made = collectors.collector(settings, ("loss",))
    folder = tmp_path / "tb"
    output = tmp_path / "output"
    assert made.explain(output, folder) == "no event file appeared below /tb"
    (folder / "run1").mkdir(parents=True)
    (folder / "run1" / "a.tfevents").write_bytes(event("Loss", 1.0))
    assert made.explain(output, folder) == "1 event file read; found instead: run1/Loss"
    (folder / "b.tfevents").write_bytes(event("Acc", 1.0) + b"x" * 100)
    output.write_text("loss=0.5\n")
    assert made.explain(output, folder) == (
        "2 event files read, 1 of them damaged; found instead: Acc, run1/Loss; it printed "
        "'loss=0.5', which the collector StdOut would read"
    )


@pytest.mark.parametrize("kind", ["Push", "None"])
def test_a_value_that_was_printed_where_nothing_is_read(tmp_path: Path, kind: str) -> None:
    said = explained(tmp_path, Settings(kind, "", False, ()), "loss", "step=1 loss=0.5\n")
    assert said.endswith("; it printed 'step=1 loss=0.5', which the collector StdOut would read")


@pytest.mark.parametrize("path", ["/../../../etc", "../../..", "/a/../../b", "//../x", "/"])
def test_a_collectors_path_stays_in_the_trials_folder(tmp_path: Path, path: str) -> None:
    settings = Settings("File", path, False, ())
    made = collectors.collector(settings, ("loss",))
    workspace = TrialWorkspace(tmp_path, "study", None, made)  # type: ignore[arg-type]
    trial = Trial(0, "trial", {})
    files: TrialFiles = workspace.files(trial)
    assert workspace.metrics_path(trial).resolve().is_relative_to(files.folder.resolve() / "files")

"""Collectors: lines to reports, and files that grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.client import filters
from suggestion.client.numbers import finite
from suggestion.collectors.lines import CHUNK, LONGEST_LINE, Lines, json_parser, text_parser
from suggestion.controller.observation import Objective, Report, Series


def found(line: str, *texts: str, metrics: tuple[str, ...] = ("loss", "acc")) -> list[Report]:
    return list(text_parser(metrics, texts)(line))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("loss=0.25", "0.25"),
        ("epoch 3: loss = 1e-3, lr=0.1", "1e-3"),
        ("loss=-2", "-2"),
        ("loss=.5", ".5"),
        ("loss=+1.5E+3", "+1.5E+3"),
        ("loss=nan", "nan"),
        ("loss = NaN", "NaN"),
        ("loss=inf", "inf"),
        ("loss=-inf", "-inf"),
    ],
)
def test_the_default_filter(line: str, value: str) -> None:
    assert found(line) == [Report("loss", value)]


@pytest.mark.parametrize(
    "line", ["loss", "loss=", "loss=abc", "loss: 0.3", "myloss=0.3", "LOSS=1", "loss=nano", ""]
)
def test_what_is_no_report(line: str) -> None:
    assert found(line) == []


def test_several_on_one_line_and_a_time_in_front() -> None:
    stamp = "2026-11-21T10:00:00.123456789Z"
    reports = [Report("loss", "1", stamp), Report("acc", "0.5", stamp)]
    assert found(f"{stamp} loss=1 acc=0.5") == reports
    assert found("yesterday loss=1") == [Report("loss", "1")]


def test_own_filters_replace_the_default_one() -> None:
    own = r"\{metricName: ([\w|-]+), metricValue: ((-?\d+)(\.\d+)?)\}"
    assert found("{metricName: loss, metricValue: 0.31}", own) == [Report("loss", "0.31")]
    assert found("loss=0.31", own) == []
    two = found("loss: 3 | loss=4", r"(\w+): (\d+)", r"(\w+)=(\d+)")
    assert two == [Report("loss", "3"), Report("loss", "4")]


@given(st.text(max_size=200))
def test_no_line_raises(line: str) -> None:
    for report in [*found(line), *found(f"loss={line}"), *json_parser(("loss",))(line)]:
        float(report.value)


def test_a_filter_that_runs_out_of_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "LIMIT_SECONDS", 0.01)
    notes: list[str] = []
    slow = r"(?=a)(a|a?)+=(\d)"
    parse = text_parser(("a",), (slow,), notes.append)
    for _ in range(100):
        assert list(parse("a" * 1000 + "=b")) == []
    assert len(notes) == 10
    assert notes[0].startswith(f"filter {slow!r} needed more than")


def test_json_lines() -> None:
    parse = json_parser(("loss", "acc"))
    assert list(parse('{"epoch": 1, "loss": 0.5, "acc": "0.9"}')) == [
        Report("loss", "0.5"),
        Report("acc", "0.9"),
    ]
    assert list(parse('{"loss": NaN}')) == [Report("loss", "nan")]
    stamped = '{"loss": 1, "timestamp": 1763715600.5}'
    assert list(parse(stamped)) == [Report("loss", "1", "2025-11-21T09:00:00.500000Z")]
    written = '{"loss": 1, "timestamp": "2026-11-21T09:00:00Z"}'
    assert list(parse(written)) == [Report("loss", "1", "2026-11-21T09:00:00Z")]
    for line in ("[]", "{", '{"loss": null}', '{"loss": true}', '{"loss": [1]}', "text loss=1"):
        assert list(parse(line)) == []


def lines(path: Path) -> Lines:
    return Lines(path, text_parser(("loss",)), ("loss",))


def test_a_file_is_read_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "out"
    source = lines(path)
    assert source.read(last=False) == []  # not there yet
    path.write_text("loss=1\nloss=2")
    assert [r.value for r in source.read(last=False)] == ["1"]  # the line may go on
    with path.open("a") as file:
        file.write("5\nother\nloss=3")
    assert [r.value for r in source.read(last=False)] == ["25"]
    assert [r.value for r in source.read(last=True)] == ["3"]
    assert source.read(last=True) == []


def test_progress_bars_write_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"10% loss=3\r50% loss=2\r99% loss=1\r")
    assert [r.value for r in lines(path).read(last=False)] == ["3", "2", "1"]


def test_reading_goes_on_from_a_position(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("".join(f"loss={n}\n" for n in range(100)))
    first = lines(path)
    values = [r.value for r in first.read(last=False)]
    again = Lines(path, first.parse, first.metrics, json.loads(json.dumps(first.position)))
    with path.open("a") as file:
        file.write("loss=100\n")
    assert [*values, *(r.value for r in again.read(last=True))] == [str(n) for n in range(101)]


def test_a_file_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("loss=1\nloss=2\n")
    source = lines(path)
    source.read(last=False)
    path.write_text("loss=3\n")
    assert [r.value for r in source.read(last=False)] == ["3"]


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"x" * (40 * LONGEST_LINE) + b"\nloss=7\n")
    source = lines(path)
    reports = source.read(last=False)
    while source.behind:
        reports += source.read(last=False)
    assert [r.value for r in reports] == ["7"]


def everything(lines: Lines) -> list[str]:
    """The values that are found until the end of the file."""
    found = []
    for _ in range(20):
        found += [report.value for report in lines.read(last=True)]
        if not lines.behind:
            return found
    pytest.fail("the file has no end")


@pytest.mark.parametrize("more", range(9))
def test_a_long_line_is_not_cut_within_a_number(more: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b" " * more + b"loss=0.5 " * LONGEST_LINE + b"\nloss=7\n")
    assert set(everything(Lines(path, text_parser(["loss"]), ["loss"]))) == {"0.5", "7"}


def test_the_rest_of_a_long_line_is_skipped_wherever_reading_goes_on(tmp_path: Path) -> None:
    """A name that is cut may be another one: here that of the objective."""
    path = tmp_path / "log"
    path.write_bytes(b"-" * (CHUNK - 4) + b"val_loss=3 loss=4\nloss=7\n")
    lines = Lines(path, text_parser(["loss"]), ["loss"])
    assert lines.read(last=False) == []
    resumed = Lines(path, text_parser(["loss"]), ["loss"], lines.position)
    assert everything(resumed) == ["7"]


def test_a_file_of_a_terabyte_that_occupies_no_room_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"loss=1\n")
    with path.open("r+b") as file:
        file.truncate(1 << 39)
        file.seek(0, 2)
        file.write(b"\nloss=2\n")
        file.truncate(1 << 40)
    assert everything(Lines(path, text_parser(["loss"]), ["loss"])) == ["1", "2"]


def test_room_that_a_trial_reserves_is_not_skipped_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    lines = Lines(path, text_parser(["loss"]), ["loss"])
    assert lines.read(last=False) == []
    with path.open("r+b") as file:
        file.write(b"loss=1\n")
    assert [report.value for report in lines.read(last=False)] == ["1"]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"\xff\xfe\x00 loss=2\n\xc3 loss=3\n")
    assert [r.value for r in lines(path).read(last=True)] == ["2", "3"]


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), (" 3 ", 3.0), ("nan", None), ("1_0", None), ("", None)]
)
def test_finite(text: str, value: float | None) -> None:
    assert finite(text) == value


def objective(**more: object) -> Objective:
    spec = {"type": "minimize", "objectiveMetricName": "loss", **more}
    return Objective.of({"spec": {"objective": spec}})


def series(*values: str) -> dict[str, Series]:
    of = Series()
    for value in values:
        of = of.plus(value)
    return {"loss": of}


@pytest.mark.parametrize(
    ("strategy", "value"), [(None, 0.5), ("min", 0.5), ("max", 3.0), ("latest", 2.0)]
)
def test_the_strategy_says_which_report_counts(strategy: str | None, value: float) -> None:
    strategies = [] if strategy is None else [{"name": "loss", "value": strategy}]
    of = objective(metricStrategies=strategies)
    assert of.value(series("3.0", "0.5", "2.0")) == value


def test_nan_counts_only_as_latest() -> None:
    latest = objective(metricStrategies=[{"name": "loss", "value": "latest"}])
    assert objective().value(series("1", "nan")) == 1
    assert latest.value(series("1", "nan")) is None
    # Nothing finite: servers are told the text itself.
    assert objective().value(series("nan")) is None
    assert objective().observed(series("nan")) == [("loss", "nan")]
    assert objective().available(series("nan"))
    assert not objective().available({})


@pytest.mark.parametrize(
    ("type", "goal", "value", "reached"),
    [
        ("minimize", "0.1", 0.1, True),
        ("minimize", "0.1", 0.2, False),
        ("maximize", "0.9", 0.95, True),
        ("maximize", "0.9", 0.8, False),
        ("maximize", "0", -1.0, False),
        ("minimize", None, -1e9, False),
    ],
)
def test_goals(type: str, goal: str | None, value: float, reached: bool) -> None:
    assert objective(type=type, goal=goal).reached(value) is reached

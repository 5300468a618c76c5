"""Whatever a trial writes or leaves: its reports are sound, or it fails with a reason."""

from __future__ import annotations

import math
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suggestion import collectors
from suggestion.client.document import Collector as Settings
from suggestion.collectors.lines import LONGEST_VALUE, Lines, json_parser, text_parser
from suggestion.controller.context import Source
from suggestion.controller.files import Unusable, clear, open_own
from suggestion.controller.moments import parse
from suggestion.controller.observation import Objective, Report
from suggestion.controller.reporter import NEVER, digest
from suggestion.controller.shown import one_line, plain, plain_output
from suggestion.controller.trials import Trial

OBJECTIVE = Objective("loss", False, None, ("acc",), {"loss": "min", "acc": "latest"})


def sound(reports: list[Report]) -> None:
    """Reports that the machine, the store and every server take."""
    for report in reports:
        assert report.metric in OBJECTIVE.metrics
        float(report.value)
        assert len(report.value) <= LONGEST_VALUE
        assert report.value.isascii()
    trial = Trial(0, "trial", {})
    now = parse("2026-11-27T10:00:00Z")
    assert now is not None
    made = digest(trial, reports, OBJECTIVE, now, NEVER, 0)
    assert [kept.value for kept in made.kept] == [report.value for report in reports]
    assert all(parse(kept.time) is not None for kept in made.kept)


def everything(source: Source) -> list[Report]:
    reports = source.read(True)
    while source.behind:
        reports += source.read(True)
    return reports


NUMBERS = st.sampled_from(
    ["1", "1" * 400, "-" + "9" * 5000, "1e-9999999999", "1e9999", "nan", "-inf", "NaN", "1_0", "٣"]
)
TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59.999999Z",
        "0000-00-00T00:00:00Z",
        "1" + "0" * 400,
    ]
)
FRAGMENTS = st.one_of(
    NUMBERS,
    TIMES,
    st.sampled_from(
        ["loss", "acc", "=", ":", " ", "\n", "\r", '"', "{", "}", "[", "]", ",", '"loss": ',
         '{"loss":' * 8000, '"timestamp": ', "\\ud800", "\0", "\x1b[31m", "\ufeff"]
    ),
    st.text(max_size=8),
)  # fmt: skip
OUTPUT = st.one_of(
    st.binary(max_size=400),
    st.lists(FRAGMENTS, max_size=30).map(lambda parts: "".join(parts).encode("utf-8", "replace")),
)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(OUTPUT, st.sampled_from(["StdOut", "TEXT", "JSON"]))
def test_any_output(tmp_path: Path, written: bytes, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(written)
    name = "StdOut" if kind == "StdOut" else "File"
    made = collectors.collector(Settings(name, "/m/file", kind == "JSON", ()), OBJECTIVE.metrics)
    source = made.source(path, path, None)
    assert source is not None
    sound(everything(source))
    assert plain(made.explain(path, path)).isprintable()


@pytest.mark.parametrize(
    ("line", "value", "time"),
    [
        ("0001-01-01T00:00:00+23:59 loss=0.5", "0.5", ""),
        ("9999-12-31T23:59:59.999999Z loss=0.5", "0.5", "9999-12-31T23:59:59.999999Z"),
        ("٢٠٢٦-01-01T00:00:00Z loss=0.5", "0.5", ""),
        (f"loss={'1' * 400}", "inf", ""),
        (f"loss=0.{'1' * 400}", "0.1111111111111111", ""),
        ("loss=\x1b[32m0.5\x1b[0m", "0.5", ""),
        ("\x1b[1mloss\x1b[0m=\x1b]8;;x\x07 0.5", "0.5", ""),
    ],
)
def test_lines_at_the_edge(tmp_path: Path, line: str, value: str, time: str) -> None:
    (tmp_path / "file").write_text(line + "\n")
    reports = Lines(tmp_path / "file", text_parser(("loss",)), ("loss",)).read(True)
    sound(reports)
    (report,) = reports
    assert (report.value, parse(report.time)) == (value, parse(time))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (f'{{"loss": 1, "timestamp": 1{"0" * 400}}}', "1"),
        (f'{{"loss": {"1" * 5000}}}', "inf"),
        ('{"loss": 0.25, "timestamp": "9999-12-31T23:59:59-23:59"}', "0.25"),
        ('{"loss": "0.25", "x": "\\ud800"}', "0.25"),
        ('{"loss": "\\ud800"}', None),
        ('{"loss":' * 8000 + "1" + "}" * 8000, None),
    ],
)
def test_json_at_the_edge(tmp_path: Path, line: str, value: str | None) -> None:
    (tmp_path / "file").write_text(line + "\n")
    reports = Lines(tmp_path / "file", json_parser(("loss",)), ("loss",)).read(True)
    sound(reports)
    assert [report.value for report in reports] == ([] if value is None else [value])


# ------------------------------------------------------------------ TensorFlow events


def record(data: bytes) -> bytes:
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import (  # noqa: PLC0415
        masked_crc32c,
    )

    length = struct.pack("<Q", len(data))
    return (
        length
        + struct.pack("<I", masked_crc32c(length))
        + data
        + struct.pack("<I", masked_crc32c(data))
    )


def event(tag: str, value: float, wall_time: float = 1.0) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415

    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return record(Event(wall_time=wall_time, summary=summary).SerializeToString())


def tensor(shape: int, dtype: int = 1, content: bytes = b"") -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415

    made = Event()
    value = made.summary.value.add(tag="loss")
    value.tensor.dtype = dtype
    value.tensor.tensor_shape.dim.add(size=shape)
    value.tensor.float_val.append(0.5)
    value.tensor.tensor_content = content
    return record(made.SerializeToString())


def events_of(folder: Path, *metrics: str) -> Any:
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    from suggestion.collectors.tensorboard import TensorBoard  # noqa: PLC0415

    return TensorBoard(folder, metrics or ("loss",))


def values(source: Any) -> list[tuple[str, str]]:
    return [(report.metric, report.value) for report in everything(source)]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.one_of(st.binary(max_size=60), st.just(b"EVENT"), st.just(b"BYTES")), max_size=6)
)
def test_any_event_file(tmp_path: Path, parts: list[bytes]) -> None:
    source = events_of(tmp_path)
    good = {b"EVENT": event("loss", 0.5, math.inf), b"BYTES": record(b"\x0a\xff\xff")}
    (tmp_path / "a.tfevents").write_bytes(b"".join(good.get(part, part) for part in parts))
    sound(everything(source))


def test_event_files_that_lie(tmp_path: Path) -> None:
    """A few bytes that declare a huge record or tensor cost no memory."""
    source = events_of(tmp_path)
    head = struct.pack("<Q", 2**62)
    whole = tensor(1) + tensor(2**40) + tensor(1, 99) + tensor(1, 1, b"abc") + event("loss", 0.25)
    masked = record(b"")[8:12]
    assert masked
    (tmp_path / "a.tfevents").write_bytes(whole + head + struct.pack("<I", 0) + event("loss", 1))
    assert values(source) == [("loss", "0.5"), ("loss", "0.25")]
    assert values(source) == []


def test_several_writers_and_a_restart_lose_no_value(tmp_path: Path) -> None:
    """Writers take turns in one folder, and a later file begins again at the first step."""
    source = events_of(tmp_path)
    a, b, c = (tmp_path / f"events.out.tfevents.{name}" for name in "abc")
    seen = []
    for turn in range(3):
        for path in (a, b):
            with path.open("ab") as file:
                file.write(event("loss", turn + (path == b) / 2, wall_time=turn))
        seen += values(source)
    c.write_bytes(event("loss", 9.0, wall_time=0.5))
    seen += values(source)
    assert sorted(value for _, value in seen) == ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "9.0"]
    position = source.position
    with a.open("ab") as file:
        file.write(event("loss", 4.0)[:-3])
    assert values(source) == []
    with a.open("ab") as file:
        file.write(event("loss", 4.0)[-3:])
    again = events_of(tmp_path)
    again.position = position
    assert values(again) == [("loss", "4.0")]


@pytest.mark.parametrize("folder", ["train", "run1/train", "a/b/run1/train"])
def test_a_metric_of_a_folder(tmp_path: Path, folder: str) -> None:
    source = events_of(tmp_path, "train/loss", "loss")
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "run1" / "mytrain").mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "x.tfevents").write_bytes(event("loss", 0.5))
    (tmp_path / "run1" / "mytrain" / "x.tfevents").write_bytes(event("loss", 0.25))
    assert ("train/loss", "0.5") in values(source)
    assert ("train/loss", "0.25") not in values(events_of(tmp_path, "train/loss"))


# ------------------------------------------------------------------- what is no file


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def out(path: Path) -> None:
    (path.parent.parent / "secret").write_text("loss=1\n")
    path.symlink_to("../secret")


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a folder": Path.mkdir,
    "a pipe": pipe,
    "a socket": listening,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link out of it": out,
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("collector", ["File", "StdOut", "TensorFlowEvent"])
def test_what_is_no_file(tmp_path: Path, kind: str, collector: str) -> None:
    """Neither waits for a writer nor reads without end, nor what is somebody else's."""
    if collector == "TensorFlowEvent":
        pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    folder = tmp_path / "trial"
    folder.mkdir()
    path = folder / "m.tfevents"
    NO_FILES[kind](path)
    settings = Settings(collector, "/m", False, ())
    made = collectors.collector(settings, ("loss",))
    place = folder if collector == "TensorFlowEvent" else path
    source = made.source(path if collector == "StdOut" else folder / "output", place, None)
    assert source is not None
    if kind == "a folder" and collector == "TensorFlowEvent":
        assert source.read(True) == []
        return
    with pytest.raises(Unusable, match=f"m.tfevents must be a file.*, got {kind}"):
        source.read(True)
    clear(path)
    assert not path.exists()
    assert not path.is_symlink()


def test_a_link_within_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "run-1" / "m.log").write_text("loss=1\n")
    (tmp_path / "m.log").symlink_to("run-1/m.log")
    assert Lines(tmp_path / "m.log", text_parser(("loss",)), ("loss",)).read(True)


def test_a_folder_may_be_reached_through_a_link(tmp_path: Path) -> None:
    """A file in it is its own, one in a neighbour whose name begins alike is not."""
    for name in ("trial", "trial-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.log").write_text("loss=1\n")
    linked = tmp_path / "linked"
    linked.symlink_to("trial")
    for root in (linked, tmp_path / "trial-2" / ".." / "trial"):
        file = open_own(root / "m.log", root)
        assert file is not None
        file.close()
    (tmp_path / "trial" / "other.log").symlink_to("../trial-2/m.log")
    for root in (linked, tmp_path / "trial"):
        with pytest.raises(Unusable, match="a link out of it"):
            open_own(root / "other.log", root)


# ------------------------------------------------------------------------- terminals


@given(st.text(st.characters(codec=None), max_size=60))
def test_plain_text_steers_no_terminal(text: str) -> None:
    made = plain(text)
    assert all(letter.isprintable() or letter in "\n\t" or ord(letter) > 0x9F for letter in made)
    assert "\x1b" not in made
    made.encode()
    assert plain(made) == made
    assert len(one_line(text)) <= 200


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_plain_output_is_plain(pieces: list[bytes]) -> None:
    made = "".join(plain_output(pieces))
    assert "\x1b" not in made
    assert "\r" not in made


def test_plain_output_of_colours_that_are_cut() -> None:
    assert "".join(plain_output([b"\x1b[3", b"1mred\x1b", b"[0m\r", b"\nend"])) == "red\nend"

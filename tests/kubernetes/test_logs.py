"""Output of containers: each line once, whoever died in between; and files that come as output."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from suggestion.runtimes.kubernetes import sidecar
from suggestion.runtimes.kubernetes.api import Away, Refused
from suggestion.runtimes.kubernetes.logs import Lines, Mirror, OutputFile, Position, Reader

# Two lines of one time, and fractions without trailing zeros.
STAMPS = ["01.5Z", "01.50000001Z", "02Z", "02Z", "02.1Z", "03.25Z"]
LOG = b"".join(f"2026-01-01T00:00:{stamp} line {n}\n".encode() for n, stamp in enumerate(STAMPS))
TEXT = b"".join(f"line {n}\n".encode() for n in range(len(STAMPS)))


def since(position: Position) -> bytes:
    """What a cluster gives from the second of a position on."""
    second = position.time.partition(".")[0].rstrip("Z")
    return b"".join(line for line in LOG.splitlines(True) if line.decode() >= second)


@pytest.mark.parametrize("cut", range(0, len(LOG), 7))
def test_a_log_goes_on_where_it_was_left(cut: int) -> None:
    first = Lines(Position(size=100))
    kept = first.feed(LOG[:cut])
    second = Lines(first.position)
    kept += second.feed(since(first.position))
    assert kept == TEXT
    assert second.position.size == 100 + len(TEXT)


@pytest.mark.parametrize("extra", [0, 1, 7, 20])
def test_what_was_kept_before_that_was_noted_is_not_kept_twice(extra: int) -> None:
    first = Lines(Position())
    first.feed(LOG[:60])
    noted = first.position
    second = Lines(noted, extra)
    assert second.feed(since(noted)) == TEXT[noted.size + extra :]
    assert second.position.size == len(TEXT)


def test_a_node_may_have_a_time_zone_and_change_it() -> None:
    """As containerd writes it: on a summer day, and after the clock was set back that night."""
    log = (
        b"2026-10-25T02:59:59.9+02:00 loss=3\n"
        b"2026-10-25T02:00:00+01:00 loss=2\n"
        b"2026-10-25T02:00:00.5+01:00 loss=1\n"
    )
    cut = log.index(b"loss=1") - 5
    first = Lines(Position())
    assert first.feed(log[:cut]) == b"loss=3\nloss=2\n"
    second = Lines(first.position)
    assert second.since == "2026-10-25T01:00:00Z"
    assert second.feed(log) == b"loss=1\n"


class Cluster:
    """An API that breaks off after some bytes, and answers errors."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def log(self, pod: str, container: str, since: str) -> Any:
        self.asked.append(since)
        answer = self._answers.pop(0) if self._answers else LOG
        if isinstance(answer, Exception):
            raise answer
        return Broken(answer, bool(self._answers))


class Broken:
    def __init__(self, data: bytes, breaks: bool) -> None:
        self._data, self._breaks = data, breaks

    def chunks(self) -> Iterator[bytes]:
        yield self._data[:50]
        yield self._data[50:]
        if self._breaks:
            raise Away("gone")

    def interrupt(self) -> None: ...
    def close(self) -> None: ...


def follow(folder: Path, cluster: Cluster) -> bytes:
    ended = threading.Event()
    output = folder / "output-1.log"
    api: Any = cluster
    sizes: list[int] = []
    path, kept = folder / "log.json", lambda: sizes.append(output.stat().st_size)
    reader = Reader(api, "p", "main", OutputFile(output), path, kept, ended.set, lambda text: None)
    reader.over()
    assert ended.wait(20)
    reader.join()
    if cluster.asked and sizes:
        assert sizes[-1] == output.stat().st_size  # all of it is announced
    return output.read_bytes()


def test_a_broken_stream_is_opened_again(tmp_path: Path) -> None:
    cluster = Cluster(LOG[:70], Refused(400, "it has not begun"))
    assert follow(tmp_path, cluster) == b"line 0\nline 1\n"
    # Another runner goes on; then nothing is left to read.
    assert follow(tmp_path, Cluster(LOG)) == TEXT
    silent = Cluster()
    assert follow(tmp_path, silent) == TEXT
    assert silent.asked == []


def test_why_there_is_no_more_is_no_output(tmp_path: Path) -> None:
    """A node that cannot read on says so behind the lines, with status 200."""
    reason = b"failed to create fsnotify watcher: too many open files"
    cluster = Cluster(LOG[:67] + reason + b"\n", LOG[:67] + reason)
    assert follow(tmp_path, cluster) == TEXT
    assert cluster.asked == ["", "2026-01-01T00:00:01Z", "2026-01-01T00:00:01Z"]


def test_a_pod_that_is_gone_has_no_log(tmp_path: Path) -> None:
    (tmp_path / "output-1.log").write_bytes(b"before\n")
    assert follow(tmp_path, Cluster(Refused(404, "gone"))) == b"before\n"


def test_files_that_come_as_output(tmp_path: Path) -> None:
    """By the source that travels in a trial's object, as the side-car runs it."""
    there, here = tmp_path / "there", tmp_path / "here" / "logs"
    there.mkdir()
    command = [sys.executable, "-I", "-u", "-c", sidecar.source(), str(there)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        (there / "run").mkdir()
        (there / "events").write_bytes(bytes(range(256)) * 100)
        first = process.stdout.readline()  # from now on it heeds the signal
        with (there / "run" / "metrics").open("w") as file:
            for number in range(5):
                file.write(f"loss={number}\n")
                file.flush()
                time.sleep(0.1)
        process.terminate()
        rest = process.stdout.read()
    said = first + rest
    assert max(map(len, said.splitlines())) < 16 * 1024
    for _ in range(2):  # what comes twice does no harm
        Mirror(here).write(said)
    assert (here / "events").read_bytes() == bytes(range(256)) * 100
    assert (here / "run" / "metrics").read_text() == "".join(f"loss={n}\n" for n in range(5))


def test_a_mirror_writes_below_its_path(tmp_path: Path) -> None:
    lines = [
        '{"path": "../out", "begin": 0, "data": "eA=="}',
        '{"path": "/out", "begin": 0, "data": "eA=="}',
        '{"path": "in", "begin": "?", "data": "eA=="}',
        "Traceback (most recent call last):",
        '{"path": "in", "begin": 0, "data": "eA=="}',
    ]
    Mirror(tmp_path / "a").write("\n".join(lines).encode())
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["in"]

"""Metrics collectors: they read what a trial prints or writes, and turn lines into reports."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

# A name, an equals sign and a number; what a collector on a cluster uses, too.
DEFAULT_FILTER: Final = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
# The default filter matches "loss=nan" with an empty number. What stands there then:
_NOT_FINITE: Final = re.compile(r"[+-]?(nan|inf(inity)?)\b", re.IGNORECASE)
_TIME: Final = re.compile(
    r"\s*(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))(?=\s|$)"
)

LONGEST_LINE: Final = 64 * 1024
CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Report:
    """One value of one metric.

    Attributes:
        metric, value: As text; the value is a number, which may be nan.
        time: RFC 3339 as the trial wrote it; empty if it wrote none.
    """

    metric: str
    value: str
    time: str = ""


Parser = Callable[[str], Iterable[Report]]


def text_parser(metrics: Sequence[str], filters: Sequence[str] = ()) -> Parser:
    """Finds ``name=value`` in lines of text, or what `filters` say.

    Of a filter group 1 is the name, group 2 the value. A line may begin with its time in RFC 3339.
    """
    wanted = frozenset(metrics)
    # ASCII, because the same filters run in Go on a cluster, where \w and \d are ASCII.
    patterns = [re.compile(text, re.ASCII) for text in filters or (DEFAULT_FILTER,)]

    def parse(line: str) -> Iterator[Report]:
        if not any(metric in line for metric in wanted):
            return
        stamp = _TIME.match(line)
        time = stamp[1] if stamp else ""
        for pattern in patterns:
            for match in pattern.finditer(line):
                name = (match[1] or "").strip()
                if name not in wanted:
                    continue
                value = (match[2] or "").strip()
                if not _is_number(value):
                    other = _NOT_FINITE.match(line, match.start(2)) if match.start(2) >= 0 else None
                    if other is None:
                        continue
                    value = other[0]
                yield Report(name, value, time)

    return parse


def json_parser(metrics: Sequence[str]) -> Parser:
    """Reads one JSON object per line: ``{"epoch": 3, "loss": 0.2, "timestamp": ...}``.

    Values are numbers or texts; the time is RFC 3339 or seconds since 1970. A line that is no
    object is skipped: one broken line does not cost the trial.
    """

    def parse(line: str) -> Iterator[Report]:
        line = line.strip()
        if not line.startswith("{"):
            return
        try:
            entry = json.loads(line)
        except ValueError:
            return
        time = _time_of(entry.get("timestamp"))
        for name in metrics:
            value = entry.get(name)
            if isinstance(value, bool) or value is None:
                continue
            text = value if isinstance(value, str) else repr(value)
            if _is_number(text):
                yield Report(name, text.strip(), time)

    return parse


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python's own spelling; 1_0 is no number elsewhere


def finite(text: str) -> float | None:
    """The finite number that `text` holds, or None."""
    value = float(text) if _is_number(text) else math.nan
    return value if math.isfinite(value) else None


def _time_of(stamp: object) -> str:
    if isinstance(stamp, str):
        match = _TIME.match(stamp)
        return match[1] if match else ""
    if isinstance(stamp, int | float) and not isinstance(stamp, bool) and math.isfinite(stamp):
        try:
            return rfc3339(datetime.fromtimestamp(stamp, UTC))
        except (OverflowError, ValueError, OSError):
            return ""
    return ""


def rfc3339(moment: datetime) -> str:
    """`moment` as ``2026-11-21T22:10:03.123456Z``."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Source(Protocol):
    """What a trial writes its metrics to, read as it grows."""

    def read(self, last: bool) -> list[Report]:
        """Reports since the previous call, at most about a megabyte's worth.

        Args:
            last: The trial has ended: an unfinished line counts.
        """
        ...

    @property
    def position(self) -> Any:
        """Where the next `read` begins, as JSON."""
        ...

    @property
    def behind(self) -> bool:
        """Whether there is more to read at once."""
        ...


@dataclass
class Lines:
    """A growing file of lines, read from `position` on.

    Lines end in ``\\n`` or, as progress bars write them, in ``\\r``. Of a line longer than 64 KiB
    the rest is skipped. A file that has shrunk was begun anew, and is read from its beginning.

    Attributes:
        path: Of the file; it need not exist yet.
        parse: Applied to each line.
        metrics: A chunk that names none of them is skipped unparsed.
        position: In bytes.
    """

    path: Path
    parse: Parser
    metrics: Sequence[str]
    position: int = 0
    behind: bool = False
    _needles: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        # JSON may write a name with escapes; such names cannot be looked for in bytes.
        self._needles = tuple(name.encode() for name in self.metrics if name.isascii())
        if len(self._needles) < len(self.metrics) or any(b'"' in n for n in self._needles):
            self._needles = (b"",)

    def read(self, last: bool) -> list[Report]:
        """Reports in the lines that have been completed since."""
        self.behind = False
        try:
            size = os.stat(self.path).st_size
        except FileNotFoundError:
            return []
        if size < self.position:
            self.position = 0
        if size == self.position:
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            chunk = file.read(CHUNK)
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        whole = self.position + len(chunk) >= size
        if not end:
            if len(chunk) >= LONGEST_LINE or (last and whole):
                end = len(chunk)
        elif last and whole:
            end = len(chunk)
        self.behind = end > 0 and self.position + end < size
        self.position += end
        data = chunk[:end]
        if not any(needle in data for needle in self._needles):
            return []
        reports: list[Report] = []
        for line in re.split(rb"[\r\n]+", data):
            if line:
                reports += self.parse(line[:LONGEST_LINE].decode("utf-8", "replace"))
        return reports


class TensorBoard:
    """TensorFlow event files below a folder, read with `tensorboard`'s own reader.

    A metric is a tag, or ``folder/tag`` for the tag of the event files in that folder.
    """

    def __init__(self, folder: Path, metrics: Sequence[str], position: Any = None) -> None:
        self.folder = folder
        self.metrics = metrics
        # Number of values of each metric that have been read, by folder and tag.
        self._seen: dict[str, int] = dict(position or {})
        self._readers: dict[Path, Any] = {}
        self._sizes: dict[Path, int] = {}

    behind = False

    @property
    def position(self) -> dict[str, int]:
        """Values read so far, by folder and tag."""
        return self._seen

    @staticmethod
    def installed() -> bool:
        """Whether the reader is there."""
        from importlib.util import find_spec  # noqa: PLC0415

        return find_spec("tensorboard") is not None

    def read(self, last: bool) -> list[Report]:
        """Values written since."""
        found: list[tuple[float, Report]] = []
        for folder in sorted({path.parent for path in self.folder.rglob("*tfevents*")}):
            size = sum(path.stat().st_size for path in folder.glob("*tfevents*"))
            if size == self._sizes.get(folder):
                continue
            self._sizes[folder] = size
            found += self._folder(folder)
        found.sort(key=lambda entry: entry[0])
        return [report for _, report in found]

    def _folder(self, folder: Path) -> Iterator[tuple[float, Report]]:
        reader = self._readers.get(folder)
        if reader is None:
            from tensorboard.backend.event_processing import (  # noqa: PLC0415
                event_accumulator,
            )

            guidance = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
            reader = event_accumulator.EventAccumulator(str(folder), size_guidance=guidance)
            self._readers[folder] = reader
        reader.Reload()
        here = folder.relative_to(self.folder).as_posix()
        tags = reader.Tags()
        for metric in self.metrics:
            for tag in {metric, metric.removeprefix(f"{here}/")}:
                values = self._values(reader, tags, tag)
                key = f"{here}:{tag}"
                for when, value in values[self._seen.get(key, 0) :]:
                    stamp = rfc3339(datetime.fromtimestamp(when, UTC))
                    yield when, Report(metric, repr(value), stamp)
                if values:
                    self._seen[key] = len(values)

    @staticmethod
    def _values(reader: Any, tags: Mapping[str, Any], tag: str) -> list[tuple[float, float]]:
        if tag in tags["scalars"]:
            return [(event.wall_time, float(event.value)) for event in reader.Scalars(tag)]
        if tag in tags["tensors"]:  # TensorFlow 2 writes scalars as tensors
            from tensorboard.util import tensor_util  # noqa: PLC0415

            return [
                (event.wall_time, float(tensor_util.make_ndarray(event.tensor_proto)))
                for event in reader.Tensors(tag)
            ]
        return []

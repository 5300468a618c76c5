"""Metrics in lines of text or JSON, printed by a trial or written to its file."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from suggestion.client.document import Collector as Settings
from suggestion.client.filters import DEFAULT_FILTER, compile_filter
from suggestion.client.numbers import is_number
from suggestion.controller.context import Source
from suggestion.controller.moments import rfc3339
from suggestion.controller.observation import Report

# The default filter matches "loss=nan" with an empty number. What stands there then:
_NOT_FINITE: Final = re.compile(r"[+-]?(nan|inf(inity)?)\b", re.IGNORECASE)
_TIME: Final = re.compile(
    r"\s*(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))(?=\s|$)"
)

LONGEST_LINE: Final = 64 * 1024
CHUNK: Final = 1024 * 1024


Parser = Callable[[str], Iterable[Report]]


def text_parser(metrics: Sequence[str], filters: Sequence[str] = ()) -> Parser:
    """Find ``name=value`` in lines of text, or what `filters` say.

    Of a filter group 1 is the name, group 2 the value. A line may begin with its time in RFC 3339.
    """
    wanted = frozenset(metrics)
    compiled = [compile_filter(text) for text in filters or (DEFAULT_FILTER,)]

    def parse(line: str) -> Iterator[Report]:
        if not any(metric in line for metric in wanted):
            return
        stamp = _TIME.match(line)
        time = stamp[1] if stamp else ""
        for each in compiled:
            for name, value, start in each.find(line):
                if name not in wanted:
                    continue
                if not is_number(value):
                    other = _NOT_FINITE.match(line, start) if start >= 0 else None
                    if other is None:
                        continue
                    yield Report(name, other[0], time)
                else:
                    yield Report(name, value, time)

    return parse


def json_parser(metrics: Sequence[str]) -> Parser:
    """Read one JSON object per line: ``{"epoch": 3, "loss": 0.2, "timestamp": ...}``.

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
            if is_number(text):
                yield Report(name, text.strip(), time)

    return parse


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


@dataclass
class Lines:
    """Read a growing file of lines from `position` on.

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
        """Return the reports in the lines that have been completed since."""
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


@dataclass(frozen=True, slots=True)
class Output:
    """Collect metrics from what trials print."""

    settings: Settings
    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = True
    file: bool = False

    @property
    def path(self) -> str:
        return ""

    def prepare(self, path: Path) -> None:
        """Nothing is there to prepare."""

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return Lines(output, parser(self.settings, self.metrics), self.metrics, int(position or 0))


@dataclass(frozen=True, slots=True)
class File:
    """Collect metrics from a file that each trial writes."""

    settings: Settings
    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = False
    file: bool = True

    @property
    def path(self) -> str:
        return self.settings.path

    def prepare(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return Lines(path, parser(self.settings, self.metrics), self.metrics, int(position or 0))


def parser(settings: Settings, metrics: Sequence[str]) -> Parser:
    """Return the parser that a collector's settings ask for."""
    return json_parser(metrics) if settings.json else text_parser(metrics, settings.filters)

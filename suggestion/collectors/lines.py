"""Metrics in lines of text or JSON, printed by a trial or written to its file."""

from __future__ import annotations

import errno
import json
import os
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from suggestion.client.document import Collector as Settings
from suggestion.client.filters import DEFAULT_FILTER, LIMIT_SECONDS, compile_filter
from suggestion.client.numbers import is_number
from suggestion.controller.context import Source
from suggestion.controller.files import clear, open_own, size_of
from suggestion.controller.moments import rfc3339
from suggestion.controller.observation import Report
from suggestion.controller.shown import without_sequences
from suggestion.problem.errors import quote

# The default filter matches "loss=nan" with an empty number. What stands there then:
_NOT_FINITE: Final = re.compile(r"[+-]?(nan|inf(inity)?)\b", re.IGNORECASE)
_TIME: Final = re.compile(
    r"\s*(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d))(?=\s|$)",
    re.ASCII,
)

LONGEST_LINE: Final = 64 * 1024
_LINE_END: Final = re.compile(rb"[\r\n]")
#: Bytes of a name or a number. What they end with is not known where a line is cut.
_WORD: Final = (string.ascii_letters + string.digits + "_.+-").encode()
CHUNK: Final = 1024 * 1024
#: Characters of a value that is passed on as the trial wrote it.
LONGEST_VALUE: Final = 64
# More than any float has before its point.
_MOST_DIGITS: Final = 310


#: What is collected here and not on a cluster, for people.
NO_OBJECT: Final = (
    "lines that are no JSON objects are skipped; a cluster's metrics collector fails at the first"
)
JSON_NUMBER: Final = (
    "metrics are JSON numbers; a cluster's metrics collector takes only texts, "
    'as in {"loss": "0.25"}'
)
SLOW: Final = (
    f"filter {{}} needed more than {LIMIT_SECONDS:g} s for a line, which is skipped; after ten "
    f"such lines of a trial it is not used any more"
)
COLOURS: Final = "metrics are read through colours; a cluster's metrics collector does not do that"

Parser = Callable[[str], Iterable[Report]]


def text_parser(
    metrics: Sequence[str],
    filters: Sequence[str] = (),
    note: Callable[[str], None] = lambda text: None,
) -> Parser:
    """Find ``name=value`` in lines of text, or what `filters` say.

    Of a filter group 1 is the name, group 2 the value. A line may begin with its time in RFC 3339.

    Args:
        note: Told of a filter that ran out of time.
    """
    wanted = frozenset(metrics)
    compiled = [compile_filter(text) for text in filters or (DEFAULT_FILTER,)]

    def parse(line: str) -> Iterator[Report]:
        if not any(metric in line for metric in wanted):
            return
        stamp = _TIME.match(line)
        time = stamp[1] if stamp else ""
        for each in compiled:
            expired = each.expired
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
            if each.expired > expired:
                note(SLOW.format(quote(each.text)))

    return parse


def json_parser(metrics: Sequence[str], note: Callable[[str], None] = lambda text: None) -> Parser:
    """Read one JSON object per line: ``{"epoch": 3, "loss": 0.2, "timestamp": ...}``.

    Values are numbers or texts; the time is RFC 3339 or seconds since 1970. A line that is no
    object is skipped: one broken line does not cost the trial.

    Args:
        note: Told what a cluster would not collect.
    """

    def parse(line: str) -> Iterator[Report]:
        line = line.strip()
        if not line:
            return
        try:
            entry = json.loads(line, parse_int=_integer)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            note(NO_OBJECT)
            return
        time = _time_of(entry.get("timestamp"))
        for name in metrics:
            value = entry.get(name)
            if isinstance(value, bool) or value is None:
                continue
            text = value if isinstance(value, str) else repr(value)
            if is_number(text):
                if text is not value:
                    note(JSON_NUMBER)
                yield Report(name, text.strip(), time)

    return parse


def _time_of(stamp: object) -> str:
    if isinstance(stamp, str):
        match = _TIME.match(stamp)
        return match[1] if match else ""
    if isinstance(stamp, int | float) and not isinstance(stamp, bool):
        with suppress(OverflowError, ValueError, OSError):
            return rfc3339(datetime.fromtimestamp(stamp, UTC))
    return ""


def _integer(digits: str) -> int | float:
    """Read a whole number; Python refuses to read one of thousands of digits."""
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def short(report: Report) -> Report:
    """Return `report` with a value that every server takes: a number of few digits stays as is."""
    if len(report.value) <= LONGEST_VALUE:
        return report
    return Report(report.metric, repr(float(report.value)), report.time)


def _beginning(line: bytes) -> bytes:
    """Return the part of `line` that is read; a number is not cut to another one."""
    return line if len(line) < LONGEST_LINE else line[:LONGEST_LINE].rstrip(_WORD)


def _after_hole(descriptor: int, position: int, size: int) -> int:
    """Return where the data of a file goes on, at `position` or later; `size` if nowhere.

    A file of a terabyte that occupies no room on the disk would be read for hours.
    """
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        return size if error.errno == errno.ENXIO else position  # not every file system knows


@dataclass
class Lines:
    """Read a growing file of lines from `position` on.

    Lines end in ``\\n`` or, as progress bars write them, in ``\\r``. Of a line longer than 64 KiB
    the rest is skipped. A file that has shrunk was written again, and is read from its beginning.

    Attributes:
        path: Of the file; it need not exist yet.
        parse: Applied to each line.
        metrics: A chunk that names none of them is skipped unparsed.
        position: In bytes.
        root: Folder in which the file must be, wherever links lead; None: that of `path`.
        notes: What was collected that a cluster would not collect, for people.
    """

    path: Path
    parse: Parser
    metrics: Sequence[str]
    position: int = 0
    root: Path | None = None
    notes: set[str] = field(default_factory=set)
    behind: bool = False
    _needles: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        # JSON may write a name with escapes; such names cannot be looked for in bytes.
        self._needles = tuple(name.encode() for name in self.metrics if name.isascii())
        if len(self._needles) < len(self.metrics) or any(b'"' in n for n in self._needles):
            self._needles = (b"",)

    def read(self, last: bool) -> list[Report]:
        """Return the reports in the lines that have been completed since.

        Raises:
            Unusable: If what is there is not a file of the trial's own.
        """
        self.behind = False
        if size_of(self.path) == self.position:
            return []
        file = open_own(self.path, self.root or self.path.parent)
        if file is None:
            return []
        with file:
            size = os.fstat(file.fileno()).st_size
            if size < self.position:
                self.position = 0
            if size == self.position:
                return []
            # The byte before tells whether a line has begun there, or is being skipped.
            before = max(self.position - 1, 0)
            if (data_at := _after_hole(file.fileno(), self.position, size)) > self.position:
                if data_at == size and not last:
                    return []  # room that the trial has reserved
                self.position, before = data_at, data_at
            file.seek(before)
            chunk = file.read(CHUNK)
        begun = self.position - before
        inside = begun and chunk[:1] not in (b"\n", b"\r")
        chunk = chunk[begun:]
        start = 0
        if inside:
            found = _LINE_END.search(chunk)
            start = found.end() if found else len(chunk)
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        whole = self.position + len(chunk) >= size
        if not end:
            if start or len(chunk) >= LONGEST_LINE or (last and whole):
                end = len(chunk)
        elif last and whole:
            end = len(chunk)
        self.behind = end > 0 and self.position + end < size
        self.position += end
        data = chunk[start:end]
        if not any(needle in data for needle in self._needles):
            return []
        reports: list[Report] = []
        for line in re.split(rb"[\r\n]+", data):
            if line:
                reports += self._reports(_beginning(line).decode("utf-8", "replace"))
        return reports

    def _reports(self, line: str) -> list[Report]:
        bare = without_sequences(line) if "\x1b" in line else line
        found = [short(report) for report in self.parse(bare)]
        if found and bare is not line:
            self.notes.add(COLOURS)
        return found


@dataclass(frozen=True, slots=True)
class Output:
    """Collect metrics from what trials print."""

    settings: Settings
    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = True
    line_format: str = ""

    @property
    def path(self) -> str:
        return ""

    def prepare(self, path: Path) -> None:
        """Nothing is there to prepare."""

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return _followed(output, output.parent, self.settings, self.metrics, position)

    def explain(self, output: Path, path: Path) -> str:
        from suggestion.collectors.diagnosis import explain_lines  # noqa: PLC0415

        return explain_lines(output, None, self.settings, self.metrics[0])


@dataclass(frozen=True, slots=True)
class File:
    """Collect metrics from a file that each trial writes."""

    settings: Settings
    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = False

    @property
    def path(self) -> str:
        return self.settings.path

    @property
    def line_format(self) -> str:
        return "json" if self.settings.json else "text"

    def prepare(self, path: Path) -> None:
        clear(path)

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return _followed(path, output.parent, self.settings, self.metrics, position)

    def explain(self, output: Path, path: Path) -> str:
        from suggestion.collectors.diagnosis import explain_lines  # noqa: PLC0415

        return explain_lines(output, path, self.settings, self.metrics[0])


def _followed(
    path: Path, root: Path, settings: Settings, metrics: Sequence[str], position: Any
) -> Lines:
    """Return a reader of `path` for a collector with these settings."""
    notes: set[str] = set()
    if settings.json:
        parse = json_parser(metrics, notes.add)
    else:
        parse = text_parser(metrics, settings.filters, notes.add)
    return Lines(path, parse, metrics, int(position or 0), root, notes)

"""Metrics in TensorFlow event files.

Each file is read by itself, from where the last reading ended. TensorBoard's own reader takes a
folder for one stream: it loses values when several writers share a folder, and drops those from
before a restart.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from suggestion.client.document import Collector as Settings
from suggestion.collectors.diagnosis import instead, printed
from suggestion.controller.context import Source
from suggestion.controller.files import clear, open_own
from suggestion.controller.moments import rfc3339
from suggestion.controller.observation import Report

# What stands before a record: its length, and the checksum of that.
_HEAD: Final = struct.Struct("<QI")
# What stands behind it: the checksum of its data.
_CHECKSUM: Final = struct.Struct("<I")
#: Bytes of one file that are read at a time, at least one record.
CHUNK: Final = 1024 * 1024
#: A longer record holds no mere number, and is skipped.
LONGEST_RECORD: Final = 16 * 1024 * 1024
# Files that are looked into for tags.
_MOST_FILES: Final = 20
# Checksums of longer records take too long in Python; records with numbers are far shorter.
_LONGEST_CHECKED: Final = 4096


@dataclass(frozen=True, slots=True)
class Events:
    """Collect metrics from event files in a folder of each trial."""

    settings: Settings
    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = False
    line_format: str = ""

    @property
    def path(self) -> str:
        return self.settings.path

    def prepare(self, path: Path) -> None:
        clear(path)
        path.mkdir(mode=0o700)

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return TensorBoard(path, self.metrics, position or {}, output.parent)

    def explain(self, output: Path, path: Path) -> str:
        return explain(path, output.parent, self.path) + printed(output, self.metrics[0])


class Broken(Exception):
    """A record is damaged; what follows it in its file cannot be read."""


@dataclass
class TensorBoard:
    """Read TensorFlow event files below a folder.

    A metric is a tag, or ``folder/tag`` for the tag in the event files of every folder whose path
    ends in ``folder``. A damaged record ends the reading of its file.

    Attributes:
        position: Bytes that have been read, by the file's path below `folder`.
        root: Folder in which the files must be, wherever links lead; None: `folder`.
    """

    folder: Path
    metrics: Sequence[str]
    position: Mapping[str, int] = field(default_factory=dict)
    root: Path | None = None
    notes: tuple[str, ...] = ()
    behind: bool = field(default=False, init=False)
    _broken: set[str] = field(default_factory=set, init=False)

    def read(self, last: bool) -> list[Report]:
        """Return the values written since, each file's up to about a megabyte.

        Raises:
            Unusable: If something named like an event file is not a file of the trial's own.
        """
        self.behind = False
        found: list[tuple[float, Report]] = []
        for path in _files(self.folder):
            name = path.relative_to(self.folder).as_posix()
            if name in self._broken:
                continue
            try:
                found += self._file(path, name)
            except Broken:
                self._broken.add(name)
        found.sort(key=lambda entry: entry[0])
        return [report for _, report in found]

    def _file(self, path: Path, name: str) -> Iterator[tuple[float, Report]]:
        file = open_own(path, self.root or self.folder)
        if file is None:
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            position = self.position.get(name, 0)
            if size < position:  # it was written again
                position = 0
            if size == position:
                return
            wanted = self._wanted(path.parent)
            file.seek(position)
            limit = position + CHUNK
            while position < limit:
                data = _record(file, size)
                if data is None:
                    return
                position = file.tell()
                self.position = {**self.position, name: position}
                if data:
                    yield from _values(data, wanted)
            self.behind = self.behind or position < size

    def _wanted(self, folder: Path) -> Mapping[str, Sequence[str]]:
        """Return the metrics that each tag stands for in the files of `folder`."""
        wanted: dict[str, list[str]] = {}
        for metric in self.metrics:
            *parents, tag = metric.split("/")
            wanted.setdefault(metric, []).append(metric)
            if parents and list(folder.parts[-len(parents) :]) == parents:
                wanted.setdefault(tag, []).append(metric)
        return wanted


def _files(folder: Path) -> list[Path]:
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if "tfevents" in name
    )


def explain(folder: Path, root: Path, named: str) -> str:
    """Say which tags are in the event files below `folder`.

    Args:
        named: The folder as the trial's command names it.
    """
    paths = _files(folder)
    if not paths:
        return f"no event file appeared below {named}"
    tags: list[str] = []
    damaged = 0
    for path in paths[:_MOST_FILES]:
        parent = path.parent.relative_to(folder).as_posix()
        prefix = "" if parent == "." else f"{parent}/"
        try:
            for tag in _tags(path, root):
                tags.append(f"{prefix}{tag}")
        except Broken:
            damaged += 1
    files = "1 event file" if len(paths) == 1 else f"{len(paths)} event files"
    wrong = f", {damaged} of them damaged" if damaged else ""
    return f"{files} read{wrong}{instead(tags) or ', without a value in them'}"


def _tags(path: Path, root: Path) -> Iterator[str]:
    """Yield the tags at the beginning of a file.

    Raises:
        Broken: If it is damaged there.
    """
    file = open_own(path, root)
    if file is None:
        return
    with file:
        size = os.fstat(file.fileno()).st_size
        while file.tell() < CHUNK:
            data = _record(file, size)
            if data is None:
                return
            yield from (value.tag for value in _event(data).summary.value)


def _record(file: BinaryIO, size: int) -> bytes | None:
    """Read the next record of a file of `size` bytes: empty if it is too long to be of use.

    Returns:
        None if the record has not been written whole yet.

    Raises:
        Broken: If it is damaged.
    """
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import (  # noqa: PLC0415
        masked_crc32c,
    )

    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(head)
    if masked_crc32c(head[:8]) != checksum:
        raise Broken
    if size - file.tell() < length + _CHECKSUM.size:
        return None
    if length > LONGEST_RECORD:
        file.seek(length + _CHECKSUM.size, os.SEEK_CUR)
        return b""
    data = file.read(length)
    (checksum,) = _CHECKSUM.unpack(file.read(_CHECKSUM.size))
    if length <= _LONGEST_CHECKED and masked_crc32c(data) != checksum:
        raise Broken
    return data


def _values(data: bytes, wanted: Mapping[str, Sequence[str]]) -> Iterator[tuple[float, Report]]:
    """Yield the wanted values of a record, with the seconds since 1970 at which each was written.

    Raises:
        Broken: If the record is none.
    """
    event = _event(data)
    stamp = ""
    with suppress(ValueError, OverflowError, OSError):
        stamp = rfc3339(datetime.fromtimestamp(event.wall_time, UTC))
    for value in event.summary.value:
        number = _number(value) if value.tag in wanted else None
        if number is not None:
            for metric in wanted[value.tag]:
                yield event.wall_time, Report(metric, repr(number), stamp)


def _event(data: bytes) -> Any:
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415

    try:
        return Event.FromString(data)
    except DecodeError as error:
        raise Broken from error


def _number(value: Any) -> float | None:
    """Return the number that an entry of a summary holds; None if it holds something else."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    # TensorFlow 2 writes a number as a tensor. The shape is looked at first: a few bytes can
    # declare a tensor that no memory holds.
    if not value.HasField("tensor") or any(dim.size != 1 for dim in value.tensor.tensor_shape.dim):
        return None
    from tensorboard.util import tensor_util  # noqa: PLC0415

    with suppress(ValueError, TypeError, OverflowError):
        return float(tensor_util.make_ndarray(value.tensor).item())
    return None

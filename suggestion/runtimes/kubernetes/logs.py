"""Following the output of a container to its end, each byte once, whoever dies in between.

The cluster gives a log from a second on, each line with its time to the nanosecond, in the time
zone of its node. What has been kept of it is known by the time of the last line and the number of
lines of that time; and of an output file, which grows before that is noted, by its size.

A node that cannot read on says why in the stream itself, as text behind the last line, without a
time: it is no output, and the log is asked for again.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from suggestion.controller.files import private_folder, replace_file
from suggestion.runtimes.kubernetes.api import Api, Away, Refused, Stream

_PAUSE: Final = 1.0
# So long is asked for the log of a container that has ended, when its node does not answer.
_LONGEST_WAIT: Final = 60.0
# RFC 3339: seconds, their fraction without trailing zeros, time zone.
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Position:
    """How far the log of a container has been kept.

    Attributes:
        time: Of its last line that was kept, as the cluster writes it; empty before the first.
        lines: Kept ones of that time.
        size: Of what they were added to, when that was noted.
        done: All of it is kept.
    """

    time: str = ""
    lines: int = 0
    size: int = 0
    done: bool = False


class Sink(Protocol):
    """Where lines go."""

    def size(self) -> int | None:
        """Return its size; None if a line that comes twice does no harm."""
        ...

    def write(self, data: bytes) -> None:
        """Take whole lines.

        Raises:
            OSError: If there is no space, for instance.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutputFile:
    """The output of a trial."""

    path: Path

    def size(self) -> int | None:
        with suppress(FileNotFoundError):
            return self.path.lstat().st_size
        return 0

    def write(self, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Mirror:
    """What a trial has written to its metrics path, from what the side-car prints.

    Attributes:
        path: Takes the place of the metrics path here.
    """

    path: Path

    def size(self) -> int | None:
        return None

    def write(self, data: bytes) -> None:
        for line in data.splitlines():
            try:
                entry = json.loads(line)
                below, begin = PurePosixPath(entry["path"]), int(entry["begin"])
                piece = base64.b64decode(entry["data"], validate=True)
            except (ValueError, TypeError, KeyError, binascii.Error):
                continue  # a warning of its Python, say
            if below.is_absolute() or ".." in below.parts:
                continue
            self._put(self.path / below, begin, piece)

    @staticmethod
    def _put(path: Path, begin: int, piece: bytes) -> None:
        private_folder(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.fstat(descriptor).st_size > begin == 0:  # it was written again
                os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, piece, begin)
        finally:
            os.close(descriptor)


class Lines:
    """What of a log is new, line by line. Pure.

    Args:
        position: Where the log was left.
        extra: Bytes that were kept behind it, before that was noted.
    """

    def __init__(self, position: Position, extra: int = 0) -> None:
        self.position = position
        self._extra = extra
        self._rest = b""
        self._same = position.lines  # lines of its last time that will come again
        self._back = position.time

    @property
    def since(self) -> str:
        """The second from which the log is to be asked for, in UTC; empty: from the beginning."""
        if not self._back:
            return ""
        second = datetime.fromtimestamp(_nanoseconds(self._back) // 10**9, UTC)
        return second.strftime("%Y-%m-%dT%H:%M:%SZ")

    def feed(self, data: bytes) -> bytes:
        """Return the new text in what has been read."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return self._take(whole)

    def finish(self) -> bytes:
        """Return the text of a last line without an end.

        Raises:
            Away: If it is no line of the log, but the reason why there is no more.
        """
        rest, self._rest = self._rest, b""
        if rest and not _stamped(rest):
            raise Away(f"the log cannot be read on: {rest[:500].decode('utf-8', 'replace')}")
        return self._take([rest]) if rest else b""

    def _take(self, lines: list[bytes]) -> bytes:
        fresh: list[bytes] = []
        time, count = self.position.time, self.position.lines
        for line in lines:
            at = _stamped(line)
            if not at:
                continue
            if self._back:
                if _nanoseconds(at) < _nanoseconds(self._back):
                    continue
                if at == self._back and self._same:
                    self._same -= 1
                    continue
            if at == time:
                count += 1
            else:
                time, count = at, 1
            fresh.append(line[len(at) + 1 :] + b"\n")
        made = b"".join(fresh)
        skipped = made[self._extra :]
        self._extra -= len(made) - len(skipped)
        self.position = replace(
            self.position, time=time, lines=count, size=self.position.size + len(made)
        )
        return skipped


def _stamped(line: bytes) -> str:
    """Return the time before a line of a log; empty if it is none."""
    time = line.partition(b" ")[0].decode("ascii", "replace")
    return time if _TIME.fullmatch(time) else ""


def _nanoseconds(time: str) -> int:
    """Return a time of a log, since 1970."""
    match = _TIME.fullmatch(time)
    if match is None:  # a note that something else has written
        return 0
    second, fraction, zone = match.groups("")
    whole = int(datetime.fromisoformat(second + zone).timestamp())
    return whole * 10**9 + int(fraction.ljust(9, "0"))


class Reader:
    """Follow one container in a thread of its own.

    Args:
        pod: Its name.
        path: Of the file in which its position is noted.
        kept: Called when more of it is kept, in that thread.
        ended: Called once all of it is kept, likewise.
        note: Told what a person should know.
    """

    def __init__(
        self,
        api: Api,
        pod: str,
        container: str,
        sink: Sink,
        path: Path,
        kept: Callable[[], None],
        ended: Callable[[], None],
        note: Callable[[str], None],
    ) -> None:
        self._api = api
        self._pod = pod
        self._container = container
        self._sink = sink
        self._path = path
        self._kept = kept
        self._ended = ended
        self._note = note
        self._over = threading.Event()
        self._closed = threading.Event()
        self._stream: Stream | None = None
        self._waited = 0.0
        self._thread = threading.Thread(target=self._run, name=f"log-{pod}", daemon=True)
        self._thread.start()

    def over(self) -> None:
        """The container has ended; its log can be read to its end."""
        self._over.set()

    def close(self) -> None:
        """Stop soon; what is kept so far stays noted."""
        self._closed.set()
        self._over.set()
        stream = self._stream
        if stream is not None:
            stream.interrupt()

    def join(self) -> None:
        """Wait until it has stopped."""
        self._thread.join(timeout=10)

    def _run(self) -> None:
        refused = False
        while not self._closed.is_set():
            last = self._over.is_set()
            try:
                position = self._read(last)
                if last:
                    self._note_position(replace(position, done=True))
                complete = last
            except Refused as error:
                # Gone with its pod; or 400: it has never begun.
                complete = error.status == 404 or last
                if error.status == 403 and not refused:
                    refused = True
                    self._note(f"its output cannot be read: {error}")
            except Away:
                complete = last and self._waited >= _LONGEST_WAIT
                if last:
                    self._waited += _PAUSE
                    self._closed.wait(_PAUSE)
            except OSError as error:
                complete = False
                self._note(f"its output cannot be kept: {error.strerror}; tried again")
                self._closed.wait(10 * _PAUSE)
            if self._closed.is_set():
                return
            if complete:
                self._ended()
                return
            self._over.wait(_PAUSE)

    def _read(self, last: bool) -> Position:
        """Keep what is new until the stream ends.

        Args:
            last: The container has ended: an unfinished line counts.
        """
        known = self._known()
        if known.done:
            self._over.set()
            return known
        size = self._sink.size()
        extra = 0 if size is None else max(size - known.size, 0)
        lines = Lines(known, extra)
        stream = self._api.log(self._pod, self._container, lines.since)
        self._stream = stream
        try:
            if self._closed.is_set():
                return known
            for chunk in stream.chunks():
                self._keep(lines.feed(chunk), lines)
            if last and not self._closed.is_set():
                self._keep(lines.finish(), lines)
        finally:
            self._stream = None
            stream.close()
        return lines.position

    def _keep(self, text: bytes, lines: Lines) -> None:
        if text:
            self._waited = 0.0
            self._sink.write(text)
            self._note_position(lines.position)
            self._kept()

    def _known(self) -> Position:
        try:
            return Position(**json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            found = Position(size=self._sink.size() or 0)
            self._note_position(found)
            return found

    def _note_position(self, position: Position) -> None:
        replace_file(self._path, json.dumps(asdict(position)))

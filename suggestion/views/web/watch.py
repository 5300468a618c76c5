"""Experiments watched while they run: each change once, for everyone who looks at it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from suggestion.views.web.reading import Reader

_SECONDS: Final = 0.25
_RETRY_SECONDS: Final = 1.0
#: Messages that wait for a browser that does not read; then it has to begin anew.
_WAITING: Final = 64
#: That an experiment nobody looks at any more is kept for who comes back to it.
_LINGER_SECONDS: Final = 60.0

#: Kind and text of a message; None at the end.
Message = tuple[str, str] | None


class Watch:
    """One experiment, read by a thread of its own for all that subscribe."""

    def __init__(self, directory: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._directory = directory
        self._loop = loop
        self._new: list[asyncio.Queue[Message]] = []
        self._known: list[asyncio.Queue[Message]] = []
        self._told: list[asyncio.Queue[Message]] = []  # of the present trouble
        self._changed = threading.Condition()
        self._ended = False
        self._everything: str | None = None  # as text, as long as nothing changes
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def subscribe(self) -> asyncio.Queue[Message]:
        """Return where messages come: ``everything`` first, then ``changes``."""
        queue: asyncio.Queue[Message] = asyncio.Queue()
        with self._changed:
            self._new.append(queue)
            self._changed.notify()
        return queue

    @property
    def idle(self) -> bool:
        """Whether nobody looks."""
        with self._changed:
            return not self._new and not self._known and not self._told

    def unsubscribe(self, queue: asyncio.Queue[Message]) -> bool:
        """End a subscription; return whether it was the last one."""
        with self._changed:
            self._new = [other for other in self._new if other is not queue]
            self._known = [other for other in self._known if other is not queue]
            self._told = [other for other in self._told if other is not queue]
        return self.idle

    def end(self) -> None:
        """Send everybody the end; to be called in the loop."""
        with self._changed:
            for queue in (*self._new, *self._known, *self._told):
                queue.put_nowait(None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        reader: Reader | None = None
        said = ""
        while not self._ended:
            try:
                if reader is not None and reader.replaced:
                    reader.close()
                    reader = None
                if reader is None:
                    reader = Reader(self._directory)
                    self._begin_anew()
                self._tell(reader)
                said = ""
            except Exception as error:
                if reader is not None:
                    reader.close()
                    reader = None
                if (text := _words(error)) != said:
                    said = text
                    self._begin_anew()
                with self._changed:
                    new, self._new = self._new, []
                    self._told += new
                if new:
                    self._send(new, "trouble", _text({"error": said}))
                time.sleep(_RETRY_SECONDS)
            with self._changed:
                if not self._new and not self._ended:
                    self._changed.wait(_SECONDS)
        if reader is not None:
            reader.close()

    def _begin_anew(self) -> None:
        """Let everybody get everything."""
        self._everything = None
        with self._changed:
            self._new, self._known, self._told = [*self._known, *self._told, *self._new], [], []

    def _tell(self, reader: Reader) -> None:
        changes = reader.changes()
        if changes is not None:
            self._everything = None
            if self._known:
                self._send(self._known, "changes", _text(changes))
        with self._changed:
            new, self._new = self._new, []
            self._known = [*self._known, *new]
        if new:
            if self._everything is None:
                self._everything = _text(reader.everything())
            self._send(new, "everything", self._everything)

    def _send(self, queues: list[asyncio.Queue[Message]], kind: str, text: str) -> None:
        def put() -> None:
            for queue in queues:
                if queue.qsize() < _WAITING:
                    queue.put_nowait((kind, text))
                elif queue.qsize() == _WAITING:
                    queue.put_nowait(None)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(put)


def _text(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _words(error: Exception) -> str:
    if isinstance(error, OSError | ValueError | sqlite3.Error):
        return str(error)
    return f"the experiment cannot be read: {type(error).__name__}: {error}"


class Watches:
    """The experiments that somebody looks at."""

    def __init__(self) -> None:
        self._watches: dict[Path, Watch] = {}

    def end(self) -> None:
        """Let everybody who looks at one have the end."""
        for watch in self._watches.values():
            watch.end()

    @asynccontextmanager
    async def subscribed(self, directory: Path) -> AsyncIterator[asyncio.Queue[Message]]:
        """Watch the experiment in `directory` as long as anybody does."""
        watch = self._watches.get(directory)
        if watch is None:
            watch = self._watches[directory] = Watch(directory, asyncio.get_running_loop())
        queue = watch.subscribe()
        try:
            yield queue
        finally:
            if watch.unsubscribe(queue):
                loop = asyncio.get_running_loop()
                loop.call_later(_LINGER_SECONDS, self._drop, directory, watch)

    def _drop(self, directory: Path, watch: Watch) -> None:
        if self._watches.get(directory) is watch and watch.idle:
            del self._watches[directory]
            watch.close()

"""The output of a trial: that of its primary pods one after the other, and of their side-cars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from suggestion.controller.runtime import TrialFiles
from suggestion.runtimes.kubernetes.api import Api
from suggestion.runtimes.kubernetes.judging import Pod
from suggestion.runtimes.kubernetes.kinds import SIDECAR
from suggestion.runtimes.kubernetes.logs import Mirror, OutputFile, Reader, Sink

# For pods to be seen, and their logs to be read, once their object has ended.
_LONGEST_UNSEEN = 5.0
_LONGEST_READ = 60.0


class Outputs:
    """What is read of the containers of one trial.

    Args:
        mirror: Takes the place of its metrics path; None without a side-car.
        kept: Called in the thread of a reader when more of the output is kept.
        ended: Called in that thread with what is to be done in that of the runner,
            once the reader has come to its end.
        note: Told what a person should know, likewise.
    """

    def __init__(
        self,
        api: Api,
        files: TrialFiles,
        mirror: Path | None,
        kept: Callable[[], None],
        ended: Callable[[Callable[[], None]], None],
        note: Callable[[str], None],
    ) -> None:
        self._api = api
        self._files = files
        self._mirror = mirror
        self._kept = kept
        self._ended = ended
        self._note = note
        self._readers: dict[tuple[str, str], Reader] = {}
        self._read: set[tuple[str, str]] = set()

    @property
    def open(self) -> bool:
        """Whether a container is being read."""
        return bool(self._readers)

    def follow(self, pods: Sequence[Pod]) -> None:
        """Follow the output of primary pods, one after the other.

        Args:
            pods: Of the trial, the oldest first.
        """
        there = {pod.uid for pod in pods}
        ready = True
        for pod in pods:
            if not pod.primary or not pod.started:
                continue
            keys = self._keys(pod)
            for key in keys:
                if ready and key not in self._readers and key not in self._read:
                    self._readers[key] = self._reader(pod, key)
                reader = self._readers.get(key)
                if reader is not None and (
                    pod.ended if key[1] == pod.container else pod.finished or pod.leaving
                ):
                    reader.over()
            ready = ready and all(key in self._read for key in keys)
        for (uid, _), reader in self._readers.items():
            if uid not in there:
                reader.over()

    def complete(self, pods: Sequence[Pod], seconds: float) -> bool:
        """Return whether all output is kept, or nobody will ever get the rest.

        Args:
            seconds: Since the trial has ended.
        """
        expected = [key for pod in pods if pod.primary and pod.started for key in self._keys(pod)]
        if not expected and not self._readers:
            return bool(self._read) or seconds > _LONGEST_UNSEEN
        if seconds > _LONGEST_READ:
            return True
        return not self._readers and all(key in self._read for key in expected)

    def missed(self, pods: Sequence[Pod]) -> bool:
        """Return whether the side-car was ended by force before it could print anything.

        It starts before the trial, but a busy node may have let a short trial come first.
        """
        mirror = self._mirror
        if mirror is None or not any(pod.primary and pod.cut for pod in pods):
            return False
        return not (any(mirror.iterdir()) if mirror.is_dir() else mirror.exists())

    def close(self) -> Sequence[Reader]:
        """Let all readers stop soon; return them."""
        readers = list(self._readers.values())
        for reader in readers:
            reader.close()
        return readers

    def _keys(self, pod: Pod) -> list[tuple[str, str]]:
        """Return the containers of a primary pod whose output is followed."""
        own = (pod.uid, pod.container)
        return [own] if self._mirror is None else [own, (pod.uid, SIDECAR)]

    def _reader(self, pod: Pod, key: tuple[str, str]) -> Reader:
        uid, container = key
        sink: Sink
        if container == SIDECAR:
            assert self._mirror is not None
            sink = Mirror(self._mirror)
        else:
            sink = OutputFile(self._files.output)

        def finish() -> None:
            self._readers.pop(key, None)
            self._read.add(key)

        path = self._files.folder / f"log-{uid[:8]}-{container}.json"
        ended = lambda: self._ended(finish)  # noqa: E731
        return Reader(self._api, pod.name, container, sink, path, self._kept, ended, self._note)

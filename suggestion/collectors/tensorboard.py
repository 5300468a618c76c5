"""Metrics in TensorFlow event files, read with TensorBoard's own reader."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from suggestion.client.document import Collector as Settings
from suggestion.controller.context import Source
from suggestion.controller.moments import rfc3339
from suggestion.controller.observation import Report


@dataclass(frozen=True, slots=True)
class Events:
    """Collect metrics from event files in a folder of each trial."""

    settings: Settings
    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = False
    file: bool = False

    @property
    def path(self) -> str:
        return self.settings.path

    def prepare(self, path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return TensorBoard(path, self.metrics, position)


class TensorBoard:
    """Read TensorFlow event files below a folder.

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
        """Number of values read so far, by folder and tag."""
        return self._seen

    def read(self, last: bool) -> list[Report]:
        """Return the values written since."""
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

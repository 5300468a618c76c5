"""Collect what functions report: every metric, named before or not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from suggestion.client.numbers import is_number
from suggestion.collectors.lines import Lines
from suggestion.controller.context import Source
from suggestion.controller.files import clear
from suggestion.controller.observation import Report

#: Name of the file of a trial's reports, which `suggestion.report` writes.
FILE: Final = "metrics.jsonl"
_OTHER: Final = ("timestamp", "step")
_ANY: Final = ('"',)  # what every line holds


@dataclass(frozen=True, slots=True)
class FunctionMetrics:
    """Collect the metrics that `suggestion.report` writes."""

    metrics: Sequence[str]
    pushed: bool = False
    reads_output: bool = False
    line_format: str = "json"

    @property
    def path(self) -> str:
        return FILE

    def prepare(self, path: Path) -> None:
        clear(path)

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return Lines(path, parse, _ANY, int(position or 0), output.parent)

    def explain(self, output: Path, path: Path) -> str:
        return "it ended without a report, as by os._exit()"


def parse(line: str) -> Iterator[Report]:
    """Yield the metrics of one line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return
    if not isinstance(entry, dict):
        return
    time = str(entry.get("timestamp") or "")
    for name, text in entry.items():
        if name not in _OTHER and isinstance(text, str) and is_number(text):
            yield Report(name, text, time)

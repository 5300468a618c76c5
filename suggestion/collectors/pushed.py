"""Trials whose metrics nobody collects: they report to the DBManager themselves, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suggestion.client.document import Collector as Settings
from suggestion.controller.context import Source
from suggestion.controller.files import private_folder


@dataclass(frozen=True, slots=True)
class Absent:
    """Collect nothing."""

    settings: Settings
    metrics: Sequence[str]
    reads_output: bool = False
    line_format: str = ""

    @property
    def pushed(self) -> bool:
        return False

    @property
    def path(self) -> str:
        return self.settings.path

    def prepare(self, path: Path) -> None:
        private_folder(path.parent)

    def source(self, output: Path, path: Path, position: Any) -> Source | None:
        return None

    def explain(self, output: Path, path: Path) -> str:
        from suggestion.collectors.diagnosis import printed  # noqa: PLC0415

        return "the collector None collects nothing" + printed(output, self.metrics[0])


class Pushed(Absent):
    """Leave the metrics to the DBManager."""

    __slots__ = ()

    @property
    def pushed(self) -> bool:
        return True

    def explain(self, output: Path, path: Path) -> str:
        from suggestion.collectors.diagnosis import printed  # noqa: PLC0415

        said = "the DB manager at SUGGEST_DB_MANAGER has got nothing of that name from it"
        return said + printed(output, self.metrics[0])

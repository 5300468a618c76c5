"""The experiments below the folders that the page may show, and nothing else."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from suggestion.controller import standings
from suggestion.controller.lock import held
from suggestion.controller.store import Store
from suggestion.controller.trials import FAILED, Condition
from suggestion.views.current import Current, identity
from suggestion.views.directory import changed_at, experiments
from suggestion.views.web.document import Json

_DEPTH: Final = 4


class Catalog:
    """Finds experiments.

    A browser names one by an identifier that is made of its path; what it sends never becomes a
    path.

    Args:
        folders: Where to look, and in the folders below.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder.resolve() for folder in folders]
        self._found: dict[str, Path] = {}
        self._known: dict[Path, _Known] = {}
        self._reading = threading.Lock()

    def find(self, identifier: str) -> Path | None:
        """Return the directory of an experiment; None if there is no such experiment."""
        if identifier not in self._found:
            self._look()
        return self._found.get(identifier)

    def list(self) -> list[Json]:
        """Return what is known of each experiment, the one that changed last first."""
        with self._reading:
            self._look()
            made = [self._summary(key, path) for key, path in self._found.items()]
        return sorted(made, key=lambda entry: -entry["changed"])

    def _look(self) -> None:
        self._found = {
            hashlib.sha256(str(path).encode()).hexdigest()[:16]: path
            for folder in self._folders
            for path in experiments(folder, _DEPTH)
        }

    def _summary(self, identifier: str, path: Path) -> Json:
        changed = changed_at(path)
        known = self._known.get(path)
        if known is None or known.changed != changed:
            known = self._known[path] = _read(path, changed, known)
        return {
            "id": identifier,
            "place": self._shown(path),
            "changed": changed,
            "runs": held(path),
            **known.summary,
        }

    def _shown(self, path: Path) -> str:
        for folder in self._folders:
            if path.is_relative_to(folder):
                return str(path.relative_to(folder.parent))
        return str(path)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read when the experiment had last `changed`; of one that goes on also its trials."""

    changed: float
    summary: Json
    identity: int = 0
    current: Current | None = None


def _read(path: Path, changed: float, known: _Known | None) -> _Known:
    same = identity(path)
    current = known.current if known is not None and known.identity == same else None
    try:
        store = Store(path)
        try:
            with store.snapshot():
                if current is None or not current.is_in(store):
                    current = Current(path, store)
                else:
                    current.refresh(store)
        finally:
            store.close()
    except (OSError, ValueError, sqlite3.Error) as error:
        return _Known(changed, {"name": path.name, "error": str(error)})
    return _Known(changed, _summary(current), same, None if current.experiment.done else current)


def _summary(current: Current) -> Json:
    experiment, trials, objective = current.experiment, current.trials.values(), current.objective
    best = standings.first(current.candidates())
    return {
        "name": experiment.name,
        "error": "",
        "condition": experiment.condition()["type"],
        "message": experiment.condition()["message"],
        "algorithm": experiment.document["spec"]["algorithm"]["algorithmName"],
        "metric": objective.metric,
        "best": "" if best is None else objective.shown(best.series, objective.metric),
        "ended": sum(not trial.condition.active for trial in trials),
        "failed": sum(trial.condition in FAILED for trial in trials),
        "running": sum(trial.condition is Condition.RUNNING for trial in trials),
        "limit": experiment.limits.trials,
        "done": experiment.done,
        "paused": experiment.paused,
    }

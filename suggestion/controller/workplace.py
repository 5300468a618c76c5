"""Where trials run: their folders, commands, environments, and the files they report in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suggestion.client import template
from suggestion.client.document import Collector
from suggestion.client.template import Invocation, Template
from suggestion.collectors.collect import Lines, Source, TensorBoard, json_parser, text_parser
from suggestion.controller.context import Options
from suggestion.controller.slots import Slot
from suggestion.controller.state import Trial


@dataclass(frozen=True)
class Workplace:
    """The part of an experiment's directory that belongs to its trials.

    Attributes:
        root: The experiment's directory.
        experiment: Its name.
        metrics: To collect, the objective first.
    """

    root: Path
    experiment: str
    metrics: Sequence[str]
    template: Template
    collector: Collector
    options: Options

    def source(self, trial: Trial) -> Source | None:
        collector = self.collector
        metrics = self.metrics
        if collector.kind == "TensorFlowEvent":
            return TensorBoard(self.moved(trial), metrics, trial.position)
        if collector.kind not in {"StdOut", "File"}:
            return None
        parse = json_parser(metrics) if collector.json else text_parser(metrics, collector.filters)
        stdout = collector.kind == "StdOut"
        path = self.file(trial, "output") if stdout else self.moved(trial)
        return Lines(path, parse, metrics, int(trial.position or 0))

    def folder(self, trial: Trial) -> Path:
        """Of the files of `trial`."""
        return self.root / "trials" / trial.name

    def file(self, trial: Trial, kind: str) -> Path:
        return self.folder(trial) / f"{kind}-{trial.attempt}{'.log' if kind == 'output' else ''}"

    def moved(self, trial: Trial) -> Path:
        """Where the collector's path lies on this machine: each trial has its own."""
        return self.folder(trial) / "files" / self.collector.path.lstrip("/")

    def invocation(self, trial: Trial) -> Invocation:
        """The process of `trial`, as its template has it."""
        return self.template.render(trial.name, trial.assignment)

    def clear(self, trial: Trial) -> None:
        """Makes its folders, and removes what an earlier attempt has left for the collector."""
        self.folder(trial).mkdir(parents=True, exist_ok=True)
        moved = self.moved(trial)
        if self.collector.kind == "TensorFlowEvent":
            shutil.rmtree(moved, ignore_errors=True)
            moved.mkdir(parents=True)
        elif self.collector.path:
            moved.unlink(missing_ok=True)
            moved.parent.mkdir(parents=True, exist_ok=True)
        for _, here in self.paths(trial)[1 if self.collector.path else 0 :]:
            Path(here).mkdir(parents=True, exist_ok=True)

    def paths(self, trial: Trial) -> list[tuple[str, str]]:
        """Paths of the container, and what takes their place here: each trial has its own."""
        paths = []
        if self.collector.path:
            paths.append((self.collector.path, str(self.moved(trial).resolve())))
        if self.options.data is not None:
            inside, root = self.options.data
            paths.append((inside, str((root / self.experiment / trial.name).resolve())))
        return paths

    def local(self, trial: Trial) -> Invocation:
        """The process of `trial` with the paths of this machine."""
        if self.options.wrap is not None:
            return self.invocation(trial)
        return template.moved(self.invocation(trial), self.paths(trial))

    def process(
        self, trial: Trial, slot: Slot, database: str
    ) -> tuple[Sequence[str], dict[str, str], Path]:
        """Command, environment and working directory."""
        own = {
            "SUGGEST_TRIAL_NAME": trial.name,
            "SUGGEST_TRIAL_DIR": str(self.folder(trial).resolve()),
            "SUGGEST_EXPERIMENT_NAME": self.experiment,
            "KATIB_TRIAL_NAME": trial.name,
            **slot.env(),
        }
        if self.collector.path:
            own["SUGGEST_METRICS_PATH"] = str(self.moved(trial).resolve())
        if self.collector.kind == "Push":
            own["SUGGEST_DB_MANAGER"] = database
        invocation = self.local(trial)
        cwd = self.options.cwd
        if self.options.wrap is not None:
            argv = self.options.wrap(invocation, trial.name, self.paths(trial), own)
            return argv, dict(os.environ), cwd
        # Output that a program holds back would reach the rules too late; and trials side by side
        # are not to fight for the cores. Both are only defaults.
        env = {
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(slot.threads),
            **os.environ,
            **own,
            **invocation.env,
        }
        if self.options.path:
            env["PATH"] = f"{self.options.path}:{env.get('PATH', os.defpath)}"
        if invocation.cwd and (cwd / invocation.cwd).is_dir():
            cwd = cwd / invocation.cwd
        return invocation.argv, env, cwd

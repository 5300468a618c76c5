"""The files of trials: where they print, what their paths stand for, what is launched."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from suggestion.client import template
from suggestion.client.template import Invocation, Template
from suggestion.controller import output
from suggestion.controller.context import Collector, Source
from suggestion.controller.files import private_folder
from suggestion.controller.runtime import LaunchSpec, TrialFiles
from suggestion.controller.slots import Slot
from suggestion.controller.trials import Trial

_FILES: Final = "files"


class CannotTrim(Exception):
    """The file system keeps the whole output."""


class Workspace(Protocol):
    """Where trials leave what the controller reads."""

    def files(self, trial: Trial) -> TrialFiles:
        """Return the files of a trial's present attempt."""
        ...

    def source(self, trial: Trial) -> Source | None:
        """Return what to read the metrics of a trial from; None if there is nothing to read."""
        ...

    def launch(self, trial: Trial, slot: Slot, variables: Mapping[str, str]) -> LaunchSpec:
        """Prepare the files of a trial's present attempt, and return what to run.

        Args:
            variables: On top of those that tell the trial about itself.

        Raises:
            OSError: If a file or folder cannot be made.
        """
        ...

    def rules_file(self, trial: Trial) -> Path | None:
        """Return where a running trial finds its next rules; None if it cannot see the file."""
        ...

    def explain(self, trial: Trial) -> str:
        """Say what a trial without the objective has left instead, for people; may be empty."""
        ...

    def command(self, trial: Trial) -> Sequence[str]:
        """Return the command of a trial for people: with the paths that it sees."""
        ...

    def trim(self, trial: Trial, keep: int, position: object) -> tuple[int, int] | None:
        """Give back the disk space of the middle of a long output, as far as it has been read.

        Args:
            keep: Bytes at its end that are kept.
            position: Where the collector continues.

        Returns:
            Begin and end of all that is not kept; None if nothing has changed.

        Raises:
            CannotTrim: If the file system keeps the whole file.
        """
        ...


def trial_files(root: Path, trial: Trial) -> TrialFiles:
    """Return the files of a trial's present attempt in the experiment's directory `root`."""
    return _files(root, trial.name, trial.attempt)


@lru_cache(maxsize=256)  # each step of a trial asks for them
def _files(root: Path, trial: str, attempt: int) -> TrialFiles:
    folder = root / "trials" / trial
    return TrialFiles(trial, folder, folder / f"output-{attempt}.log", folder / f"status-{attempt}")


def artifacts_folder(folder: Path, attempt: int) -> Path:
    """Return what ``SUGGEST_ARTIFACTS_DIR`` names: all in it is kept when the trial ends.

    Args:
        folder: Of the trial.
        attempt: Of the trial; what an earlier one left is not that of a later one.
    """
    return folder / f"artifacts-{attempt}"


def _empty(folder: Path) -> Path:
    """Make a folder that holds nothing, in one whose path is whole; return its whole path."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        return folder
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    private_folder(folder)
    return folder.resolve()


@dataclass(frozen=True, slots=True)
class TrialWorkspace:
    """The part of an experiment's directory that belongs to its trials.

    Attributes:
        root: The experiment's directory.
        experiment: Its name.
        cwd: Working directory of trials that name none.
        search_path: Folder in front of ``PATH``; empty leaves it alone.
        data: A path that each trial has to itself, and the folder here below which those of all
            trials are, ``<experiment>/<trial>``: checkpoints that an algorithm copies from trial to
            trial.
        local: Trials see the paths of this machine.
        objects: Trials are made of the whole object of the template.
    """

    root: Path
    experiment: str
    template: Template
    collector: Collector
    cwd: Path = Path()
    search_path: str = ""
    data: tuple[str, Path] | None = None
    local: bool = True
    objects: bool = False

    def files(self, trial: Trial) -> TrialFiles:
        return trial_files(self.root, trial)

    def metrics_path(self, trial: Trial) -> Path:
        """Return what takes the place of the collector's path, in the trial's own folder."""
        inside = posixpath.normpath(f"/{self.collector.path}").lstrip("/")
        return self.files(trial).folder / _FILES / inside

    def source(self, trial: Trial) -> Source | None:
        return self.collector.source(
            self.files(trial).output, self.metrics_path(trial), trial.position
        )

    def rules_file(self, trial: Trial) -> Path | None:
        folder = self.files(trial).folder.resolve()
        return folder / f"rules-{trial.attempt}.json" if self.local else None

    def explain(self, trial: Trial) -> str:
        return self.collector.explain(self.files(trial).output, self.metrics_path(trial))

    def launch(self, trial: Trial, slot: Slot, variables: Mapping[str, str]) -> LaunchSpec:
        files = self.files(trial)
        private_folder(files.folder)
        folder = files.folder.resolve()
        own = {
            "SUGGEST_TRIAL_NAME": trial.name,
            "SUGGEST_TRIAL_DIR": str(folder),
            "SUGGEST_EXPERIMENT_NAME": self.experiment,
            "KATIB_TRIAL_NAME": trial.name,
            "SUGGEST_ARTIFACTS_DIR": str(_empty(artifacts_folder(folder, trial.attempt))),
            **slot.env(),
            **variables,
        }
        path = self.collector.path
        if path:
            moved = self.metrics_path(trial)
            self.collector.prepare(moved)
            own["SUGGEST_METRICS_PATH"] = str(moved.resolve())
            if self.collector.line_format:
                own["SUGGEST_METRICS_FORMAT"] = self.collector.line_format
        data = self._data(trial)
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        rendered = self.template.render_object(trial.name, trial.assignment) if self.objects else {}
        return LaunchSpec(
            files,
            self.invocation(trial),
            self.paths(trial),
            own,
            path,
            bool(self.collector.line_format),
            slot,
            folder if self.template.own_folder else self.cwd,
            self.search_path,
            trial.attempt,
            self.template.demand,
            rendered,
        )

    def invocation(self, trial: Trial) -> Invocation:
        """Return the command of a trial, as its template has it."""
        return self.template.render(trial.name, trial.assignment)

    def command(self, trial: Trial) -> Sequence[str]:
        made = self.invocation(trial)
        return (template.moved(made, self.paths(trial)) if self.local else made).argv

    def paths(self, trial: Trial) -> list[tuple[str, str]]:
        """Return paths that commands name, and what takes their place here for this trial."""
        paths = []
        if self.collector.path:
            paths.append((self.collector.path, str(self.metrics_path(trial).resolve())))
        data = self._data(trial)
        if self.data is not None and data is not None:
            paths.append((self.data[0], str(data.resolve())))
        return paths

    def _data(self, trial: Trial) -> Path | None:
        return None if self.data is None else self.data[1] / self.experiment / trial.name

    def trim(self, trial: Trial, keep: int, position: object) -> tuple[int, int] | None:
        path = self.files(trial).output
        try:
            size = path.lstat().st_size
        except FileNotFoundError:
            return None
        read = int(str(position or 0)) if self.collector.reads_output else None
        part = output.removable(size, keep, trial.cut, read)
        if part is None:
            return None
        if not output.punch(path, *part):
            raise CannotTrim
        return output.HEAD, part[1]

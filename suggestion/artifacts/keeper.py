"""Keeps the artifacts of trials that have ended, and of these the best, whatever is killed when."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from suggestion.artifacts import finding
from suggestion.artifacts.lists import FOLDER, Artifact, Listing, Lists
from suggestion.artifacts.places import Place, checksum, whole
from suggestion.controller import standings
from suggestion.controller.files import Unusable, private_folder
from suggestion.controller.observation import Objective
from suggestion.controller.trials import Trial
from suggestion.controller.workspace import artifacts_folder, trial_files

#: Begins the names of folders in which a content is copied before it is in the store.
_COPY: Final = ".copy-"


@dataclass(frozen=True, slots=True)
class Keeper:
    """The artifacts of an experiment.

    A trial's list is written when all of its contents are in the store; only then what it has left
    is removed from its folder. So keeping a trial again, after a crash, changes nothing.

    Attributes:
        directory: Of the experiment.
        place: Where contents are kept.
        patterns: Of further files in the trials' folders.
        keep_best: How many trials keep their artifacts; 0: all.
        matched: Those of `patterns` that something kept so far has matched.
    """

    directory: Path
    place: Place
    objective: Objective
    patterns: Sequence[str] = ()
    keep_best: int = 0
    matched: set[str] = field(default_factory=set)

    @property
    def lists(self) -> Lists:
        """The lists of what is kept."""
        return Lists(self.directory)

    def recover(self) -> None:
        """Remove what a process that was killed has left half; nobody else may be keeping."""
        for copy in (self.directory / FOLDER).glob(f"{_COPY}*"):
            shutil.rmtree(copy, ignore_errors=True)
        if (self.directory / FOLDER).is_dir():
            self.collect()

    def keep(self, trials: Iterable[Trial], note: Callable[[str], None]) -> None:
        """Keep what ended trials have left, if it is not kept already; then prune.

        Args:
            note: Told of what cannot be kept.

        Raises:
            OSError: If the store cannot be written.
        """
        ended = [trial for trial in trials if not trial.condition.active]
        for trial in ended:
            known = self.lists.read(trial.name)
            if known is None or known.attempt != trial.attempt:
                self._keep(trial, known, note)
            self._clear(trial)
        if self.keep_best:
            self.prune(ended)

    def nothing_left(self, trial: Trial) -> bool:
        """Return whether a trial that has ended has left nothing, which is the rule; cheap to ask.

        Its empty folder is removed.
        """
        if trial.attempt > 1 or self.patterns or self.keep_best:
            return False
        own = artifacts_folder(trial_files(self.directory, trial).folder, trial.attempt)
        try:
            own.rmdir()
        except OSError:
            return False
        return True

    def unmatched(self, trials: Iterable[Trial]) -> list[str]:
        """Return the patterns that have matched nothing that is kept, or was before it was pruned.

        Args:
            trials: Of which something may have been kept before this keeper was made.
        """
        for listing in (self.lists.read(trial.name) for trial in trials if self.patterns):
            self._match(listing.artifacts if listing else ())
        return [pattern for pattern in self.patterns if pattern not in self.matched]

    def _match(self, artifacts: Iterable[Artifact]) -> None:
        for artifact in artifacts:
            self.matched.update(p for p in self.patterns if finding.matches(p, artifact.path))

    def _keep(self, trial: Trial, known: Listing | None, note: Callable[[str], None]) -> None:
        """Keep what the latest attempt of a trial has left; `known` is the list of one before."""
        folder = trial_files(self.directory, trial).folder
        made = []
        for name, path in finding.files(folder, trial.attempt, self.patterns):
            try:
                made.append(self._store(name, path, folder))
            except Unusable as error:
                note(f"{trial.name}: the artifact {name!r} is not kept: {error}")
        self._match(made)
        if made or known is not None:
            self.lists.write(Listing(trial.name, trial.attempt, tuple(made)))

    def _store(self, name: str, path: Path, folder: Path) -> Artifact:
        # A copy that nobody changes while it is read twice.
        private_folder(self.directory / FOLDER)
        with (
            TemporaryDirectory(prefix=_COPY, dir=self.directory / FOLDER) as scratch,
            finding.opened(path, folder) as source,
        ):
            copy = Path(scratch) / "content"
            with open(copy, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            with open(copy, "rb") as file:
                digest, size = checksum(file)
            if not self.place.has(digest):
                self.place.put(copy, digest)
        return Artifact(name, size, digest)

    def _clear(self, trial: Trial) -> None:
        """Remove what is kept from the trial's folder."""
        folder = trial_files(self.directory, trial).folder
        for attempt in range(1, trial.attempt + 1):
            own = artifacts_folder(folder, attempt)
            try:
                own.rmdir()  # most trials leave nothing
            except OSError:
                if own.is_dir() and not own.is_symlink():
                    shutil.rmtree(own)

    def ranked(self, trials: Iterable[Trial]) -> list[Trial]:
        """Return trials, the best first; those without a result are last, in their order."""
        known = [(standings.standing(trial, self.objective), trial) for trial in trials]
        judged = [(standing, trial) for standing, trial in known if standing is not None]
        best = [trial for _, trial in sorted(judged, key=lambda pair: (pair[0], pair[1].number))]
        return best + [trial for standing, trial in known if standing is None]

    def best(self, trials: Iterable[Trial]) -> Trial | None:
        """Return the best of the trials; None if none of them has a result."""
        return standings.best(trials, self.objective)

    def prune(self, trials: Iterable[Trial]) -> int:
        """Remove the artifacts of all but the best `keep_best` trials; return how many trials.

        The lists go first: what is listed is always there.
        """
        count = 0
        for trial in self.ranked(trials)[self.keep_best :]:
            listing = self.lists.read(trial.name)
            if listing is not None and listing.artifacts:
                self.lists.write(replace(listing, artifacts=(), pruned=True))
                count += 1
        self.collect()
        return count

    def collect(self) -> None:
        """Remove contents that no list names."""
        named = {artifact.sha256 for listing in self.lists.all() for artifact in listing.artifacts}
        for digest in [*self.place.every()]:
            if digest not in named:
                self.place.remove(digest)


def download(place: Place, listing: Listing, target: Path) -> Iterator[Path]:
    """Write the artifacts of a trial below `target`; yield each path when its file is whole.

    Raises:
        ValueError: If a content is not what its checksum says, or a path leads elsewhere.
        OSError: If something cannot be read or written.
    """
    for artifact in listing.artifacts:
        if finding.pattern_error(artifact.path):
            raise ValueError(f"{artifact.path!r}: must be a path below the folder")
        path = target / artifact.path
        with place.open(artifact.sha256) as source, whole(path) as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.seek(0)
            digest, _ = checksum(file)
            if digest != artifact.sha256:
                rule = "the content is damaged: its SHA-256 must be the one that is listed"
                raise ValueError(f"{artifact.path}: {rule}, got {digest}")
        yield path

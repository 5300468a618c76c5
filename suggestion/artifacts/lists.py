"""The list of a trial's artifacts: written whole, once all of them are in the store."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from suggestion.controller.files import private_folder, replace_file

#: The folder of an experiment's directory that holds lists and, by default, the artifacts.
FOLDER: Final = "artifacts"
_LISTS: Final = "trials"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a trial has left.

    Attributes:
        path: Its name, with slashes; it stays below whatever folder it is put in.
        size: In bytes.
        sha256: Of its content, in hexadecimal.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The artifacts of a trial.

    Attributes:
        attempt: Of the trial that left them.
        pruned: Whether they were removed since other trials are better.
    """

    trial: str
    attempt: int
    artifacts: tuple[Artifact, ...] = ()
    pruned: bool = False


class Lists:
    """The lists in an experiment's directory."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER / _LISTS

    def read(self, trial: str) -> Listing | None:
        """Return the list of a trial; None if its artifacts have not been kept."""
        try:
            text = (self._folder / f"{trial}.json").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        data = json.loads(text)
        artifacts = tuple(Artifact(**entry) for entry in data["artifacts"])
        return Listing(data["trial"], data["attempt"], artifacts, data["pruned"])

    def write(self, listing: Listing) -> None:
        """Write the list of a trial; readers see the one before, or this one."""
        private_folder(self._folder)
        replace_file(self._folder / f"{listing.trial}.json", json.dumps(asdict(listing), indent=1))

    def all(self) -> list[Listing]:
        """Return every list, by the trials' names."""
        names = sorted(path.stem for path in self._folder.glob("*.json"))
        return [listing for name in names if (listing := self.read(name)) is not None]

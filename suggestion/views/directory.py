"""The argument of commands that show an experiment: the directory of its state."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from suggestion.controller.experiment import Experiment
    from suggestion.controller.trials import Trial

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
#: Where ``suggest run`` keeps experiments that are given no directory.
RUNS: Final = Path("runs")


class ExperimentFolder(click.Path):
    """The directory of an experiment; without one, the latest of those below ``runs/``."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "":
            return latest(RUNS)
        return super().convert(value, param, ctx)


def latest(root: Path) -> Path:
    """Return the directory below `root` whose experiment has changed last.

    Raises:
        click.UsageError: If there is none.
    """
    changed = {path: changed_at(path) for path in experiments(root, depth=1)}
    if not changed:
        raise click.UsageError(
            f"DIRECTORY: must be given where {root}/ holds no experiment, as here"
        )
    return max(changed, key=lambda path: (changed[path], path))


def experiments(root: Path, depth: int) -> Iterator[Path]:
    """Yield the directories of experiments at `root` and below, in order; links are not followed.

    Args:
        depth: How many folders below `root` to look into; not into those of experiments.
    """
    from suggestion.controller.store import FILE  # noqa: PLC0415

    state = root / FILE
    if state.is_file() and not state.is_symlink():
        yield root
    elif depth >= 0:
        try:
            found = sorted(path for path in root.iterdir() if path.is_dir())
        except OSError:
            return
        for path in found:
            if not path.is_symlink() and not path.name.startswith("."):
                yield from experiments(path, depth - 1)


def changed_at(directory: Path) -> float:
    """Return when the state in `directory` was last written, in seconds since 1970."""
    from suggestion.controller.store import FILE  # noqa: PLC0415

    times = [0.0]
    for name in (FILE, f"{FILE}-wal"):
        try:
            known = (directory / name).stat()
        except OSError:
            continue
        if known.st_size:  # whoever reads the state makes an empty log
            times.append(known.st_mtime)
    return max(times)


def loaded(directory: Path) -> tuple[Experiment, list[Trial]]:
    """Return the experiment in `directory` and its trials.

    Raises:
        click.ClickException: If there is none, or it cannot be read.
    """
    from suggestion.views import status  # noqa: PLC0415

    try:
        return status.load(directory)
    except sqlite3.Error as error:
        raise click.ClickException(f"{directory}: {error}") from error
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def named(trials: Sequence[Trial], name: str) -> Trial:
    """Return the trial of this name, see `status.find`.

    Raises:
        click.ClickException: If there is none, or more than one.
    """
    from suggestion.views import status  # noqa: PLC0415

    try:
        return status.find(trials, name)
    except LookupError as error:
        raise click.ClickException(str(error)) from error

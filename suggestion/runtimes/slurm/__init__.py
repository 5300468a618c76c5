"""Trials as jobs of Slurm, which see the experiment's directory on a shared disk."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.controller.runtime import Asked, Option, Place, Runtime, Unavailable, Whose
from suggestion.runtimes.elsewhere import Elsewhere

_PROGRAMS: Final = ("sbatch", "squeue", "scancel")
#: Options of sbatch that the runtime sets itself, or that would take a job out of its hands.
_OWN: Final = frozenset(
    {
        *("--array", "--chdir", "--comment", "--error", "--export", "--export-file", "--input"),
        *("--job-name", "--no-requeue", "--ntasks", "--output", "--parsable", "--quiet"),
        *("--requeue", "--test-only", "--version", "--wait", "--wrap"),
        *("-D", "-J", "-Q", "-V", "-W", "-a", "-e", "-i", "-n", "-o"),
    }
)
#: Others are not sent to the script of a job, or would end it.
_SIGNAL: Final = re.compile(r"--sig\w*=(B|BR|RB):(SIG)?USR[12](@\d+)?", re.IGNORECASE)
OPTIONS: Final = (
    Option("partition", "NAME", "Partition of the jobs."),
    Option("account", "NAME", "Account that is charged for the jobs."),
    Option(
        "sbatch-option",
        "OPTION",
        "Handed to sbatch as it is: --sbatch-option=--time=2:00:00. Repeatable.",
        repeatable=True,
    ),
)


@dataclass(frozen=True, slots=True)
class _Slurm(Elsewhere):
    options: Sequence[Option] = OPTIONS
    shared: bool = True

    @property
    def arguments(self) -> list[str]:
        """What the user has sbatch told."""
        named = [f"--{name}={self.chosen[name]}" for name in ("partition", "account")
                 if self.chosen.get(name)]  # fmt: skip
        return [*named, *(self.chosen.get("sbatch-option") or ())]

    def refusals(self, asked: Asked) -> Sequence[str]:
        found = [*Elsewhere.refusals(self, asked), *self._option_refusals()]
        if not found and shutil.which("sbatch"):
            from suggestion.runtimes.slurm import commands, script  # noqa: PLC0415

            wanted = script.resources(asked.loaded.template.demand)
            found = commands.refusal([*wanted, *self.arguments])
        return found

    def _option_refusals(self) -> Iterator[str]:
        for text in self.chosen.get("sbatch-option") or ():
            if not re.match(r"-[A-Za-z]|--[a-z]", text):
                yield f"--sbatch-option: must begin with a dash, got {text!r}"
            elif _is_own(name := text.partition("=")[0]):
                yield f"--sbatch-option: {name} is not yours to set: the runtime needs it"
            elif name.startswith("--sig") and not _SIGNAL.fullmatch(text):
                yield (
                    "--sbatch-option: --signal must be B:USR1@SECONDS or B:USR2@SECONDS, which "
                    f"reach the trial, got {text!r}"
                )

    def check(self, asked: Asked) -> None:
        missing = [name for name in _PROGRAMS if shutil.which(name) is None]
        if missing:
            raise Unavailable(f"--runtime slurm needs {', '.join(missing)}, which is not installed")
        from suggestion.runtimes.slurm import commands  # noqa: PLC0415

        try:
            commands.queue()
        except commands.Away as error:
            raise Unavailable(
                f"--runtime slurm needs a controller that answers: {error}"
            ) from error

    def open(self, whose: Whose) -> Runtime:
        from suggestion.runtimes.slurm.runtime import SlurmRuntime  # noqa: PLC0415

        return SlurmRuntime(whose.id or whose.name, self.arguments)


def _is_own(name: str) -> bool:
    """Return whether sbatch takes an option for one of the runtime's own, which it can shorten."""
    if name.startswith("--"):
        return any(own.startswith(name) for own in _OWN)
    return name[:2] in _OWN


PLACE: Final[Place] = _Slurm()

"""Slots: the part of the machine that each of the trials that run side by side gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Trials at a time that users may ask for while an experiment runs, unless its file has more.
MOST: Final = 256


@dataclass(frozen=True, slots=True)
class Slot:
    """One trial's part of the machine.

    Attributes:
        number: From 0.
        gpus: Their names for ``CUDA_VISIBLE_DEVICES``; None leaves the variable alone.
        cpus: To which the trial is bound; none: all.
        threads: That a numerical library should use.
    """

    number: int
    gpus: tuple[str, ...] | None = None
    cpus: tuple[int, ...] = ()
    threads: int = 1

    def env(self) -> dict[str, str]:
        """Return the variables that tell the trial its part."""
        env = {"SUGGEST_SLOT": str(self.number)}
        if self.gpus is not None:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
            env["NVIDIA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        return env


def divide(
    parallel: int, gpus: Sequence[str] | None, gpus_each: int, cpus_each: int, most: int = 0
) -> tuple[Slot, ...]:
    """Divide the machine into as many slots as there is room for, at most `parallel` or `most`.

    Args:
        parallel: The experiment's ``parallelTrialCount``; threads are divided among as many.
        gpus: Those that may be used; None leaves them to the trials.
        gpus_each: GPUs that a trial gets.
        cpus_each: CPUs that a trial is bound to; 0 binds none.
        most: Slots for what ``parallelTrialCount`` may be raised to.

    Raises:
        ValueError: If there is no room for one trial.
    """
    count = max(parallel, most)
    if gpus is not None and gpus_each > 0:
        count = min(count, len(gpus) // gpus_each)
        if count == 0:
            raise ValueError(f"a trial needs {gpus_each} GPUs, got {len(gpus)}")
    cpus = sorted(os.sched_getaffinity(0))
    if cpus_each:
        count = min(count, len(cpus) // cpus_each)
        if count == 0:
            raise ValueError(f"a trial needs {cpus_each} CPUs, got {len(cpus)}")
    return tuple(
        Slot(
            number,
            None if gpus is None else tuple(gpus[number * gpus_each : (number + 1) * gpus_each]),
            tuple(cpus[number * cpus_each : (number + 1) * cpus_each]),
            cpus_each or max(len(cpus) // min(parallel, count), 1),
        )
        for number in range(count)
    )

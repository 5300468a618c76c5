"""What the Python interface costs: ``python -m benchmarks.face``.

All in CPU time, so that a busy machine does not count: the import of the package, a thousand asks
of TPE, and what `tune` adds to a trial beside its process. The latter is what this process and its
children take for an experiment, less what the same processes take that nobody watches.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

import suggestion as sg
from suggestion.runtimes.python.command import FUNCTION, command

ASKS: Final = 1000
TRIALS: Final = 100
REPEATS: Final = 7
# What may be reached: ms of the import, seconds of the asks, ms that are added to a trial.
LIMITS: Final = (60.0, 5.0, 20.0)
SPACE: Final = {
    "lr": sg.log_uniform(1e-5, 1),
    "layers": sg.integer(1, 8),
    "kind": ["a", "b"],
    "x": sg.uniform(0, 1),
}


def import_cost() -> float:
    """Milliseconds of CPU that ``import suggestion`` takes; the least of several."""
    program = (
        "import time; begun = time.process_time(); import suggestion; "
        "print(time.process_time() - begun)"
    )
    runs = [subprocess.check_output([sys.executable, "-c", program]) for _ in range(REPEATS)]
    return min(map(float, runs)) * 1000


def ask_cost() -> float:
    """Seconds of CPU that a thousand asks take, each told before the next."""
    study = sg.Study(SPACE, seed=1)
    begun = time.process_time()
    for _ in range(ASKS):
        point = study.ask()
        study.tell(point, point.as_float("x"))
    return time.process_time() - begun


def trial(x: float) -> float:
    return x


def cpu_time() -> float:
    """Return the seconds of CPU that this process and its ended children have taken."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def tune_cost() -> float:
    """Milliseconds of CPU that `tune` adds to a trial."""

    def run(trials: int) -> float:
        begun = cpu_time()
        sg.tune(
            trial,
            {"x": sg.uniform(0, 1)},
            algorithm="random",
            trials=trials,
            directory=folder,
            progress=False,
        )
        return cpu_time() - begun

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text, "run")
        run(2)  # imports, and makes the directory
        whole = run(2 + TRIALS)
        *words, _ = command(str(folder / FUNCTION), ["x"])
        begun = cpu_time()
        for _ in range(TRIALS):
            subprocess.run([*words, "x=0.5"], check=True, stdout=subprocess.DEVNULL)
        alone = cpu_time() - begun
    return (whole - alone) / TRIALS * 1000


def main() -> None:
    """Print the table; exit status 1 if a limit is exceeded."""
    table = Table(title="the Python interface")
    for heading in ("measured", "result", "limit"):
        table.add_column(heading, justify="right")
    broken = False
    rows = (
        ("import suggestion, ms of CPU", import_cost),
        (f"{ASKS} asks of tpe, s of CPU", ask_cost),
        ("tune adds to a trial, ms of CPU", tune_cost),
    )
    for (name, measure), limit in zip(rows, LIMITS, strict=True):
        found = measure()
        broken = broken or found > limit
        table.add_row(name, f"{found:.1f}", f"{limit:g}")
    Console().print(table)
    raise SystemExit(broken)


if __name__ == "__main__":
    main()

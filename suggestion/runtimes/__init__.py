"""Places where trials run, by the name that ``--runtime`` takes.

To add one: a folder here with a module-level `PLACE`, and its line in `RUNTIMES`. `PLACE` follows
the protocol `suggestion.controller.runtime.Place`; its module imports nothing heavy, since the
command line reads there which options the runtime has.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` would cost each trial that is a function some milliseconds
if TYPE_CHECKING:
    from suggestion.controller.runtime import Chosen, Place

RUNTIMES = {
    "process": "suggestion.runtimes.process",
    "docker": "suggestion.runtimes.docker",
    "slurm": "suggestion.runtimes.slurm",
    "kubernetes": "suggestion.runtimes.kubernetes",
    "ray": "suggestion.runtimes.ray",
}


def place(name: str, chosen: Chosen | None = None) -> Place:
    """Return the place named `name`, one of `RUNTIMES`, with values of its options."""
    found: Place = import_module(RUNTIMES[name]).PLACE
    return found.configured(chosen) if chosen else found

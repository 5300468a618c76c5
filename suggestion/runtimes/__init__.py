"""Places where trials run, by the name that ``--runtime`` takes.

To add one: a folder here with a module-level `PLACE`, and its line in `RUNTIMES`. What `PLACE.open`
returns follows the protocol `suggestion.controller.runtime.Runtime`.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` would cost each trial that is a function some milliseconds
if TYPE_CHECKING:
    from suggestion.controller.runtime import Place

RUNTIMES = {
    "process": "suggestion.runtimes.process",
    "docker": "suggestion.runtimes.docker",
}


def place(name: str) -> Place:
    """Return the place named `name`, one of `RUNTIMES`."""
    found: Place = import_module(RUNTIMES[name]).PLACE
    return found

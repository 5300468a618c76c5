"""Search spaces from Experiment files."""

from __future__ import annotations

from pathlib import Path

from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.space import Space, from_json


def from_file(path: Path) -> Space:
    """Return the space that an Experiment file declares.

    A double becomes a float, an int an int, a discrete parameter the number in its list, and a
    categorical one its text.

    Raises:
        InvalidArgument: With every problem of the file, each with its line.
    """
    from suggestion.client import manifest, schema  # noqa: PLC0415

    try:
        read = manifest.load(path, schema.EXPERIMENT, kind="Experiment")
    except manifest.ManifestError as error:
        raise InvalidArgument(
            BrokenRule("space", line) for line in str(error).splitlines()
        ) from error
    declared = read.document["spec"].get("parameters")
    if declared is None:
        text = f"{path}: must have spec.parameters, which a space in Python is made of"
        raise InvalidArgument([BrokenRule("space", text)])
    space = from_json(declared, "spec")
    lines = {
        str(entry["name"]): f"{path}:{read.line(('spec', 'parameters', index))}"
        for index, entry in enumerate(declared)
    }
    return Space(space.parameters, lines)

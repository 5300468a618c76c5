"""Where a rule is broken, in terms of the problem and not of an API's messages.

A location is a tuple of names and of positions in lists. The heads that are in use:

=================================================  =================================================
``("name",)``                                      the name of the experiment
``("parameters", "lr", "step")``                   a part of a parameter, which is named, or given
                                                   by its position where the name is what is wrong:
                                                   ``name``, ``type``, ``min``, ``max``, ``step``,
                                                   ``list``, ``distribution``
``("space",)``                                     the search space as a whole
``("graph", "layers")``                            a part of the graph of architectures, or all:
                                                   ``input_sizes``, ``output_sizes``, and
                                                   ``operations``, 0, ``kind`` or ``parameters``
``("conditions", 0)``                              a condition, or all; as ``constraints``
``("metrics", 0, "goal")``                         a part of a metric: ``name``, ``goal``
``("algorithm",)``                                 the name of the algorithm
``("settings", "gamma")``                          a setting, or all of them: ``("settings",)``
``("settings", 0, "value")``                       name or value of a setting as it was written
``("prior",)``                                     the earlier studies
``("trials", 0)``                                  a trial, or a part of it
``("max_trial_count",)``                           so for other numbers that have a name
=================================================  =================================================

Each API renders a location in its own way, as a path of its message, say.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Location: TypeAlias = tuple[str | int, ...]

_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def dotted(location: Location) -> str:
    """Return ``("trials", 0, "name")`` as ``trials[0].name``."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parse(text: str) -> Location:
    """Return the location that `dotted` writes as `text`; what is no part of one is left out."""
    steps = _STEP.findall(text)
    return tuple(int(position) if position else name for position, name in steps)

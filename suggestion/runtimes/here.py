"""What runtimes have in common whose trials are processes of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from suggestion.controller.runtime import Asked, Chosen, Option


@dataclass(frozen=True, slots=True)
class Here:
    """The part of a `Place` that says where trials run: on this machine.

    Attributes:
        local, shared: See `Place`.
    """

    local: bool = True
    shared: bool = True
    here: bool = True
    objects: bool = False
    queues: bool = False
    announces: bool = False
    host_bound: bool = True
    options: Sequence[Option] = ()

    def configured(self, chosen: Chosen) -> Self:
        """Return itself: there is nothing to choose."""
        assert not chosen, chosen
        return self

    def refusals(self, asked: Asked) -> Sequence[str]:
        """Return nothing: what has no meaning on one machine is ignored, and a note says so."""
        return ()
